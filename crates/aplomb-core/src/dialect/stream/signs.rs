//! The signs of an end and of an error in the bytes of an event, looked for before anything is parsed.

use memchr::memmem;

use crate::spec::{Path, StreamForm};

/// Whether an event is the terminal one.
pub(super) fn is_done(form: &StreamForm, name: Option<&str>, data: &[u8]) -> bool {
    let by_event = form.done_event.as_deref().is_some_and(|own| name == Some(own));
    let by_data = form.done_data.as_deref().is_some_and(|own| data.trim_ascii() == own.as_bytes());
    by_event || by_data || name.is_some_and(|name| form.done_also.iter().any(|own| own == name))
}

/// Whether an unfinished last event is the terminal one.
pub(super) fn is_terminal(form: Option<&StreamForm>, tail: &[u8]) -> bool {
    let Some(form) = form else { return true };
    let text = String::from_utf8_lossy(tail);
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    is_done(form, field("event:"), field("data:").unwrap_or_default().as_bytes())
}

/// Whether one of the members may stand in the text: a look at bytes, so that a healthy event costs no parse.
pub(super) fn may_hold(paths: &[Path], data: &[u8]) -> bool {
    paths.iter().any(|path| {
        let Some(name) = path.parts().last() else { return false };
        let quoted = format!("\"{name}\"");
        memmem::find_iter(data, &quoted).any(|at| !null_follows(&data[at + quoted.len()..]))
    })
}

fn null_follows(data: &[u8]) -> bool {
    let rest = data.trim_ascii_start();
    let rest = rest.strip_prefix(b":").unwrap_or(rest).trim_ascii_start();
    rest.starts_with(b"null")
}

/// Whether an event says of every choice that it is finished.
pub(super) fn holds_finish(finish: &Path, data: &[u8]) -> bool {
    if !may_hold(std::slice::from_ref(finish), data) {
        return false;
    }
    let Ok(value) = serde_json::from_slice(data) else { return false };
    let found = finish.find(&value);
    !found.is_empty() && found.iter().all(|value| !value.is_null())
}
