//! Where the admin port's token is kept from one start to the next: its hash, in a file of the user's own.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::private;
use super::token::AdminToken;

const FILE: &str = "admin-token";

/// The folder in which Aplomb keeps what must outlive it.
///
/// `$APLOMB_STATE`, else `$XDG_STATE_HOME/aplomb`, else `~/.local/state/aplomb`; `None` if the environment has none of them.
pub fn state_folder(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let named = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // A relative path in these two means nothing, says the specification of base directories.
    let absolute = |name: &str| named(name).filter(|path| path.is_absolute());
    named("APLOMB_STATE")
        .or_else(|| absolute("XDG_STATE_HOME").map(|folder| folder.join("aplomb")))
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state/aplomb")))
}

/// A token and where it is from.
#[derive(Debug)]
pub enum KeptToken {
    /// It was made now, and its hash written to this file.
    Made {
        /// Whom the port lets in.
        token: AdminToken,
        /// The token, which stands nowhere else.
        text: String,
        /// Where its hash is.
        file: PathBuf,
    },
    /// It was made at a former start; its hash is in this file.
    Found {
        /// Whom the port lets in.
        token: AdminToken,
        /// Where its hash is.
        file: PathBuf,
    },
}

impl KeptToken {
    /// The token that this folder keeps, or a new one if it keeps none.
    ///
    /// # Errors
    /// The folder can't be used, or its file is not what was written.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        let file = folder.join(FILE);
        match read(&file) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            read => return read.map(|token| Self::Found { token, file }),
        }
        let (token, text) = AdminToken::make();
        let draft = draft(folder, &token)?;
        // A link is made with its whole content or not at all, and never over another's.
        let linked = fs::hard_link(&draft, &file);
        fs::remove_file(&draft)?;
        match linked {
            Ok(()) => Ok(Self::Made { token, text, file }),
            // Another gateway started at the same moment: its token counts.
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {
                read(&file).map(|token| Self::Found { token, file })
            }
            Err(err) => Err(err),
        }
    }

    /// A new token in place of the one that this folder keeps.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn anew(folder: &Path) -> io::Result<Self> {
        let file = folder.join(FILE);
        let (token, text) = AdminToken::make();
        fs::rename(draft(folder, &token)?, &file)?;
        Ok(Self::Made { token, text, file })
    }
}

fn read(file: &Path) -> io::Result<AdminToken> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "it holds no hash of a token");
    // A line has 72 bytes; whatever else stands there is not read into memory.
    if fs::metadata(file)?.len() > 1024 {
        return Err(broken());
    }
    AdminToken::of_line(&fs::read_to_string(file)?).ok_or_else(broken)
}

/// The file under a name of this process alone.
fn draft(folder: &Path, token: &AdminToken) -> io::Result<PathBuf> {
    private::folder(folder)?;
    let draft = folder.join(format!(".{FILE}.{}", uuid::Uuid::now_v7()));
    let mut file = private::file(&draft)?;
    file.write_all(token.line().as_bytes())?;
    file.sync_all()?;
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("aplomb-state-{}", uuid::Uuid::now_v7())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _never_made = fs::remove_dir_all(&self.0);
        }
    }

    fn made(kept: KeptToken) -> (AdminToken, String) {
        let KeptToken::Made { token, text, .. } = kept else { panic!("{kept:?}") };
        (token, text)
    }

    fn found(kept: KeptToken) -> AdminToken {
        let KeptToken::Found { token, .. } = kept else { panic!("{kept:?}") };
        token
    }

    #[test]
    fn a_token_is_made_once_and_found_again() {
        let folder = Folder::new();
        let at = folder.0.join("deep/er");
        let (token, text) = made(KeptToken::in_folder(&at).unwrap());
        assert_eq!(found(KeptToken::in_folder(&at).unwrap()), token);
        let (other, _) = made(KeptToken::anew(&at).unwrap());
        assert_ne!(other, token);
        assert_eq!(found(KeptToken::in_folder(&at).unwrap()), other);
        let names: Vec<_> = fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [FILE], "no draft is left");
        assert!(!fs::read_to_string(at.join(FILE)).unwrap().contains(&text));
    }

    #[test]
    fn many_that_start_at_once_agree() {
        let folder = Folder::new();
        let all: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| KeptToken::in_folder(&folder.0).unwrap())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let kept = found(KeptToken::in_folder(&folder.0).unwrap());
        let printed = all.iter().filter(|one| matches!(one, KeptToken::Made { .. })).count();
        assert_eq!(printed, 1, "printed once");
        for one in all {
            let (KeptToken::Made { token, .. } | KeptToken::Found { token, .. }) = one;
            assert_eq!(token, kept);
        }
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = Folder::new();
        made(KeptToken::in_folder(&folder.0).unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder.0), mode(&folder.0.join(FILE))), (0o700, 0o600));
        made(KeptToken::anew(&folder.0).unwrap());
        assert_eq!(mode(&folder.0.join(FILE)), 0o600);
    }

    #[test]
    fn a_file_that_was_spoilt_lets_nobody_in() {
        let folder = Folder::new();
        fs::create_dir_all(&folder.0).unwrap();
        for text in ["", "secret", "sha256:00", &"x".repeat(5000)] {
            fs::write(folder.0.join(FILE), text).unwrap();
            assert!(KeptToken::in_folder(&folder.0).is_err(), "{text}");
        }
        made(KeptToken::anew(&folder.0).unwrap());
        assert!(KeptToken::in_folder(&folder.0.join(FILE)).is_err(), "a file where the folder should be");
    }

    #[test]
    fn the_folder_is_where_the_platform_keeps_state() {
        let folder = |given: &[(&str, &str)]| {
            let env = |name: &str| given.iter().find(|one| one.0 == name).map(|one| one.1.to_owned());
            state_folder(env).map(|path| path.display().to_string())
        };
        let home = ("HOME", "/ada");
        assert_eq!(folder(&[home]).as_deref(), Some("/ada/.local/state/aplomb"));
        assert_eq!(folder(&[home, ("XDG_STATE_HOME", "/var/s")]).as_deref(), Some("/var/s/aplomb"));
        assert_eq!(folder(&[home, ("XDG_STATE_HOME", "s")]).as_deref(), Some("/ada/.local/state/aplomb"));
        assert_eq!(folder(&[home, ("APLOMB_STATE", "here")]).as_deref(), Some("here"));
        assert_eq!(folder(&[("APLOMB_STATE", "")]), None);
    }
}
