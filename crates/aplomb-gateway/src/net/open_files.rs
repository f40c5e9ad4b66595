//! How many sockets the process may have open: as many as the system lets it ask for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the process's own bound on open files to the most that the system grants it.
///
/// The usual bound of 1024 is there for programs that use `select`; it would hold a gateway, which needs two
/// sockets per request under way, to some 500 callers. A system that grants no more leaves it as it was.
pub fn allow_many_files() {
    let bound = getrlimit(Resource::Nofile);
    if bound.current == bound.maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: bound.maximum, ..bound }) {
        tracing::warn!(%error, "the bound on open files could not be raised");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_raised_to_what_is_granted() {
        let granted = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: granted }).unwrap();
        allow_many_files();
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: granted, maximum: granted });
    }
}
