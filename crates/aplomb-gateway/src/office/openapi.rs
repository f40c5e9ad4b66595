//! The OpenAPI document of the admin port, made from the handlers and types themselves.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{accounts, audit, keys, ledger, limits, records, tiers};

/// What can be asked about accounts, keys and money on the admin port.
#[derive(OpenApi)]
#[openapi(
    info(title = "Aplomb's admin port", description = "Accounts, keys, balances, limits and who changed what.\n\nEverything needs the admin port's token. Errors are in the form of RFC 9457. Money is in millionths of whatever the owner counts in."),
    paths(
        keys::create, keys::list, keys::show, keys::revoke,
        accounts::create, accounts::list, accounts::show, accounts::change,
        ledger::add, ledger::list,
        records::list, records::show, records::remove,
        tiers::list, limits::list, audit::list,
    ),
    modifiers(&Token),
    security(("token" = [])),
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("token", token);
    }
}

/// The document as JSON, always the same for one version.
pub fn openapi() -> String {
    let mut text = Document::openapi().to_pretty_json().expect("the document is made of texts");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::office::Office;

    #[test]
    fn every_place_of_the_document_is_asked_here() {
        let document: serde_json::Value = serde_json::from_str(&openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.len(), 10);
        let mut names = std::collections::BTreeSet::new();
        for (path, methods) in paths {
            assert!(Office::has(path), "{path}");
            for (method, operation) in methods.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name), "{method} {path}: another place is called {name}");
            }
        }
    }
}
