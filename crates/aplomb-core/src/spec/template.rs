//! Envelope templates: the shape of an error body, with slots where the facts stand.
//!
//! One template serves both directions; `dialect::read` and `dialect::write` walk it.

use std::fmt;

use serde_json::Value;

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A fact stands here.
    Slot(Slot),
    /// Exactly this value stands here.
    Literal(Value),
    /// An object with these members.
    Object(Vec<Member>),
    /// A list whose elements are each met by the first of these that fits.
    Tuple(Vec<Self>),
    /// A list with an element per field error.
    List(Box<Self>),
}

/// A member of an object template.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The member's name; `...` for every member that the template doesn't name.
    pub key: String,
    /// What stands there.
    pub node: Node,
    /// The member may be missing.
    pub optional: bool,
}

impl Member {
    /// Whether this is the place for members that the template doesn't name.
    pub fn is_spread(&self) -> bool {
        self.key == "..."
    }
}

/// A place for a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which fact.
    pub name: SlotName,
    /// In which form.
    pub form: Form,
    /// Whether it may be missing, and how absence is written.
    pub presence: Presence,
}

/// Whether a fact must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Must be there when reading; null when writing an absent one.
    Required,
    /// May be missing; left out when absent.
    Optional,
    /// May be missing; null when absent.
    Nullable,
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }

            const NAMES: &'static [&'static str] = &[$($text),+];
        }
    };
}

words! {
    /// The facts that a template can place.
    SlotName {
        /// The human sentence.
        Message = "message",
        /// The machine-readable code.
        Code = "code",
        /// The type or category.
        Type = "type",
        /// The parameter at fault.
        Param = "param",
        /// The request's id.
        RequestId = "request_id",
        /// The HTTP status.
        Status = "status",
        /// How long to wait.
        Wait = "wait",
        /// The kind's title.
        Title = "title",
        /// The kind's name.
        Kind = "kind",
        /// The first limit's size.
        Limit = "limit",
        /// What is left of it.
        Remaining = "remaining",
        /// Its window.
        Window = "window",
        /// A field error's own code.
        FieldCode = "field_code",
        /// All field errors.
        Errors = "errors",
        /// Members that the template doesn't name.
        Details = "details",
        /// The same, and facts that have no slot.
        Rest = "rest",
        /// Anything; read and forgotten.
        Any = "any",
    }
}

words! {
    /// How a fact is written.
    Form {
        /// As it is.
        Plain = "",
        /// A JSON number.
        Int = "int",
        /// Text.
        Text = "text",
        /// A list of path elements that begins with the part of the request.
        Loc = "loc",
        /// A JSON pointer, perhaps behind `#`.
        Pointer = "pointer",
        /// Seconds.
        Seconds = "s",
        /// Milliseconds.
        Millis = "ms",
        /// A duration such as `40s`.
        Go = "go",
        /// An object of field names to lists of messages.
        Map = "map",
        /// Text that holds JSON.
        Json = "json",
    }
}

/// Why a template can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTemplate(String);

impl fmt::Display for BadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Node {
    /// Parses a template.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let value: Value =
            serde_json::from_str(text).map_err(|err| BadTemplate(format!("not JSON: {err}")))?;
        Self::build(&value)
    }

    fn build(value: &Value) -> Result<Self, BadTemplate> {
        match value {
            Value::String(text) if text.starts_with('$') => Ok(Self::Slot(Slot::parse(text)?)),
            Value::Object(members) => Ok(Self::Object(
                members.iter().map(|(key, value)| Member::build(key, value)).collect::<Result<_, _>>()?,
            )),
            Value::Array(items) => {
                Ok(Self::Tuple(items.iter().map(Self::build).collect::<Result<Vec<_>, _>>()?))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Ok(Self::Literal(value.clone()))
            }
        }
    }

    /// Whether the fact has its place in the elements of a list.
    pub fn lists(&self, name: SlotName) -> bool {
        match self {
            Self::List(node) => node.holds(name),
            Self::Object(members) => members.iter().any(|member| member.node.lists(name)),
            Self::Slot(_) | Self::Literal(_) | Self::Tuple(_) => false,
        }
    }

    /// Whether the fact has a place here in which any value of it fits.
    pub fn holds(&self, name: SlotName) -> bool {
        match self {
            Self::Slot(slot) => slot.name == name,
            Self::Literal(_) => false,
            Self::Object(members) => members.iter().any(|member| member.node.holds(name)),
            Self::Tuple(nodes) => nodes.iter().any(|node| node.holds(name)),
            Self::List(node) => node.holds(name),
        }
    }
}

impl Member {
    fn build(key: &str, value: &Value) -> Result<Self, BadTemplate> {
        let (key, mut optional) = match key.strip_suffix('?') {
            Some(key) => (key, true),
            None => (key, false),
        };
        let (key, node) = match key.strip_suffix("[]") {
            Some(key) => (key, Node::List(Box::new(Node::build(value)?))),
            None => (key, Node::build(value)?),
        };
        if key == "..."
            && !matches!(&node, Node::Slot(slot) if matches!(slot.name, SlotName::Details | SlotName::Rest))
        {
            return Err(BadTemplate("`...` takes `$details` or `$rest`".to_owned()));
        }
        optional |= key == "..." || matches!(&node, Node::Slot(slot) if slot.presence != Presence::Required);
        Ok(Self { key: key.to_owned(), node, optional })
    }
}

impl Slot {
    fn parse(text: &str) -> Result<Self, BadTemplate> {
        let (body, presence) = if let Some(body) = text.strip_suffix('?') {
            (body, Presence::Optional)
        } else if let Some(body) = text.strip_suffix("|null") {
            (body, Presence::Nullable)
        } else {
            (text, Presence::Required)
        };
        let (name, form) = body[1..].split_once(':').unwrap_or_else(|| (&body[1..], ""));
        let name = SlotName::parse(name).ok_or_else(|| {
            BadTemplate(format!("`${name}` is no slot; there are {}", SlotName::NAMES.join(", ")))
        })?;
        let form = Form::parse(form).ok_or_else(|| {
            BadTemplate(format!("`:{form}` is no form; there are {}", Form::NAMES[1..].join(", ")))
        })?;
        Ok(Self { name, form, presence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_literals_lists_and_spreads_are_told_apart() {
        let node = Node::parse(
            r#"{"type": "error", "error": {"message": "$message", "code?": 1, "...": "$details"}, "detail[]": {"loc": "$param:loc"}}"#,
        )
        .unwrap();
        let Node::Object(members) = node else { panic!("an object") };
        assert_eq!(members[0].node, Node::Literal("error".into()));
        let Node::Object(error) = &members[1].node else { panic!("an object") };
        assert!(error[1].optional && error[2].is_spread());
        assert!(matches!(members[2].node, Node::List(_)));
    }

    #[test]
    fn a_wrong_slot_names_the_right_ones() {
        let err = Node::parse(r#""$mesage""#).unwrap_err().to_string();
        assert!(err.contains("message"), "{err}");
        assert!(Node::parse(r#"{"...": "$message"}"#).is_err());
    }
}
