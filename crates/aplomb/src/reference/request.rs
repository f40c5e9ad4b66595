//! What a request must be like: the rules that a client can hold it against before sending.

use aplomb_core::Dialect;
use aplomb_core::spec::Endpoint;
use serde_json::{Value, json};

use super::document::{Block, Section, code};

/// The endpoints of which rules are known, each with its JSON Schema.
fn known(dialect: &Dialect) -> impl Iterator<Item = (&Endpoint, &Value)> {
    dialect.endpoints.iter().filter_map(|endpoint| Some((endpoint, endpoint.request.as_ref()?)))
}

/// The section; `None` where nothing is known.
pub(super) fn section(dialect: &Dialect) -> Option<Section> {
    known(dialect).next()?;
    let mut blocks = vec![Block::text(format!(
        "What breaks these rules is refused; a client that checks them itself saves the way. Each is a JSON Schema, for any validator; a route with `validate = \"bundled:{}\"` refuses such requests before they are sent.",
        dialect.name
    ))];
    for (endpoint, schema) in known(dialect) {
        blocks.push(Block::Heading(code(format!("{} /{}", endpoint.method, endpoint.path.join("/")))));
        blocks.push(Block::code("json", format!("{schema:#}")));
    }
    Some(Section::new("requests", "Checked before sending", blocks))
}

/// The same for programs.
pub(super) fn json(dialect: &Dialect) -> Value {
    known(dialect)
        .map(|(endpoint, schema)| {
            let path = format!("/{}", endpoint.path.join("/"));
            json!({ "method": endpoint.method, "path": path, "schema": schema })
        })
        .collect()
}
