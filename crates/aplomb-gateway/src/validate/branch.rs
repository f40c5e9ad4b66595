//! Of several forms that a value may have: which one was meant, so that its errors are told and no others.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::types::JsonType;
use serde_json::Value;

/// What a value that has none of several forms was meant to be.
pub(super) enum Meant<'e> {
    /// The form of which these are the errors.
    One(&'e [ValidationError<'static>]),
    /// None: it is of another type than all of them.
    Types(Vec<JsonType>),
    /// One of these values.
    Values(Vec<&'e Value>),
    /// That can't be told.
    Unclear,
}

/// Which form was meant by the value at `at`: the only one that has the value's type and whose fixed values (such as a
/// `type` member) it has, if there is one.
pub(super) fn meant<'e>(forms: &'e [Vec<ValidationError<'static>>], at: &str) -> Meant<'e> {
    let is_here = |error: &ValidationError<'_>| error.instance_path().as_str() == at;
    let mut types = Vec::new();
    let mut values = Vec::new();
    let mut left = Vec::new();
    for form in forms {
        let wrong_type = form.iter().find_map(|error| match error.kind() {
            Kind::Type { kind } if is_here(error) => Some(kind),
            _ => None,
        });
        let fixed = form.iter().find_map(|error| match error.kind() {
            Kind::Enum { options } if is_here(error) => options.as_array().map(|list| list.iter().collect()),
            Kind::Constant { expected_value } if is_here(error) => Some(vec![&**expected_value]),
            _ => None,
        });
        match (wrong_type, fixed) {
            (Some(TypeKind::Single(one)), _) => types.push(*one),
            (Some(TypeKind::Multiple(several)), _) => types.extend(several.iter()),
            (None, Some(fixed)) => {
                let fixed: Vec<&Value> = fixed;
                values.extend(fixed);
            }
            (None, None) => left.push(form),
        }
    }
    if left.len() > 1 {
        let marked = |form: &&Vec<ValidationError<'_>>| {
            form.iter().any(|error| matches!(error.kind(), Kind::Constant { .. } | Kind::Enum { .. }))
        };
        if left.iter().any(|form| !marked(form)) {
            left.retain(|form| !marked(form));
        }
    }
    match (left.as_slice(), values.is_empty(), types.is_empty()) {
        ([only], ..) => Meant::One(only),
        ([], false, _) => Meant::Values(values),
        ([], true, false) => Meant::Types(types),
        _ => Meant::Unclear,
    }
}
