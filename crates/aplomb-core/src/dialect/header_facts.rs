//! Facts that stand in headers, and the id by which the API's support finds a request.

use crate::dialect::{Evidence, Facts, facts};
use crate::spec::{Catalog, Dialect, FactName};

/// Takes from the dialect's headers what the body didn't say.
pub(super) fn header_facts(dialect: &Dialect, evidence: &Evidence<'_>, facts: &mut Facts) {
    for row in &dialect.header_facts {
        let Some(value) = evidence.headers.get(&row.header) else { continue };
        let found = row.fact_in(value).and_then(facts::said);
        let place = match row.fact {
            FactName::Message => &mut facts.message,
            FactName::Code => &mut facts.code,
            FactName::Type => &mut facts.type_,
            FactName::Param => &mut facts.param,
            FactName::RequestId => &mut facts.request_id,
        };
        if place.is_none() {
            *place = found;
        }
    }
}

/// The dialect's own header first, then any that some dialect uses for it.
pub(super) fn request_id(dialect: &Dialect, catalog: &Catalog, evidence: &Evidence<'_>) -> Option<String> {
    let own = dialect.request_id_headers.iter();
    let others = catalog.dialects().flat_map(|dialect| &dialect.request_id_headers);
    own.chain(others).find_map(|name| evidence.headers.get(name).and_then(facts::said))
}
