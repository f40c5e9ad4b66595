//! Where keys, accounts, balances and kept answers live, and where counters are shared.

use std::path::PathBuf;

use crate::config::Secret;

/// Where keys, accounts, balances and kept answers live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// An SQLite file; absent: `store.db` in the platform's state folder.
    File(Option<PathBuf>),
    /// A PostgreSQL server; the whole URL, since it may hold a password.
    Postgres(Secret),
}

impl StorePlace {
    /// Reads a URL: `sqlite:`, `sqlite:PATH`, `postgres://…`.
    ///
    /// # Errors
    /// A sentence that doesn't repeat the URL: it may hold a password.
    pub fn read(url: &str) -> Result<Self, String> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.contains(['?', '#']) || path == ":memory:" {
                return Err(
                    "name a file, such as `sqlite:/var/lib/aplomb/aplomb.db`, without options".to_owned()
                );
            }
            return Ok(Self::File((!path.is_empty()).then(|| PathBuf::from(path))));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(Secret::new(url)));
        }
        Err("expected `sqlite:`, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`".to_owned())
    }
}

/// Where several gateways count together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedPlace {
    /// A Valkey or Redis server; the whole URL, since it may hold a password.
    pub url: Secret,
    /// How they count.
    pub mode: SharedMode,
}

/// How several gateways count together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharedMode {
    /// Every request asks: exact, at one call each.
    #[default]
    Exact,
    /// Each gateway borrows a share for a while and counts by itself.
    Lease,
}

/// Reads the URL of a Valkey or Redis server.
///
/// # Errors
/// A sentence that doesn't repeat the URL: it may hold a password.
pub(super) fn shared_url(url: &str) -> Result<Secret, String> {
    let rest = ["redis://", "rediss://", "valkey://", "valkeys://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    match rest {
        Some(rest) if !rest.is_empty() => Ok(Secret::new(url)),
        _ => Err("expected `redis://HOST:6379` or `rediss://USER:PASSWORD@HOST:6379`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_file_or_a_server() {
        assert_eq!(StorePlace::read("sqlite:"), Ok(StorePlace::File(None)));
        let file = |path: &str| Ok(StorePlace::File(Some(PathBuf::from(path))));
        assert_eq!(StorePlace::read("sqlite:/a/b.db"), file("/a/b.db"));
        assert_eq!(StorePlace::read("sqlite:///a/b.db"), file("/a/b.db"));
        assert_eq!(StorePlace::read("sqlite:b.db"), file("b.db"));
        assert!(matches!(StorePlace::read("postgres://u:hunter2@h/d"), Ok(StorePlace::Postgres(_))));
    }

    #[test]
    fn what_is_neither_is_told_without_its_password() {
        for url in ["mysql://u:hunter2@h/d", "hunter2", "sqlite::memory:", "sqlite:a?mode=hunter2"] {
            let told = StorePlace::read(url).unwrap_err();
            assert!(!told.contains("hunter2"), "{told}");
        }
        for url in ["http://u:hunter2@h", "redis://", "hunter2"] {
            assert!(!shared_url(url).unwrap_err().contains("hunter2"));
        }
        assert!(shared_url("valkey://127.0.0.1:6379").is_ok());
    }
}
