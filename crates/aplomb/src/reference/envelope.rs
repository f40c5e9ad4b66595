//! The error object: its members, as the envelope's template has them.

use aplomb_core::spec::{Envelope, FactName, Form, Node, Presence, Slot, SlotName};
use aplomb_core::{Dialect, Kind};
use serde_json::{Value, json};

use super::document::{Block, Section, code, codes};

/// A member of an error object.
pub(super) struct Member {
    /// Its path, with dots; `[]` after a list.
    pub(super) path: String,
    pub(super) json_type: &'static str,
    pub(super) always: bool,
    pub(super) meaning: String,
    /// The fact that it carries.
    pub(super) fact: Option<SlotName>,
}

/// The members of an envelope, in their order.
pub(super) fn members(envelope: &Envelope) -> Vec<Member> {
    let mut found = Vec::new();
    walk(&envelope.node, "", true, &mut found);
    found
}

fn walk(node: &Node, path: &str, always: bool, found: &mut Vec<Member>) {
    let branch = |json_type, meaning: &str| Member {
        path: path.to_owned(),
        json_type,
        always,
        meaning: meaning.to_owned(),
        fact: None,
    };
    match node {
        Node::Slot(slot) => found.push(of_slot(*slot, path, always)),
        Node::Literal(value) => {
            found.push(Member { meaning: format!("Always `{value}`."), ..branch(type_name(value), "") });
        }
        Node::Object(members) => {
            if !path.is_empty() && !path.ends_with("[]") {
                found.push(branch("object", "Holds the members below."));
            }
            for member in members {
                let key = if member.is_spread() { "…" } else { &member.key };
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                walk(&member.node, &path, always && !member.optional && !member.is_spread(), found);
            }
        }
        Node::Tuple(nodes) => {
            found.push(branch("array", "A list; each element has one of the forms below."));
            nodes.iter().for_each(|node| walk(node, &format!("{path}[]"), false, found));
        }
        Node::List(node) => {
            found.push(branch("array", "One element for each wrong value."));
            walk(node, &format!("{path}[]"), always, found);
        }
    }
}

fn of_slot(slot: Slot, path: &str, always: bool) -> Member {
    let (json_type, meaning) = explain(slot);
    let path = if path.is_empty() { "(the whole body)" } else { path };
    let always = always && slot.presence != Presence::Optional;
    let nullable = slot.presence == Presence::Nullable;
    let meaning = if nullable { format!("{meaning} `null` when there is none.") } else { meaning.to_owned() };
    Member { path: path.to_owned(), json_type, always, meaning, fact: Some(slot.name) }
}

/// The JSON type of a fact, and what it says.
fn explain(slot: Slot) -> (&'static str, &'static str) {
    let number = |number, text| if slot.form == Form::Text { text } else { number };
    match (slot.name, slot.form) {
        (SlotName::Message, _) => (
            "string",
            "What went wrong, in a sentence for people. Log it; don't let a program depend on its words.",
        ),
        (SlotName::Code, Form::Int) => ("number", "Names the error for programs."),
        (SlotName::Code, _) => ("string", "Names the error for programs: compare this one."),
        (SlotName::Type, _) => ("string", "The category of the error."),
        (SlotName::Param, Form::Loc) => {
            ("array", "The path to the value at fault, beginning with the part of the request.")
        }
        (SlotName::Param, Form::Pointer) => ("string", "A JSON pointer to the value at fault."),
        (SlotName::Param, _) => ("string", "The parameter at fault."),
        (SlotName::RequestId, _) => {
            ("string", "The id of this request. Log it, and quote it when asking for support.")
        }
        (SlotName::Status, form) => {
            (if form == Form::Text { "string" } else { "number" }, "The HTTP status again.")
        }
        (SlotName::Wait, Form::Millis) => ("number", "Milliseconds to wait before the next request."),
        (SlotName::Wait, Form::Go) => ("string", "How long to wait before the next request, such as `40s`."),
        (SlotName::Wait, _) => ("number", "Seconds to wait before the next request."),
        (SlotName::Title, _) => ("string", "What happened, in a few words."),
        (SlotName::Kind, _) => ("string", "What happened, in the words of the catalogue of kinds."),
        (SlotName::Limit, _) => {
            (number("number", "string"), "How much fits into the window of the limit that was hit.")
        }
        (SlotName::Remaining, _) => (number("number", "string"), "How much of that is left."),
        (SlotName::Window, Form::Text) => ("string", "The window of that limit, such as `1 minute`."),
        (SlotName::Window, _) => ("number", "The window of that limit, in seconds."),
        (SlotName::FieldCode, _) => ("string", "What is wrong with this value, for programs."),
        (SlotName::Errors, Form::Map) => {
            ("object", "The name of each wrong value, with a list of sentences.")
        }
        (SlotName::Errors, _) => ("array", "Every wrong value."),
        (SlotName::Details | SlotName::Rest, _) => ("any", "Further facts, under their own names."),
        (SlotName::Any, _) => ("any", "May be there; nothing depends on it."),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The path of the member that carries a fact, in the envelope of most kinds.
pub(super) fn path_of(dialect: &Dialect, fact: SlotName) -> Option<String> {
    let general =
        dialect.envelopes.iter().find(|envelope| !envelope.read_only && envelope.kinds.is_none())?;
    members(general).into_iter().find(|member| member.fact == Some(fact)).map(|member| member.path)
}

/// The section.
pub(super) fn section(dialect: &Dialect) -> Section {
    let mut blocks = Vec::new();
    for envelope in dialect.envelopes.iter().filter(|envelope| !envelope.read_only) {
        blocks.push(Block::text(format!(
            "{}, sent as {}.",
            scope(dialect, envelope),
            code(&envelope.content_type)
        )));
        blocks.push(table(envelope));
    }
    let headers: Vec<_> =
        dialect.header_facts.iter().map(|row| [code(&row.header), fact_name(row.fact).to_owned()]).collect();
    if !headers.is_empty() {
        blocks.push(Block::text("Some facts stand in headers:"));
        blocks.push(Block::table(["Header", "Carries"], headers));
    }
    let mut others = dialect.envelopes.iter().filter(|envelope| envelope.read_only).peekable();
    if others.peek().is_some() {
        blocks.push(Block::Heading("Other forms that are met".to_owned()));
        blocks.push(Block::text(
            "Older versions, frameworks and servers in between send these; a careful client reads them too.",
        ));
        blocks.extend(others.enumerate().map(|(i, envelope)| Block::Fold {
            id: format!("form-{}", i + 1),
            title: code(outline(&envelope.node)),
            blocks: vec![table(envelope)],
        }));
    }
    Section::new("error-object", "The error object", blocks)
}

fn scope(dialect: &Dialect, envelope: &Envelope) -> String {
    let is_only = dialect.envelopes.iter().filter(|other| !other.read_only).count() == 1;
    match &envelope.kinds {
        Some(kinds) => format!("The body for {}", codes(kinds)),
        None if is_only => "Every failure has this body".to_owned(),
        None => "Every other failure has this body".to_owned(),
    }
}

fn table(envelope: &Envelope) -> Block {
    let rows = members(envelope).into_iter().map(|member| {
        let always = if member.always { "yes" } else { "no" };
        [code(member.path), member.json_type.to_owned(), always.to_owned(), member.meaning]
    });
    Block::table(["Member", "Type", "Always", "What it says"], rows)
}

/// The names of the members alone, such as `{message, detail: [{loc, msg}]}`.
fn outline(node: &Node) -> String {
    match node {
        Node::Slot(_) => "text".to_owned(),
        Node::Literal(value) => value.to_string(),
        Node::Object(members) => {
            let members =
                members.iter().filter(|member| !member.is_spread()).map(|member| match &member.node {
                    Node::Slot(_) => member.key.clone(),
                    node => format!("{}: {}", member.key, outline(node)),
                });
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Node::Tuple(nodes) => format!("[{}]", nodes.iter().map(outline).collect::<Vec<_>>().join(", ")),
        Node::List(node) => format!("[{}]", outline(node)),
    }
}

fn fact_name(fact: FactName) -> &'static str {
    match fact {
        FactName::Message => "the message",
        FactName::Code => "the code",
        FactName::Type => "the type",
        FactName::Param => "the parameter at fault",
        FactName::RequestId => "the request id",
    }
}

/// The same for programs.
pub(super) fn json(dialect: &Dialect) -> Value {
    let envelopes = dialect.envelopes.iter().map(|envelope| {
        let members = members(envelope).into_iter().map(|member| {
            json!({ "path": member.path, "type": member.json_type, "always": member.always, "meaning": member.meaning })
        });
        json!({
            "content_type": envelope.content_type,
            "kinds": envelope.kinds.as_ref().map(|kinds| kinds.iter().copied().map(Kind::as_str).collect::<Vec<_>>()),
            "sent": !envelope.read_only,
            "members": members.collect::<Vec<_>>(),
        })
    });
    envelopes.collect()
}
