//! What a schema's validator found, as errors of fields in plain sentences.

use std::fmt::Write as _;

use aplomb_core::{FieldError, Part};
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::types::JsonType;
use serde_json::Value;

use crate::validate::branch;

/// How many allowed values a sentence lists.
const LISTED: usize = 12;

/// The longest text of ours or of a caller's that a sentence repeats.
const SHOWN: usize = 80;

/// An error of the validator as errors of fields: several for an object with several unknown members.
///
/// `name` is what the whole value is called: a parameter has a name, a body hasn't.
pub(super) fn told(error: &ValidationError<'_>, part: Part, name: Option<&str>) -> Vec<FieldError> {
    let at = Field { part, path: path(error, name) };
    match error.kind() {
        Kind::Required { property } => {
            let inner = property.as_str().map(str::to_owned).unwrap_or_else(|| property.to_string());
            vec![at.inner(&inner).says("is required", "required")]
        }
        Kind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|one| at.inner(one).says("is not known here", "additionalProperties"))
            .collect(),
        Kind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|one| at.inner(one).says("is not known here", "unevaluatedProperties"))
            .collect(),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            let keyword = error.kind().keyword();
            match branch::meant(context, error.instance_path().as_str()) {
                branch::Meant::One(errors) => {
                    errors.iter().flat_map(|error| told(error, part, name)).collect()
                }
                branch::Meant::Types(types) => vec![at.says(&must_be(&types), "type")],
                branch::Meant::Values(values) => vec![at.says(&one_of(&values, error.instance()), "enum")],
                branch::Meant::Unclear => vec![at.says("has none of the forms that are allowed", keyword)],
            }
        }
        Kind::PropertyNames { error: inner } => {
            let name = inner.instance().as_str().map(shown).unwrap_or_default();
            vec![
                at.says(&format!("has a member '{name}', which is no name that is allowed"), "propertyNames"),
            ]
        }
        kind => vec![at.says(&rule(kind, error.instance()), kind.keyword())],
    }
}

/// The dotted path of a value, below the name of the whole.
fn path(error: &ValidationError<'_>, name: Option<&str>) -> Option<String> {
    let parts = error.instance_path().segments().map(|segment| segment.to_string());
    let parts: Vec<String> = name.map(str::to_owned).into_iter().chain(parts).collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

/// A place in a request.
pub(super) struct Field {
    pub(super) part: Part,
    pub(super) path: Option<String>,
}

impl Field {
    /// A member of it.
    fn inner(&self, name: &str) -> Self {
        let path = match &self.path {
            Some(path) => format!("{path}.{name}"),
            None => name.to_owned(),
        };
        Self { part: self.part, path: Some(path) }
    }

    /// What is wrong with it, and the keyword of the rule.
    pub(super) fn says(&self, what: &str, code: &str) -> FieldError {
        let name = self.path.as_deref().map(shown);
        let subject = match (self.part, name) {
            (Part::Body, Some(name)) => format!("The '{name}' field"),
            (Part::Query, Some(name)) => format!("The query parameter '{name}'"),
            (Part::Path, Some(name)) => format!("The path parameter '{name}'"),
            (Part::Header, Some(name)) => format!("The header '{name}'"),
            (Part::Cookie, Some(name)) => format!("The cookie '{name}'"),
            (Part::Body, None) => "The body".to_owned(),
            (_, Some(name)) => format!("The parameter '{name}'"),
            (_, None) => "The value".to_owned(),
        };
        let error = FieldError::new(format!("{subject} {what}")).part(self.part).code(code);
        match &self.path {
            Some(path) => error.param(path),
            None => error,
        }
    }
}

/// A rule in words, behind the name of the field.
fn rule(kind: &Kind, value: &Value) -> String {
    match kind {
        Kind::Type { kind: TypeKind::Single(one) } => must_be(&[*one]),
        Kind::Type { kind: TypeKind::Multiple(types) } => must_be(&types.iter().collect::<Vec<_>>()),
        Kind::Enum { options } => {
            let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
            one_of(&options.iter().collect::<Vec<_>>(), value)
        }
        Kind::Constant { expected_value } => format!("must be {}", quoted(expected_value)),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be greater than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MaxLength { limit } => format!("must have at most {}", count(*limit, "character")),
        Kind::MinLength { limit } => format!("must have at least {}", count(*limit, "character")),
        Kind::MaxItems { limit } => format!("must have at most {}", count(*limit, "item")),
        Kind::MinItems { limit } => format!("must have at least {}", count(*limit, "item")),
        Kind::MaxProperties { limit } => format!("must have at most {}", count(*limit, "member")),
        Kind::MinProperties { limit } => format!("must have at least {}", count(*limit, "member")),
        Kind::AdditionalItems { limit } => {
            format!("must have at most {}", count(u64::try_from(*limit).unwrap_or(u64::MAX), "item"))
        }
        Kind::UnevaluatedItems { .. } => "has items that are not known here".to_owned(),
        Kind::UniqueItems => "must not have the same item twice".to_owned(),
        Kind::Contains => "lacks an item that must be in it".to_owned(),
        Kind::Pattern { pattern } => format!("must match the pattern '{}'", shown(pattern)),
        Kind::Format { format } => format!("must be written as '{}'", shown(format)),
        Kind::OneOfMultipleValid { .. } => "fits several forms of which it must have one".to_owned(),
        Kind::Not { .. } | Kind::FalseSchema => "is not allowed here".to_owned(),
        Kind::ContentEncoding { content_encoding } => {
            format!("must be encoded as {}", shown(content_encoding))
        }
        Kind::ContentMediaType { content_media_type } => format!("must be {}", shown(content_media_type)),
        _ => "is not allowed".to_owned(),
    }
}

fn count(number: u64, what: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {what}{end}")
}

/// "must be a string or null".
fn must_be(types: &[JsonType]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for one in types {
        let word = match one {
            JsonType::Null => "null",
            JsonType::Boolean => "true or false",
            JsonType::Integer => "an integer",
            JsonType::Number => "a number",
            JsonType::String => "a string",
            JsonType::Array => "an array",
            JsonType::Object => "an object",
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.sort_by_key(|word| *word == "null");
    format!("must be {}", words.join(" or "))
}

/// "must be one of …; did you mean …?"
fn one_of(options: &[&Value], value: &Value) -> String {
    let mut text = match options {
        [only] => format!("must be {}", quoted(only)),
        _ => {
            let listed: Vec<_> = options.iter().take(LISTED).map(|option| quoted(option)).collect();
            format!("must be one of {}", listed.join(", "))
        }
    };
    if options.len() > LISTED {
        let _ = write!(text, " and {} more", options.len() - LISTED);
    }
    let near = value.as_str().map(|word| nearest(word, options)).unwrap_or_default();
    if !near.is_empty() {
        let near: Vec<_> = near.iter().map(|word| format!("'{}'", shown(word))).collect();
        let _ = write!(text, "; did you mean {}?", near.join(" or "));
    }
    text
}

/// The up to three options that are most like a word.
fn nearest<'o>(word: &str, options: &[&'o Value]) -> Vec<&'o str> {
    // A word of a kilobyte is no slip of the finger, and comparing costs length times length.
    let word: String = word.chars().take(SHOWN).collect::<String>().to_lowercase();
    let like = |option: &&'o Value| {
        let option = option.as_str()?;
        let likeness = strsim::jaro_winkler(&option.to_lowercase(), &word);
        (likeness > 0.8).then_some((likeness, option))
    };
    let mut near: Vec<_> = options.iter().filter_map(like).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = near.first().map_or(0.0, |(likeness, _)| *likeness);
    near.into_iter()
        .filter(|(likeness, _)| best - likeness < 0.05)
        .take(3)
        .map(|(_, option)| option)
        .collect()
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", shown(text)),
        other => shown(&other.to_string()),
    }
}

/// A text as far as a sentence repeats it.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::validate::schema::Compiler;

    fn errors(schema: Value, value: Value) -> Vec<(String, String, String)> {
        let schema = Compiler::new(&schema).unwrap().schema("").unwrap();
        let told = schema.errors(&value, Part::Body, None).into_iter();
        told.map(|error| (error.param.unwrap_or_default(), error.code.unwrap_or_default(), error.message))
            .collect()
    }

    fn chat() -> Value {
        json!({
            "type": "object",
            "required": ["model", "messages"],
            "properties": {
                "model": { "enum": ["mimo-v2-pro", "mimo-v2-omni", "mimo-v2-tts", "mimo-v2-flash"] },
                "temperature": { "type": ["number", "null"], "minimum": 0, "maximum": 2 },
                "messages": { "type": "array", "minItems": 1, "items": {
                    "type": "object",
                    "required": ["role"],
                    "additionalProperties": false,
                    "properties": { "role": { "type": "string" }, "content": {
                        "anyOf": [{ "type": "string" }, { "type": "array", "items": {
                            "type": "object", "required": ["type"], "properties": { "type": { "const": "text" } } } }],
                    } },
                } },
            },
        })
    }

    fn first(value: Value) -> (String, String, String) {
        errors(chat(), value).swap_remove(0)
    }

    fn say(param: &str, code: &str, message: &str) -> (String, String, String) {
        (param.to_owned(), code.to_owned(), message.to_owned())
    }

    #[test]
    fn all_fields_are_told_with_their_paths() {
        let found = errors(chat(), json!({ "temperature": 9, "messages": [{ "x": 1, "y": 2 }] }));
        for one in [
            say("model", "required", "The 'model' field is required"),
            say("temperature", "maximum", "The 'temperature' field must be at most 2"),
            say("messages.0.role", "required", "The 'messages.0.role' field is required"),
            say("messages.0.x", "additionalProperties", "The 'messages.0.x' field is not known here"),
            say("messages.0.y", "additionalProperties", "The 'messages.0.y' field is not known here"),
        ] {
            assert!(found.contains(&one), "{one:?} in {found:#?}");
        }
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn an_unknown_model_is_told_with_the_nearest_names() {
        let found = first(json!({ "model": "mimo-v2-prro", "messages": [{ "role": "user" }] }));
        assert_eq!(found.1, "enum");
        assert!(found.2.ends_with("did you mean 'mimo-v2-pro'?"), "{found:?}");
        let far = first(json!({ "model": "gpt", "messages": [{ "role": "user" }] }));
        assert!(far.2.ends_with("'mimo-v2-flash'"), "{far:?}");
    }

    #[test]
    fn of_several_forms_the_one_that_was_meant_is_told() {
        let with = |content: Value| json!({ "model": "mimo-v2-pro", "messages": [{ "role": "user", "content": content }] });
        assert_eq!(
            first(with(json!(5))),
            say("messages.0.content", "type", "The 'messages.0.content' field must be a string or an array")
        );
        assert_eq!(
            first(with(json!([{ "type": "txt" }]))),
            say("messages.0.content.0.type", "const", "The 'messages.0.content.0.type' field must be 'text'")
        );
    }

    #[test]
    fn a_body_that_is_something_else_as_a_whole_has_no_path() {
        assert_eq!(errors(chat(), json!([])), [say("", "type", "The body must be an object")]);
    }

    #[test]
    fn what_a_caller_sent_is_never_repeated_at_length() {
        let name = "x".repeat(10_000);
        let found = errors(json!({ "additionalProperties": false }), json!({ name: 1 }));
        assert!(found[0].2.len() < 200);
    }
}
