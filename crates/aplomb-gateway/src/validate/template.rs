//! A path of a document, with places for parameters: `/items/{id}`.

use crate::percent;

/// A path's template.
#[derive(Debug)]
pub(super) struct Template {
    segments: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
    Literal(String),
    /// What stands before the parameter, its name, and what stands behind.
    Parameter(String, String, String),
}

/// A parameter of the path, as it was sent.
pub(super) type Captured = (String, String);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// It doesn't begin with a slash, or a segment has a brace that isn't closed, or two parameters.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix('/').ok_or("a path begins with a slash")?;
        let segments = path.split('/').map(segment).collect::<Result<_, _>>()?;
        Ok(Self { segments })
    }

    /// The parameters of a path that fits, decoded.
    pub(super) fn fits(&self, path: &str) -> Option<Vec<Captured>> {
        let mut sent = path.strip_prefix('/')?.split('/');
        let mut captured = Vec::new();
        for segment in &self.segments {
            let text = String::from_utf8(percent::decoded(sent.next()?)).ok()?;
            match segment {
                Segment::Literal(literal) if *literal == text => {}
                Segment::Literal(_) => return None,
                Segment::Parameter(before, name, after) => {
                    let value = text.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
                    if value.is_empty() {
                        return None;
                    }
                    captured.push((name.clone(), value.to_owned()));
                }
            }
        }
        sent.next().is_none().then_some(captured)
    }

    /// By what templates are tried: literal segments before parameters.
    pub(super) fn rank(&self) -> Vec<bool> {
        self.segments.iter().map(|segment| matches!(segment, Segment::Parameter(..))).collect()
    }

    /// Whether the template has a parameter of that name.
    pub(super) fn names(&self, name: &str) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::Parameter(_, own, _) if own == name))
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    let Some((before, rest)) = text.split_once('{') else {
        let decoded = String::from_utf8(percent::decoded(text)).unwrap_or_else(|_| text.to_owned());
        return Ok(Segment::Literal(decoded));
    };
    let (name, after) = rest.split_once('}').ok_or_else(|| format!("the brace in `{text}` is not closed"))?;
    if after.contains('{') {
        return Err(format!("`{text}` has two parameters in one segment, which is not supported"));
    }
    Ok(Segment::Parameter(before.to_owned(), name.to_owned(), after.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(template: &str, path: &str) -> Option<Vec<Captured>> {
        Template::parse(template).unwrap().fits(path)
    }

    #[test]
    fn parameters_are_taken_out_decoded() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(fits("/items/{id}", "/items/a%2Fb"), Some(vec![pair("id", "a/b")]));
        assert_eq!(fits("/v1/{model}:run", "/v1/m%201:run"), Some(vec![pair("model", "m 1")]));
        assert_eq!(fits("/items/{id}", "/items/"), None);
        assert_eq!(fits("/items/{id}", "/items/1/more"), None);
        assert_eq!(fits("/items", "/items"), Some(vec![]));
        assert_eq!(fits("/items", "/%69tems"), Some(vec![]));
        assert_eq!(fits("/", "/"), Some(vec![]));
    }

    #[test]
    fn what_is_no_template_is_told() {
        for text in ["items", "/a{b", "/{a}{b}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
