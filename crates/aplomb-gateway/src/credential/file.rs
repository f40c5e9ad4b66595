//! A key in a file: read whole, and read anew when the file changes.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::config::Secret;

/// No key is longer; a file that is larger is something else.
const LARGEST: u64 = 64 << 10;

/// How often a file is looked at, at most, while its key is good.
const LOOK: Duration = Duration::from_secs(1);

/// Why a file gives no key. Nothing of its content is ever told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It can't be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Nothing but space stands in it.
    #[error("it is empty")]
    Empty,
    /// It is too large for a key.
    #[error("it is larger than 64 KiB; that is no key")]
    Large,
    /// Some byte of it can't be sent.
    #[error("the key has characters that can't stand in a header")]
    Unfit,
}

/// The key in a file, without the space around it.
///
/// # Errors
/// There is none.
pub(crate) fn read_key(path: &Path) -> Result<Secret, KeyFileError> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(KeyFileError::Io(io::Error::other("it is no file")));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(KeyFileError::Large);
    }
    let text = String::from_utf8(bytes).map_err(|_| KeyFileError::Unfit)?;
    match text.trim() {
        "" => Err(KeyFileError::Empty),
        key if key.chars().any(char::is_control) => Err(KeyFileError::Unfit),
        key => Ok(Secret::new(key)),
    }
}

/// A file that is watched by looking at it now and then, when its key is used.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    /// What the file looked like when it was read.
    stamp: Option<Stamp>,
    looked: Instant,
    /// Its owner was told that it can't be read.
    warned: bool,
}

impl Watched {
    /// Begins to watch, with the key that stands in it now.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn new(path: &Path) -> Result<(Self, Secret), KeyFileError> {
        let stamp = Stamp::of(path);
        let key = read_key(path)?;
        Ok((Self { path: path.to_owned(), stamp, looked: Instant::now(), warned: false }, key))
    }

    /// The key, if the file was looked at and may have changed.
    ///
    /// While it is missing, empty or unfit there is nothing new: whoever replaces a file may do it in two steps.
    /// Files of keys are small and near, so that it is read where it is needed; nothing is waited for.
    pub(super) fn look(&mut self, at_once: bool) -> Option<Secret> {
        if !at_once && self.looked.elapsed() < LOOK {
            return None;
        }
        self.looked = Instant::now();
        let stamp = Stamp::of(&self.path);
        if !at_once && stamp.is_some() && stamp == self.stamp {
            return None;
        }
        match read_key(&self.path) {
            Ok(key) => {
                (self.stamp, self.warned) = (stamp, false);
                Some(key)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.warned, true) {
                    let file = self.path.display();
                    tracing::warn!(target: "aplomb::credential", %file, %error, "the key before is kept");
                }
                None
            }
        }
    }
}

/// What a file looks like from outside; another one after every change that is worth a look inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let data = std::fs::metadata(path).ok()?;
        Some(Self { modified: data.modified().ok(), length: data.len(), inode: inode(&data) })
    }
}

#[cfg(unix)]
fn inode(data: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(data)
}

#[cfg(not(unix))]
fn inode(_data: &Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    /// A folder of its own for each test, gone afterwards.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let folder = std::env::temp_dir().join(format!("aplomb-key-{}", uuid::Uuid::now_v7()));
            std::fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join("key");
            std::fs::write(&path, content).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _gone = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_key_is_read_without_the_space_around_it() {
        let folder = Folder::new();
        assert_eq!(read_key(&folder.file("  sk-hidden\r\n\n")).unwrap().expose(), "sk-hidden");
        assert_eq!(read_key(&folder.file("x".repeat(64 << 10))).unwrap().expose().len(), 64 << 10);
    }

    #[test]
    fn what_is_no_key_is_told_without_its_content() {
        let folder = Folder::new();
        for (content, told) in [
            (&b""[..], "it is empty"),
            (b" \n", "it is empty"),
            (b"hidden\nhidden", "the key has characters that can't stand in a header"),
            (b"hidden\xff", "the key has characters that can't stand in a header"),
            (&[b'h'; (64 << 10) + 1], "it is larger than 64 KiB; that is no key"),
        ] {
            assert_eq!(read_key(&folder.file(content)).unwrap_err().to_string(), told);
        }
        assert!(matches!(read_key(&folder.0), Err(KeyFileError::Io(_))));
        assert!(matches!(read_key(&folder.0.join("gone")), Err(KeyFileError::Io(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_seen_within_a_second_and_at_once_when_asked() {
        let folder = Folder::new();
        let (mut watched, key) = Watched::new(&folder.file("one")).unwrap();
        assert_eq!(key.expose(), "one");
        folder.file("number two");
        assert_eq!(watched.look(false), None, "it was looked at just now");
        advance(LOOK).await;
        assert_eq!(watched.look(false), Some(Secret::new("number two")));
        advance(LOOK).await;
        assert_eq!(watched.look(false), None, "nothing changed");
        folder.file("number three");
        assert_eq!(watched.look(true), Some(Secret::new("number three")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_replaced_is_seen_although_it_looks_alike() {
        let folder = Folder::new();
        let path = folder.file("one");
        let (mut watched, _) = Watched::new(&path).unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        let other = folder.0.join("other");
        std::fs::write(&other, "two").unwrap();
        File::options().write(true).open(&other).unwrap().set_modified(modified).unwrap();
        std::fs::rename(&other, &path).unwrap();
        advance(LOOK).await;
        assert_eq!(watched.look(false), Some(Secret::new("two")));
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_file_is_missing_or_empty_nothing_is_new() {
        let folder = Folder::new();
        let path = folder.file("one");
        let (mut watched, _) = Watched::new(&path).unwrap();
        folder.file("");
        advance(LOOK).await;
        assert_eq!((watched.look(false), watched.warned), (None, true));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(watched.look(true), None);
        folder.file("two");
        advance(LOOK).await;
        assert_eq!((watched.look(false), watched.warned), (Some(Secret::new("two")), false));
    }
}
