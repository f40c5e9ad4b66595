//! The file that `aplomb init` writes: every key with its default and a word about it.

/// A configuration with comments, ready to be changed.
///
/// Every key that is taken stands in it; what is not commented out works as it is, without a variable set.
pub const SAMPLE: &str = include_str!("sample.toml");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::given::{KEYS, read};

    /// The sample with every commented key in force.
    fn in_full() -> String {
        let uncommented = |line: &str| match line.strip_prefix('#') {
            Some(key) if !key.starts_with([' ', '#']) => key.to_owned(),
            _ => line.to_owned(),
        };
        SAMPLE.lines().map(|line| uncommented(line) + "\n").collect()
    }

    #[test]
    fn the_sample_works_as_it_is() {
        let config = read(SAMPLE).unwrap();
        assert_eq!(config.routes.iter().count(), 2);
        assert!(config.upstreams.iter().all(|upstream| upstream.credential.is_callers()));
    }

    #[test]
    fn the_sample_works_with_every_key_in_force() {
        let config = read(&in_full()).unwrap();
        assert!(config.server.tls.is_some());
        assert!(config.upstreams.iter().all(|upstream| upstream.credential.ours().is_some()));
    }

    #[test]
    fn the_sample_has_every_key() {
        let full = in_full();
        for (table, keys) in KEYS.iter() {
            for key in keys {
                let last = key.rsplit('.').next().unwrap();
                assert!(
                    full.lines().any(|line| line.contains(&format!("{last} ="))),
                    "{table} {key} is not in the sample"
                );
            }
        }
    }
}
