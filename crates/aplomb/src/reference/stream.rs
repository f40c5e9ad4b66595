//! How a stream reports an error, and how it ends.

use aplomb_core::dialect::render_event;
use aplomb_core::spec::StreamForm;
use aplomb_core::{Dialect, Kind};
use serde_json::{Value, json};

use super::document::{Block, Section, code, codes};
use super::example;

/// The section; `None` where nothing is streamed.
pub(super) fn section(dialect: &Dialect) -> Option<Section> {
    if dialect.streams.is_empty() {
        return None;
    }
    let mut blocks = vec![Block::text(
        "A stream begins with status 200, so that a failure after that can only be told inside it. \
         Read every event with care, and count a stream as whole only when it has ended as it should.",
    )];
    for form in &dialect.streams {
        blocks.push(Block::Heading(format!("Streams of the form {}", code(&form.name))));
        blocks.push(Block::code("text", event(dialect, form)));
        blocks.push(Block::List(rules(form)));
    }
    Some(Section::new("streams", "Errors in streams", blocks))
}

fn event(dialect: &Dialect, form: &StreamForm) -> String {
    let failure = example::failure(dialect, Kind::Overloaded);
    let event = render_event(dialect, Some(form), &failure, Some(example::REQUEST_ID));
    String::from_utf8_lossy(&event.0).into_owned()
}

fn rules(form: &StreamForm) -> Vec<String> {
    let mut rules = Vec::new();
    if !form.error_events.is_empty() {
        rules.push(format!("An event named {} is a failure.", codes(&form.error_events)));
    }
    if !form.error_at.is_empty() {
        let paths = form.error_at.iter().map(|path| path.parts().join("."));
        rules.push(format!("A data object with {} is a failure, even among good events.", codes(paths)));
    }
    let end = match (&form.done_event, &form.done_data) {
        (Some(event), _) => Some(format!("the event {}", code(event))),
        (None, Some(data)) => Some(code(format!("data: {data}"))),
        (None, None) => None,
    };
    let finish = form.finish.as_ref().map(|path| code(path.parts().join(".")));
    rules.push(match (end, finish) {
        (Some(end), Some(finish)) => {
            format!("It is whole after {end}, or once every {finish} is set and the connection ends cleanly.")
        }
        (Some(end), None) => format!("It is whole after {end}."),
        (None, Some(finish)) => {
            format!("It is whole once every {finish} is set and the connection ends cleanly.")
        }
        (None, None) => "It is whole when the connection ends cleanly.".to_owned(),
    });
    rules.push("Anything else is a cut: what came is not the answer. Nothing that was shown to a user may be retried silently.".to_owned());
    rules
}

/// The same for programs.
pub(super) fn json(dialect: &Dialect) -> Value {
    let rows = dialect.streams.iter().map(|form| {
        json!({
            "name": form.name,
            "example": event(dialect, form),
            "error_events": form.error_events,
            "error_at": form.error_at.iter().map(|path| path.parts().join(".")).collect::<Vec<_>>(),
            "done_event": form.done_event,
            "done_data": form.done_data,
            "finish": form.finish.as_ref().map(|path| path.parts().join(".")),
        })
    });
    rows.collect()
}
