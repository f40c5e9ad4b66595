//! No circular truth: changing what a dialect file says about a kind turns a test red.
//!
//! A change is noticed when a verbatim case no longer means its label, or is no longer rendered as its snapshot shows.

use std::collections::BTreeSet;
use std::time::SystemTime;

use aplomb_core::spec::WriteRow;
use aplomb_core::{Catalog, Dialect, Failure, Kind, catalog, render};

use crate::case::{Case, all, differences};

/// Every case and what it means.
fn evidence() -> Vec<(Case, Failure)> {
    let read = |case: Case| {
        let own = catalog().get(&case.dialect);
        let failure = case.decode(catalog(), own).failure.expect("a failure");
        (case, failure)
    };
    all().into_iter().map(read).collect()
}

/// Whether a case of this kind means something else, or is rendered otherwise, in the changed dialect.
fn is_noticed(
    catalog: &Catalog,
    changed: &Dialect,
    own: &Dialect,
    kind: Kind,
    evidence: &[(Case, Failure)],
) -> bool {
    let now = SystemTime::UNIX_EPOCH;
    evidence.iter().filter(|(_, failure)| failure.kind == kind).any(|(case, failure)| {
        let rendered = |dialect| render(dialect, failure, Some("req_own"), now);
        let decoded = || case.decode(catalog, Some(changed)).failure;
        rendered(changed) != rendered(own)
            || (case.dialect == own.name && !differences(decoded().as_ref(), &case.truth).is_empty())
    })
}

/// The same row with another code; without a code with another type, without both with another status.
fn changed(row: &WriteRow, dialect: &Dialect) -> WriteRow {
    let other = |word: &String| match word.parse::<i64>() {
        Ok(number) => (number + 1_000).to_string(),
        Err(_) => format!("changed_{word}"),
    };
    let mut row = row.clone();
    match (&row.code, &row.type_) {
        (Some(code), _) => row.code = Some(other(code)),
        (None, Some(type_)) => row.type_ = Some(other(type_)),
        (None, None) => {
            let listed = dialect.statuses.keys().copied().filter(|status| *status >= 400);
            row.status =
                listed.chain([418, 451]).find(|status| *status != row.status).expect("one of three differs");
        }
    }
    row
}

/// A dialect file in which the rows of these kinds are others.
fn changed_file(dialect: &Dialect, kinds: &[Kind]) -> String {
    let path = format!("{}/spec/dialects/{}.toml", env!("CARGO_MANIFEST_DIR"), dialect.name);
    let text = std::fs::read_to_string(path).expect("a bundled dialect");
    let mut file: toml::Table = toml::from_str(&text).expect("TOML");
    for kind in kinds {
        let row = changed(dialect.row(*kind), dialect);
        let mut written = toml::Table::new();
        written.insert("status".to_owned(), i64::from(row.status).into());
        for (name, word) in [("code", row.code), ("type", row.type_)] {
            if let Some(word) = word {
                written.insert(name.to_owned(), word.into());
            }
        }
        file["kinds"].as_table_mut().expect("a table").insert(kind.to_string(), written.into());
    }
    toml::to_string(&file).expect("TOML")
}

#[test]
fn a_changed_code_type_or_status_in_any_dialect_file_is_noticed() {
    let evidence = evidence();
    let kinds: BTreeSet<Kind> = evidence.iter().map(|(_, failure)| failure.kind).collect();
    let mut open = Vec::new();
    for own in catalog().dialects() {
        let covered: Vec<Kind> = kinds
            .iter()
            .copied()
            .filter(|kind| {
                let mut dialect = own.clone();
                dialect.kinds.insert(*kind, changed(own.row(*kind), own));
                is_noticed(catalog(), &dialect, own, *kind, &evidence)
            })
            .collect();
        let uncovered: Vec<_> =
            Kind::ALL.iter().filter(|kind| !covered.contains(kind)).map(|kind| kind.as_str()).collect();
        println!(
            "{:12} {:>2} of {} kinds held by evidence; not: {}",
            own.name,
            covered.len(),
            Kind::ALL.len(),
            uncovered.join(" ")
        );
        if covered.len() < 3 {
            open.push(own.name.as_str());
            continue;
        }
        let text = changed_file(own, &covered[..3]);
        let catalog = catalog().with([(own.name.as_str(), text.as_str())]).expect("still a valid file");
        let dialect = catalog.get(&own.name).expect("replaced");
        for kind in &covered[..3] {
            assert!(is_noticed(&catalog, dialect, own, *kind, &evidence), "{}: {kind}", own.name);
        }
    }
    assert!(open.is_empty(), "dialects of which hardly a code is held by evidence: {open:?}");
}
