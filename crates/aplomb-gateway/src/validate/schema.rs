//! A JSON Schema, compiled: draft 2020-12 unless it names another one.

use std::fmt;

use aplomb_core::{FieldError, Part};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Registry, ValidationError, Validator};
use serde_json::{Value, json};

use crate::validate::fields;
use crate::validate::flaw::Flaw;
use crate::validate::format;
use crate::validate::references;

/// Under which name the file is known to the compiler; nothing is ever fetched from there.
const FILE: &str = "aplomb:///file";

/// The most that a compiled pattern takes, in bytes. Patterns for fields take some kilobytes.
const PATTERN: usize = 1 << 20;

/// The most errors that are told of one request: more help nobody.
pub(super) const ERRORS: usize = 100;

/// A format that stays a remark: a caller's pattern would have to be compiled to be judged.
const REMARK: &str = "regex";

/// A compiled schema.
pub(super) struct Schema {
    validator: Validator,
}

impl fmt::Debug for Schema {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Schema")
    }
}

/// A file of which schemas are compiled.
pub(super) struct Compiler<'f> {
    root: &'f Value,
    registry: Registry<'f>,
}

impl<'f> Compiler<'f> {
    /// A compiler for the schemas of a file.
    ///
    /// # Errors
    /// The file names itself or a part of it in a way that can't be.
    pub(super) fn new(root: &'f Value) -> Result<Self, Flaw> {
        if let Some(told) = unknown_draft(root) {
            return Err(Flaw::new("/$schema", told));
        }
        let registry = Registry::new().add(FILE, root).and_then(|builder| builder.prepare());
        let registry = registry.map_err(|error| Flaw::new("", error.to_string()))?;
        Ok(Self { root, registry })
    }

    /// Compiles the schema at a pointer.
    ///
    /// # Errors
    /// Every mistake in it.
    pub(super) fn schema(&self, at: &str) -> Result<Schema, Vec<Flaw>> {
        let Some(schema) = self.root.pointer(at) else {
            return Err(vec![Flaw::new(at, "no schema stands here")]);
        };
        if references::loops(self.root, at) {
            return Err(vec![Flaw::new(
                at,
                "the schema leads back to itself: nothing could ever be checked",
            )]);
        }
        if let Some(told) = unknown_draft(schema) {
            return Err(vec![Flaw::new(format!("{at}/$schema"), told)]);
        }
        let flaws = against_draft(schema, at);
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let to = encoded(at);
        let mut options = jsonschema::options()
            .with_registry(&self.registry)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN).dfa_size_limit(PATTERN))
            .should_validate_formats(true)
            .offline();
        options = options
            .with_format(REMARK, |_: &str| true)
            .with_format("date-time", format::is_date_time)
            .with_format("time", format::is_time)
            .with_format("duration", format::is_duration);
        let built = options.build(&json!({ "$ref": format!("{FILE}#{to}") }));
        let validator = built.map_err(|error| vec![unbuildable(schema, at, &error)])?;
        Ok(Schema { validator })
    }
}

/// Only what the compiler knows by itself: another one would have to be fetched.
fn unknown_draft(schema: &Value) -> Option<String> {
    let name = schema.get("$schema")?.as_str()?;
    let plain = name.trim_end_matches('#');
    let known = ["draft-04", "draft-06", "draft-07"]
        .iter()
        .any(|draft| plain.ends_with(&format!("://json-schema.org/{draft}/schema")))
        || ["2019-09", "2020-12"]
            .iter()
            .any(|draft| plain.ends_with(&format!("://json-schema.org/draft/{draft}/schema")));
    (!known).then(|| {
        "is no draft that is known here; write `https://json-schema.org/draft/2020-12/schema`".to_owned()
    })
}

/// What is no schema of its draft.
fn against_draft(schema: &Value, at: &str) -> Vec<Flaw> {
    let checker = match jsonschema::meta::validator_for(schema) {
        Ok(checker) => checker,
        Err(error) => return vec![Flaw::new(at, told(&error.to_string()))],
    };
    let flaws = |error: ValidationError<'_>| {
        let at = format!("{at}{}", error.instance_path().as_str());
        fields::told(&error, Part::Body, None).into_iter().map(move |one| Flaw::new(&at, rule(&one.message)))
    };
    checker.iter_errors(schema).take(ERRORS).flat_map(flaws).collect()
}

/// A sentence about a field without the field, which the place names.
fn rule(sentence: &str) -> &str {
    sentence.split_once("' field ").map_or(sentence, |(_, rule)| rule)
}

/// What the compiler couldn't make: a pattern, mostly.
fn unbuildable(schema: &Value, at: &str, error: &ValidationError<'_>) -> Flaw {
    let pattern = match (error.kind(), &**error.instance()) {
        (ValidationErrorKind::Format { format }, Value::String(text)) if format == "regex" => text,
        _ => return Flaw::new(at, told(&error.to_string())),
    };
    let mut place = at.to_owned();
    references::place_of_pattern(schema, pattern, &mut place);
    let why = "is no pattern that can be used here: it must run in linear time (nothing looks ahead, behind or back) and stay small";
    Flaw::new(place, why)
}

/// What the compiler says, in one bounded line.
fn told(text: &str) -> String {
    let line: String = text.lines().next().unwrap_or_default().chars().take(300).collect();
    line.replace(FILE, "")
}

/// A pointer as a fragment.
fn encoded(pointer: &str) -> String {
    let mut out = String::with_capacity(pointer.len());
    for byte in pointer.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'$' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

impl Schema {
    /// What is wrong with a value, field by field; `name` is what the value itself is called.
    pub(super) fn errors(&self, value: &Value, part: Part, name: Option<&str>) -> Vec<FieldError> {
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        let found = self.validator.iter_errors(value).take(ERRORS);
        let mut errors: Vec<_> = found.flat_map(|error| fields::told(&error, part, name)).collect();
        errors.truncate(ERRORS);
        if errors.is_empty() {
            errors.push(FieldError::new("The value is not allowed").part(part));
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaws(schema: &Value) -> Vec<Flaw> {
        let compiler = Compiler::new(schema).map_err(|flaw| vec![flaw]);
        compiler.and_then(|compiler| compiler.schema("")).unwrap_err()
    }

    fn messages(schema: &Value, value: &Value) -> Vec<String> {
        let schema = Compiler::new(schema).unwrap().schema("").unwrap();
        schema.errors(value, Part::Body, None).into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn a_schema_in_a_file_sees_the_whole_file() {
        let file = json!({
            "$id": "https://example.com/x.json",
            "paths": { "/a b": { "schema": { "$ref": "#/parts/count" } } },
            "parts": { "count": { "type": "integer" } },
        });
        let schema = Compiler::new(&file).unwrap().schema("/paths/~1a b/schema").unwrap();
        assert_eq!(schema.errors(&json!("x"), Part::Body, None).len(), 1);
        assert!(schema.errors(&json!(1), Part::Body, None).is_empty());
    }

    #[test]
    fn every_mistake_of_a_schema_has_its_place() {
        let found = flaws(&json!({ "type": "strng", "properties": { "a": { "minLength": -1 }, "b": 5 } }));
        let at: Vec<_> = found.iter().map(|flaw| flaw.at.as_str()).collect();
        assert!(at.contains(&"/type") && at.contains(&"/properties/a/minLength"), "{found:?}");
        assert!(at.contains(&"/properties/b"), "{found:?}");
    }

    #[test]
    fn a_pattern_that_could_take_forever_is_refused_or_runs_in_linear_time() {
        let found = flaws(&json!({ "pattern": "(?=a)b" }));
        assert_eq!(
            (found[0].at.as_str(), found[0].message.contains("linear time")),
            ("/pattern", true),
            "{found:?}"
        );
        assert!(!flaws(&json!({ "pattern": "(a)\\1" })).is_empty());
        assert!(!flaws(&json!({ "pattern": "((a{1000}){1000}){1000}" })).is_empty());
        let long = "a".repeat(100_000) + "!";
        assert_eq!(messages(&json!({ "pattern": "^(a+)+$" }), &json!(long)).len(), 1);
    }

    #[test]
    fn nothing_is_fetched_and_nothing_runs_in_circles() {
        assert!(flaws(&json!({ "$schema": "https://example.com/own" }))[0].at.ends_with("$schema"));
        assert!(!flaws(&json!({ "$ref": "https://example.com/x" })).is_empty());
        assert!(!flaws(&json!({ "$ref": "file:///etc/passwd" })).is_empty());
        assert!(flaws(&json!({ "$ref": "#" }))[0].message.contains("itself"));
        let tree = json!({ "type": "object", "additionalProperties": { "$ref": "#" } });
        assert_eq!(messages(&tree, &json!({ "a": { "b": 1 } })), ["The 'a.b' field must be an object"]);
    }

    #[test]
    fn there_is_a_bound_on_what_is_told() {
        let schema = json!({ "items": { "type": "string" } });
        let value = Value::Array((0..10_000).map(Value::from).collect());
        assert_eq!(messages(&schema, &value).len(), ERRORS);
    }
}
