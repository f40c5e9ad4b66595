//! The dialects that a command works with: the bundled ones, and a folder of the user's own over them.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Error, Read};
use std::path::Path;

use aplomb_core::{Catalog, spec};
use aplomb_gateway::config::Mistake;

/// A dialect is a page or two; what is larger than this is another file.
const LARGEST_FILE: u64 = 1 << 20;

/// The bundled dialects with those of a folder over them.
///
/// # Errors
/// Every file that can't be read, and every mistake in the others.
pub(crate) fn catalog(folder: Option<&Path>) -> Result<Cow<'static, Catalog>, Vec<Mistake>> {
    let bundled = aplomb_core::catalog();
    let Some(folder) = folder else { return Ok(Cow::Borrowed(bundled)) };
    let files = read_folder(folder)?;
    let files = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let told = |mistake: spec::Mistake| Mistake {
        file: folder.join(format!("{}.toml", mistake.file)).display().to_string(),
        place: None,
        key: mistake.place,
        message: mistake.text,
    };
    bundled.with(files).map(Cow::Owned).map_err(|mistakes| mistakes.into_iter().map(told).collect())
}

fn read_folder(folder: &Path) -> Result<Vec<(String, String)>, Vec<Mistake>> {
    let entries = std::fs::read_dir(folder).map_err(|err| vec![unreadable(folder, &err)])?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    let mut mistakes = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match read_file(&path) {
            Ok(text) => files.push((name, text)),
            Err(err) => mistakes.push(unreadable(&path, &err)),
        }
    }
    if mistakes.is_empty() { Ok(files) } else { Err(mistakes) }
}

fn unreadable(path: &Path, err: &Error) -> Mistake {
    let message = format!("can't be read: {err}");
    Mistake { file: path.display().to_string(), place: None, key: String::new(), message }
}

fn read_file(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(Error::other("more than 1 MiB is no dialect"));
    }
    Ok(text)
}
