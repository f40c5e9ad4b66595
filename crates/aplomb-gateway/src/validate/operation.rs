//! One operation: its parameters, the bodies that it takes, and the types of its answers.

use aplomb_core::pointer::escaped;
use aplomb_core::{FieldError, Part};
use serde_json::Value;

use crate::validate::fields::Field;
use crate::validate::flaw::Flaw;
use crate::validate::form::Form;
use crate::validate::parameter::Parameter;
use crate::validate::references;
use crate::validate::schema::{Compiler, ERRORS, Schema};
use crate::validate::template::{Captured, Template};
use crate::validate::{Asked, Refusal, decode, json, media};

/// What one operation asks of a request.
#[derive(Debug)]
pub(super) struct Operation {
    parameters: Vec<Parameter>,
    body: Option<Body>,
    /// The types of its successes; empty where the document doesn't say.
    offers: Vec<String>,
}

/// The bodies that an operation takes.
#[derive(Debug)]
struct Body {
    required: bool,
    types: Vec<Type>,
}

/// A type of bodies, or a range of types.
#[derive(Debug)]
struct Type {
    name: String,
    /// Held against JSON, and against forms.
    schema: Option<Schema>,
    /// How it is read, if it is a form.
    form: Option<Form>,
}

impl Operation {
    /// An operation that takes JSON which fits a schema, and nothing else.
    pub(super) fn of_schema(schema: Schema) -> Self {
        let types = vec![Type { name: "application/json".to_owned(), schema: Some(schema), form: None }];
        Self { parameters: Vec::new(), body: Some(Body { required: true, types }), offers: Vec::new() }
    }

    /// Reads an operation of a document, with what its path says for all of its operations.
    ///
    /// # Errors
    /// Every mistake in it.
    pub(super) fn read(
        compiler: &Compiler<'_>,
        root: &Value,
        template: &Template,
        (path, at): (&str, &str),
    ) -> Result<Self, Vec<Flaw>> {
        let mut flaws = Vec::new();
        let mut parameters: Vec<Parameter> = Vec::new();
        for list in [format!("{path}/parameters"), format!("{at}/parameters")] {
            let rows = root.pointer(&list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            for (index, row) in rows.iter().enumerate() {
                let at = format!("{list}/{index}");
                let Some((row, at)) = references::followed(root, row, &at) else { continue };
                match Parameter::read(compiler, root, (row, &at)) {
                    Ok(Some(one)) => {
                        if one.part == Part::Path && !template.names(&one.name) {
                            flaws.push(Flaw::new(&at, format!("the path has no `{{{}}}`", one.name)));
                        }
                        parameters.retain(|old| (&old.name, old.part) != (&one.name, one.part));
                        parameters.push(one);
                    }
                    Ok(None) => {}
                    Err(found) => flaws.extend(found),
                }
            }
        }
        let operation = root.pointer(at).unwrap_or(&Value::Null);
        let body = operation.get("requestBody").and_then(|body| {
            let (body, at) = references::followed(root, body, &format!("{at}/requestBody"))?;
            Body::read(compiler, root, (body, &at)).map_err(|found| flaws.extend(found)).ok()
        });
        let offers = offers(root, operation, at);
        if flaws.is_empty() { Ok(Self { parameters, body, offers }) } else { Err(flaws) }
    }

    /// Holds a request against it; gives the body unpacked, when it came packed.
    ///
    /// `captured` are the path's parameters, if the path was compared.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub(super) fn check(
        &self,
        asked: &Asked<'_>,
        captured: Option<&[Captured]>,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        self.refuse_unacceptable(asked)?;
        let mut errors: Vec<FieldError> =
            self.parameters.iter().flat_map(|parameter| parameter.errors(asked, captured)).collect();
        let unpacked = match &self.body {
            Some(body) => body.check(asked, &mut errors)?,
            None => None,
        };
        // What isn't there is told first: the rest may be wrong because of it.
        errors.sort_by_key(|error| error.code.as_deref() != Some("required"));
        errors.truncate(ERRORS);
        if errors.is_empty() { Ok(unpacked) } else { Err(Refusal::Fields(errors)) }
    }

    /// A caller that asks for failures as `application/problem+json` and names nothing else takes any success.
    fn refuse_unacceptable(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let Some(accept) = asked.header("accept") else { return Ok(()) };
        let is_problem = media::essence(accept).is_some_and(|only| only == "application/problem+json");
        let takes = |offer: &String| offer.contains('*') || media::accepts(accept, offer);
        if self.offers.is_empty() || (is_problem && !accept.contains(',')) || self.offers.iter().any(takes) {
            return Ok(());
        }
        Err(Refusal::NotAcceptable(self.offers.clone()))
    }
}

/// The types of every success.
fn offers(root: &Value, operation: &Value, at: &str) -> Vec<String> {
    let Some(Value::Object(answers)) = operation.get("responses") else { return Vec::new() };
    let mut offers = Vec::new();
    for (status, answer) in answers.iter().filter(|(status, _)| status.starts_with('2')) {
        let at = format!("{at}/responses/{status}");
        let Some((answer, _)) = references::followed(root, answer, &at) else { continue };
        // A success without a type may be of any, or have no body at all.
        let Some(Value::Object(content)) = answer.get("content") else { return Vec::new() };
        offers.extend(content.keys().filter_map(|name| media::essence(name)));
    }
    offers.sort();
    offers.dedup();
    offers
}

impl Body {
    fn read(compiler: &Compiler<'_>, root: &Value, (body, at): (&Value, &str)) -> Result<Self, Vec<Flaw>> {
        let required = body.get("required") == Some(&Value::Bool(true));
        let Some(Value::Object(content)) = body.get("content") else {
            return Err(vec![Flaw::new(at, "a body says in `content` what it may be")]);
        };
        let (mut types, mut flaws) = (Vec::new(), Vec::new());
        for (name, one) in content {
            let at = format!("{at}/content/{}", escaped(name));
            let Some(essence) = media::essence(name) else {
                flaws.push(Flaw::new(&at, "is no media type"));
                continue;
            };
            let schema_at = format!("{at}/schema");
            let has_schema = one.get("schema").is_some() && root.pointer(&schema_at).is_some();
            let is_json = media::is_json(&essence) || essence.contains('*');
            let form = Form::read(root, &essence, &at);
            let is_read = is_json || form.is_some();
            match (has_schema && is_read).then(|| compiler.schema(&schema_at)).transpose() {
                Ok(schema) => types.push(Type { name: essence, schema, form }),
                Err(found) => flaws.extend(found),
            }
        }
        if flaws.is_empty() { Ok(Self { required, types }) } else { Err(flaws) }
    }

    fn check(&self, asked: &Asked<'_>, errors: &mut Vec<FieldError>) -> Result<Option<Vec<u8>>, Refusal> {
        let body = asked.body.filter(|body| body.len() <= asked.most).ok_or(Refusal::TooLarge(asked.most))?;
        if body.is_empty() {
            if self.required {
                errors.push(Field { part: Part::Body, path: None }.says("is required", "required"));
            }
            return Ok(None);
        }
        let (essence, found) = self.find(asked)?;
        let unpacked = decode::decode(asked.headers, body, asked.most)?;
        let plain = unpacked.as_deref().unwrap_or(body);
        let value = match &found.form {
            _ if media::is_json(&essence) => json::read(plain),
            Some(form) => form.value(asked.header("content-type").unwrap_or_default(), plain),
            None => return Ok(unpacked),
        };
        let value = value.map_err(Refusal::Malformed)?;
        errors.extend(found.schema.iter().flat_map(|schema| schema.errors(&value, Part::Body, None)));
        Ok(unpacked)
    }

    /// The type that was sent, and which one it is of those that are taken. A body without a type is taken for JSON where JSON is taken.
    fn find(&self, asked: &Asked<'_>) -> Result<(String, &Type), Refusal> {
        let refused = || Refusal::MediaType(self.types.iter().map(|one| one.name.clone()).collect());
        let sent = asked.headers.get("content-type");
        let essence = match sent {
            None => "application/json".to_owned(),
            Some(value) => value.to_str().ok().and_then(media::essence).ok_or_else(refused)?,
        };
        let is_json = media::is_json(&essence);
        if is_json && asked.header("content-type").is_some_and(media::is_foreign_text) {
            return Err(refused());
        }
        let fit = |name: &str| match media::fit(name, &essence) {
            0 if is_json && media::is_json(name) => 1,
            fit => fit,
        };
        let best = self.types.iter().map(|one| (fit(&one.name), one)).filter(|(fit, _)| *fit > 0);
        let (_, found) = best.max_by_key(|(fit, _)| *fit).ok_or_else(refused)?;
        Ok((essence, found))
    }
}
