//! The admin port's token: whose it is, and what is said about it at the start.

use std::io;

use aplomb_gateway::{AdminToken, KeptToken, state_folder};

/// Names a token of somebody's own.
const VARIABLE: &str = "APLOMB_ADMIN_TOKEN";

/// The token, and the lines that tell where it is from.
///
/// The environment's comes first, then the one that is kept; where none is, one is made, kept as a hash and told once.
/// Where nothing can be kept, one is made for this run.
///
/// # Errors
/// What can't be done, in a sentence.
pub(super) fn find(
    env: impl Fn(&str) -> Option<String>,
    renew: bool,
) -> Result<(AdminToken, String), String> {
    if let Some(text) = env(VARIABLE) {
        if renew {
            return Err(format!("{VARIABLE} names the token; take it away to have another one made"));
        }
        let token = AdminToken::named(&text).map_err(|why| format!("{VARIABLE}: {why}"))?;
        return Ok((token, format!("admin token: the one in {VARIABLE}\n")));
    }
    let kept = match state_folder(env) {
        Some(folder) if renew => KeptToken::anew(&folder).map_err(|err| in_place(&folder, &err)),
        Some(folder) => KeptToken::in_folder(&folder).map_err(|err| in_place(&folder, &err)),
        None => Err(io::Error::other("the environment has neither APLOMB_STATE nor HOME")),
    };
    match kept {
        Ok(KeptToken::Made { token, text, file }) => {
            let file = file.display();
            Ok((token, format!("admin token: {text}\n  shown this once; only its hash is kept, in {file}\n")))
        }
        Ok(KeptToken::Found { token, file }) => {
            let file = file.display();
            let lost = "lost? `aplomb serve --new-admin-token` makes another";
            Ok((token, format!("admin token: the one made before, its hash is in {file}; {lost}\n")))
        }
        Err(why) if renew => Err(format!("no new token can be kept: {why}")),
        Err(why) => {
            let (token, text) = AdminToken::make();
            let kept = format!("warning: no token can be kept: {why}; this one is for this run only");
            Ok((token, format!("admin token: {text}\n  {kept}\n")))
        }
    }
}

/// An error with the folder that it is about.
fn in_place(folder: &std::path::Path, err: &io::Error) -> io::Error {
    io::Error::new(err.kind(), format!("{}: {err}", folder.display()))
}
