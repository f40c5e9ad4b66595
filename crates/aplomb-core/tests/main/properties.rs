//! What holds for every failure in every dialect: it can be written, it can be read again, and nothing is lost.

use std::time::{Duration, SystemTime};

use aplomb_core::dialect::{StreamReader, render_event};
use aplomb_core::{Catalog, Dialect, Evidence, Failure, Headers, Kind, Rendered, catalog, decode, render};
use proptest::prelude::*;

use crate::arbitrary::{failure, kind, odd_failure, text};
use crate::case::all;
use crate::fuzzing::targets::rendered;

/// Few cases, since each goes through every dialect; `PROPTEST_CASES` asks for more.
fn few() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 20 };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

fn read(catalog: &Catalog, dialect: &Dialect, answer: &Rendered) -> Failure {
    let headers: Vec<_> =
        answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let evidence = Evidence {
        status: Some(answer.status),
        headers: Headers(&headers),
        body: &answer.body,
        host: None,
        now: SystemTime::UNIX_EPOCH,
    };
    decode(catalog, Some(dialect), &evidence).failure.expect("what was rendered is a failure")
}

/// A failure written in a dialect and read again.
fn there_and_back(dialect: &Dialect, failure: &Failure) -> Failure {
    read(catalog(), dialect, &render(dialect, failure, None, SystemTime::UNIX_EPOCH))
}

/// What was lost on the way, if anything.
fn lost(before: &Failure, after: &Failure) -> Vec<String> {
    let mut lost = Vec::new();
    let facts = [
        ("message", &before.message, &after.message),
        ("code", &before.code, &after.code),
        ("type", &before.type_, &after.type_),
        ("param", &before.param, &after.param),
        ("request id", &before.request_id, &after.request_id),
    ];
    for (name, before, after) in facts {
        if before.is_some() && before != after {
            lost.push(format!("{name} {before:?} became {after:?}"));
        }
    }
    if before.retryable && before.wait.is_some() && before.wait != after.wait {
        lost.push(format!("a wait of {:?} became {:?}", before.wait, after.wait));
    }
    for (key, value) in &before.details {
        if after.details.get(key) != Some(value) {
            lost.push(format!("detail {key} {value} became {:?}", after.details.get(key)));
        }
    }
    let same = before.errors.len() == after.errors.len()
        && before.errors.iter().zip(&after.errors).all(|(before, after)| {
            before.param == after.param
                && before.message == after.message
                && (before.code.is_none() || before.code == after.code)
        });
    if !same && !before.errors.is_empty() {
        lost.push(format!("errors {:?} became {:?}", before.errors, after.errors));
    }
    lost
}

/// Edges are read in any shape: there a detail with the name of a member of another shape may be taken for it.
fn unambiguous(dialect: &Dialect, failure: &Failure) -> Failure {
    let mut failure = failure.clone();
    if dialect.name == "edge" {
        failure.details.retain(|name, _| name.starts_with("zq_"));
    }
    failure
}

/// The kinds that a dialect writes with this kind's status, code and type.
fn alike(dialect: &Dialect, kind: Kind) -> Vec<Kind> {
    let own = dialect.row(kind);
    dialect.kinds.iter().filter(|(_, row)| *row == own).map(|(kind, _)| *kind).collect()
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn any_failure_is_rendered_as_a_failure_with_clean_headers_and_json(failure in odd_failure()) {
        for dialect in catalog().dialects() {
            rendered(dialect, &failure);
        }
    }

    #[test]
    fn no_fact_is_lost_in_any_dialect(failure in failure()) {
        for dialect in catalog().dialects() {
            let failure = unambiguous(dialect, &failure);
            let back = there_and_back(dialect, &failure);
            let lost = lost(&failure, &back);
            let answer = render(dialect, &failure, None, SystemTime::UNIX_EPOCH);
            prop_assert!(lost.is_empty(), "{}: {lost:?}\n{}", dialect.name, String::from_utf8_lossy(&answer.body));
        }
    }

    #[test]
    fn another_dialect_in_between_loses_nothing(
        failure in failure(),
        (a, b) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let dialects: Vec<_> = catalog().dialects().collect();
        let (a, b) = (a.get(&dialects), b.get(&dialects));
        let first = there_and_back(a, &failure);
        let second = there_and_back(b, &first);
        let third = there_and_back(a, &second);
        let lost: Vec<_> = lost(&first, &third).into_iter().filter(|text| !text.starts_with("detail")).collect();
        prop_assert!(lost.is_empty(), "{} → {} → {}: {lost:?}", a.name, b.name, a.name);
    }

    #[test]
    fn an_event_of_a_stream_keeps_the_words(failure in failure()) {
        for dialect in catalog().dialects() {
            for form in std::iter::once(None).chain(dialect.streams.iter().map(Some)) {
                let event = render_event(dialect, form, &failure, None).0;
                let mut reader = StreamReader::new(catalog(), dialect, form);
                let seen = reader.feed(event.clone().into(), SystemTime::UNIX_EPOCH);
                let name = format!("{} {:?}: {}", dialect.name, form.map(|form| &form.name), String::from_utf8_lossy(&event));
                prop_assert!(seen.failure.is_some(), "{name}");
                let back = seen.failure.unwrap();
                for (before, after) in [(&failure.message, &back.message), (&failure.code, &back.code), (&failure.param, &back.param)] {
                    prop_assert!(before.is_none() || before == after, "{name}: {before:?} became {after:?}");
                }
            }
        }
    }
}

/// Words that mean something to nobody, or none at all: the kind rests on what the dialect itself wrote.
fn bare(kind: Kind, message: Option<String>) -> Failure {
    let mut failure = Failure::new(kind);
    failure.message = message;
    failure
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn the_kind_is_kept_wherever_the_dialect_tells_it_apart(
        kind in kind(),
        message in prop::option::of("zq[a-z]{3,8}( zq[a-z]{3,8}){0,3}"),
    ) {
        for dialect in catalog().dialects() {
            let back = there_and_back(dialect, &bare(kind, message.clone()));
            let alike = alike(dialect, kind);
            prop_assert!(alike != [kind] || back.kind == kind, "{}: {kind} became {}", dialect.name, back.kind);
            let one_advice = alike.iter().all(|other| other.facts().advice == kind.facts().advice);
            prop_assert!(!one_advice || back.advice == kind.facts().advice, "{}: {kind}: {}", dialect.name, back.advice);
            prop_assert!(back.retryable == kind.facts().retryable, "{}: {kind}: retryable {}", dialect.name, back.retryable);
        }
    }

    #[test]
    fn a_wait_is_kept_to_the_millisecond_on_what_is_worth_repeating(
        kind in kind(),
        millis in 1u64..100_000_000,
        message in text(),
    ) {
        let wait = Duration::from_millis(millis);
        for dialect in catalog().dialects() {
            let back = there_and_back(dialect, &bare(kind, Some(message.clone())).wait(wait));
            if kind.facts().retryable {
                prop_assert_eq!(back.wait, Some(wait), "{}", &dialect.name);
            }
        }
    }
}

#[test]
fn every_kind_keeps_its_advice_and_worth_in_every_dialect_with_its_own_sentence() {
    let mut wrong = Vec::new();
    for dialect in catalog().dialects() {
        for kind in Kind::ALL {
            let back = there_and_back(dialect, &bare(*kind, None));
            let alike = alike(dialect, *kind);
            if back.retryable != kind.facts().retryable || (alike == [*kind] && back.kind != *kind) {
                wrong.push(format!("{}: {kind} became {} ({} alike)", dialect.name, back.kind, alike.len()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_real_failure_loses_nothing_through_any_other_dialect() {
    let catalog = catalog();
    let mut losses = Vec::new();
    for case in all() {
        let own = catalog.get(&case.dialect).expect("a bundled dialect");
        let failure = case.decode(catalog, Some(own)).failure.expect("a failure");
        for dialect in catalog.dialects() {
            let there = there_and_back(dialect, &failure);
            let mut lost = lost(&failure, &there);
            if there.retryable != failure.retryable {
                lost.push(format!(
                    "{} ({}) became {} ({})",
                    failure.kind, failure.retryable, there.kind, there.retryable
                ));
            }
            if !lost.is_empty() {
                losses.push(format!("{} in {}: {}", case.path(), dialect.name, lost.join("; ")));
            }
        }
    }
    assert!(losses.is_empty(), "{} losses:\n{}", losses.len(), losses.join("\n"));
}
