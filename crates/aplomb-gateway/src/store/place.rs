//! Where the store is: `sqlite:`, `sqlite:PATH` or `postgres://…`, checked before anything is opened.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// The name of the default file in the state folder.
const FILE: &str = "aplomb.db";

/// Where the store is.
#[derive(Clone)]
pub(crate) enum StorePlace {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(Box<PgConnectOptions>),
}

/// Why a URL names no store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Another kind of database.
    #[error("a store is `sqlite:`, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`")]
    Scheme,
    /// A database that ends with the process keeps nothing.
    #[error("a store in memory keeps nothing; leave the path out, or name a file")]
    Memory,
    /// The rest of a `postgres:` URL.
    #[error("the URL of the PostgreSQL can't be read; write `postgres://USER:PASSWORD@HOST/DATABASE`")]
    Postgres,
    /// The default file has no folder to be in.
    #[error("no folder for the store is known: set `APLOMB_STATE` or `HOME`, or name a file (`sqlite:PATH`)")]
    NoFolder,
}

impl StorePlace {
    /// Reads a URL; `state` is the folder for a file that isn't named.
    ///
    /// # Errors
    /// What names no store. The URL stands in no error: it may hold a password.
    pub(crate) fn new(url: &str, state: Option<PathBuf>) -> Result<Self, PlaceError> {
        let (scheme, rest) = url.split_once(':').ok_or(PlaceError::Scheme)?;
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                match path {
                    "" => Ok(Self::Sqlite(state.ok_or(PlaceError::NoFolder)?.join(FILE))),
                    ":memory:" | "memory:" => Err(PlaceError::Memory),
                    path => Ok(Self::Sqlite(PathBuf::from(path))),
                }
            }
            "postgres" | "postgresql" => {
                let options = PgConnectOptions::from_str(url).map_err(|_| PlaceError::Postgres)?;
                Ok(Self::Postgres(Box::new(options.application_name("aplomb"))))
            }
            _ => Err(PlaceError::Scheme),
        }
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(options) => {
                let database = options.get_database().unwrap_or_else(|| options.get_username());
                write!(f, "postgres://{}:{}/{database}", options.get_host(), options.get_port())
            }
        }
    }
}

/// As it is displayed: options hold a password.
impl fmt::Debug for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorePlace({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Result<String, PlaceError> {
        StorePlace::new(url, Some("/state".into())).map(|place| place.to_string())
    }

    #[test]
    fn a_url_names_a_file_or_a_server() {
        assert_eq!(place("sqlite:").unwrap(), "/state/aplomb.db");
        assert_eq!(place("sqlite://").unwrap(), "/state/aplomb.db");
        assert_eq!(place("sqlite:keys.db").unwrap(), "keys.db");
        assert_eq!(place("sqlite:///var/lib/a.db").unwrap(), "/var/lib/a.db");
        assert_eq!(
            place("postgres://ada:s3cret@db.example/keys").unwrap(),
            "postgres://db.example:5432/keys"
        );
    }

    #[test]
    fn what_names_none_is_told_and_a_password_never_is() {
        assert_eq!(place("mysql://x"), Err(PlaceError::Scheme));
        assert_eq!(place("store.db"), Err(PlaceError::Scheme));
        assert_eq!(place("sqlite::memory:"), Err(PlaceError::Memory));
        assert_eq!(place("postgres://ada:s3cret@db:port/keys"), Err(PlaceError::Postgres));
        assert_eq!(StorePlace::new("sqlite:", None).unwrap_err(), PlaceError::NoFolder);
        let known = StorePlace::new("postgres://ada:s3cret@db/keys", None).unwrap();
        assert!(!format!("{known} {known:?}").contains("s3cret"));
    }
}
