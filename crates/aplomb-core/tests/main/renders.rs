//! Every verbatim answer is rendered into every dialect as the snapshot beside it shows, and so is every bare kind.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use aplomb_core::{Catalog, Dialect, Failure, Kind, catalog, render};

use crate::case::{Case, all, conformance};

/// Run with `INSTA_UPDATE=always` to write the snapshots anew, then read the difference.
#[test]
fn every_case_is_rendered_into_every_dialect_as_its_snapshot_shows() {
    let catalog = catalog();
    let pages = all().into_iter().map(|case| (case.path(), "renders", page(catalog, &case)));
    hold(pages.collect());
}

#[test]
fn every_kind_is_written_in_every_dialect_as_its_snapshot_shows() {
    let pages = catalog().dialects().map(|dialect| (dialect.name.clone(), "kinds", kinds(dialect)));
    hold(pages.collect());
}

/// Holds pages, by folder of `conformance/` and name, against their snapshots.
fn hold(pages: Vec<(String, &str, String)>) {
    let differs = |(folder, name, page): (String, &str, String)| {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(conformance().join(&folder));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let held = settings.bind(|| catch_unwind(AssertUnwindSafe(|| insta::assert_snapshot!(name, page))));
        held.is_err().then_some(folder)
    };
    let changed: Vec<_> = pages.into_iter().filter_map(differs).collect();
    assert!(
        changed.is_empty(),
        "written otherwise than their snapshots show: {changed:?}\n\
         if that is right, run again with INSTA_UPDATE=always and commit the snapshots"
    );
}

/// Every kind without any fact of its own.
fn kinds(dialect: &Dialect) -> String {
    let mut out = String::new();
    for kind in Kind::ALL {
        let rendered = render(dialect, &Failure::new(*kind), Some("req_own"), SystemTime::UNIX_EPOCH);
        let body = String::from_utf8(rendered.body).expect("rendered bodies are text");
        writeln!(out, "{kind} {}\n{body}\n", rendered.status).unwrap();
    }
    out
}

/// The answer, what it means, and a block per dialect.
fn page(catalog: &Catalog, case: &Case) -> String {
    let raw = std::fs::read(case.folder().join("answer.http")).unwrap();
    let named = catalog.get(&case.dialect);
    let failure =
        case.decode(catalog, named).failure.expect("another test holds that every case is a failure");
    let mut out =
        format!("{}\n\n{}\n", String::from_utf8_lossy(&raw).replace('\r', "").trim_end(), meaning(&failure));
    for dialect in catalog.dialects() {
        let rendered = render(dialect, &failure, Some("req_own"), SystemTime::UNIX_EPOCH);
        write!(out, "\n── {} ── {}\n", dialect.name, rendered.status).unwrap();
        for (name, value) in &rendered.headers {
            writeln!(out, "{name}: {value}").unwrap();
        }
        writeln!(out, "{}", String::from_utf8(rendered.body).expect("rendered bodies are text")).unwrap();
    }
    out
}

fn meaning(failure: &Failure) -> String {
    let facts = [
        ("wait", failure.wait.map(|wait| format!("{}s", wait.as_secs_f64()))),
        ("message", failure.message.clone()),
        ("code", failure.code.clone()),
        ("type", failure.type_.clone()),
        ("param", failure.param.clone()),
        ("request id", failure.request_id.clone()),
    ];
    let mut out = format!(
        "════ {}, fault {}, advice {}{}\n",
        failure.kind,
        failure.fault,
        failure.advice,
        if failure.retryable { ", retryable" } else { "" }
    );
    for (name, fact) in facts {
        if let Some(fact) = fact {
            writeln!(out, "{name}: {fact}").unwrap();
        }
    }
    for error in &failure.errors {
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".to_owned());
        writeln!(out, "error: {} | {} | {}", part(&error.param), part(&error.code), error.message).unwrap();
    }
    if !failure.details.is_empty() {
        writeln!(out, "details: {}", serde_json::to_string(&failure.details).unwrap()).unwrap();
    }
    out
}
