//! The five contracts: what their own pages fix is read rightly, and written as they write it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use aplomb_core::dialect::render_status;
use aplomb_core::{Dialect, Evidence, Failure, Headers, Kind, Limit, Rendered, catalog, decode, render};
use serde::Deserialize;
use serde_json::Value;

use crate::case::conformance;

const NAMES: [&str; 5] = ["agenthuman", "groq", "meibel", "mimo", "mixedbread"];

/// `conformance/contracts/<dialect>.toml`.
#[derive(Deserialize)]
struct Contract {
    dialect: String,
    statuses: Vec<u16>,
    retry: Vec<toml::Value>,
    members: Vec<String>,
    headers: Vec<String>,
    auth: Option<String>,
    #[serde(default)]
    codes: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    types: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    examples: Vec<Example>,
}

#[derive(Deserialize)]
struct Example {
    status: Option<u16>,
    body: String,
}

fn contracts() -> Vec<(Contract, &'static Dialect)> {
    let read = |name: &str| {
        let path = conformance().join("contracts").join(format!("{name}.toml"));
        let text = std::fs::read_to_string(path).expect("the contracts are vendored");
        let contract: Contract = toml::from_str(&text).unwrap_or_else(|err| panic!("{name}: {err}"));
        let dialect = catalog().get(&contract.dialect).expect("a bundled dialect");
        (contract, dialect)
    };
    NAMES.map(read).into()
}

fn read(dialect: &Dialect, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Failure {
    let now = SystemTime::UNIX_EPOCH;
    let evidence = Evidence { status: Some(status), headers: Headers(headers), body, host: None, now };
    decode(catalog(), Some(dialect), &evidence).failure.expect("a failure")
}

fn write(dialect: &Dialect, failure: &Failure) -> Rendered {
    render(dialect, failure, None, SystemTime::UNIX_EPOCH)
}

fn json(answer: &Rendered) -> Value {
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// The examples of a page, with a status of the page's where the example names none.
fn examples(contract: &Contract) -> impl Iterator<Item = (u16, Value)> {
    contract.examples.iter().map(|example| {
        let body = serde_json::from_str(&example.body).expect("an example is JSON");
        (example.status.unwrap_or(400), body)
    })
}

#[test]
fn every_documented_status_has_its_meaning_and_a_kind_that_is_written_with_it() {
    for (contract, dialect) in contracts() {
        for status in &contract.statuses {
            let name = &contract.dialect;
            assert!(dialect.statuses.contains_key(status), "{name}: {status} has no meaning");
            if *status < 400 {
                continue;
            }
            let bare = read(dialect, *status, &[], b"");
            assert_eq!(bare.status, Some(*status));
            assert_eq!(render_status(dialect, &bare), *status, "{name}: {status} read as {}", bare.kind);
            assert_eq!(write(dialect, &bare).status, *status, "{name}: {status}");
        }
        let listed: BTreeSet<_> = contract.statuses.iter().copied().collect();
        for kind in Kind::ALL.iter().filter(|_| dialect.closed) {
            let status = dialect.row(*kind).status;
            assert!(listed.contains(&status), "{}: {kind} is written as {status}", contract.dialect);
        }
    }
}

#[test]
fn what_a_page_calls_worth_a_retry_is_and_no_other_4xx() {
    for (contract, dialect) in contracts() {
        let asks = |status: u16| {
            contract.retry.iter().any(|one| match one {
                toml::Value::Integer(listed) => *listed == i64::from(status),
                other => other.as_str() == Some("5xx") && status >= 500,
            })
        };
        for status in contract.statuses.iter().filter(|status| **status >= 400) {
            let failure = read(dialect, *status, &[], b"");
            if asks(*status) {
                assert!(failure.retryable, "{}: {status}", contract.dialect);
            }
            if *status < 500 && *status != 429 {
                assert!(!failure.retryable, "{}: {status}", contract.dialect);
            }
        }
    }
}

#[test]
fn every_documented_code_and_type_is_read_as_its_status_and_written_again() {
    for (contract, dialect) in contracts() {
        let codes = contract.codes.iter().map(|row| (row, true));
        for ((status, words), are_codes) in codes.chain(contract.types.iter().map(|row| (row, false))) {
            let status: u16 = status.parse().expect("a status");
            let by_status = read(dialect, status, &[], b"").kind;
            for word in words {
                let mut failure = Failure::new(by_status).message("What happened.");
                let place = if are_codes { &mut failure.code } else { &mut failure.type_ };
                *place = Some(word.clone());
                let answer = write(dialect, &failure);
                assert_eq!(answer.status, status, "{}: {word}", contract.dialect);
                let back = read(dialect, answer.status, &[], &answer.body);
                assert_eq!(back.kind, by_status, "{}: {word}", contract.dialect);
                let found = if are_codes { back.code } else { back.type_ };
                assert_eq!(found.as_ref(), Some(word), "{}", contract.dialect);
            }
        }
    }
}

#[test]
fn what_a_closed_contract_writes_by_itself_is_one_of_its_documented_codes() {
    let mimo = contracts().into_iter().find(|(contract, _)| contract.dialect == "mimo").expect("MiMo");
    for kind in Kind::ALL {
        let answer = write(mimo.1, &Failure::new(*kind).code("another_apis_code"));
        let code = json(&answer)["error"]["code"].as_str().expect("a code").to_owned();
        assert!(mimo.0.codes[&answer.status.to_string()].contains(&code), "{kind}: {} {code}", answer.status);
        assert_eq!(json(&answer)["error"]["type"], "error");
    }
}

#[test]
fn an_example_of_the_page_is_written_exactly_as_it_stands_there() {
    for (contract, dialect) in contracts() {
        for (status, example) in examples(&contract) {
            let failure = read(dialect, status, &[], example.to_string().as_bytes());
            assert!(failure.message.is_some(), "{}: {example}", contract.dialect);
            let answer = write(dialect, &failure);
            // Meibel's page nests in its example what its table, its SDK and its service write flat.
            let expected = match &example["error"] {
                inner if contract.dialect == "meibel" => inner.clone(),
                _ => example,
            };
            assert_eq!((answer.status, json(&answer)), (status, expected), "{}", contract.dialect);
        }
    }
}

#[test]
fn every_documented_member_and_header_is_written_where_the_fact_is_known() {
    for (contract, dialect) in contracts() {
        let mut seen = BTreeSet::new();
        let mut headers = BTreeSet::new();
        for mut failure in
            [Failure::new(Kind::RateLimit).wait(Duration::from_secs(60)), Failure::new(Kind::Validation)]
        {
            failure.message = Some("What happened.".to_owned());
            failure.code = Some("a_code".to_owned());
            failure.type_ = Some("a_type".to_owned());
            failure.param = Some("role_id".to_owned());
            failure.request_id = Some("req_1".to_owned());
            let mut error = aplomb_core::FieldError::new("What happened.");
            error.param.clone_from(&failure.param);
            error.code = Some("required".to_owned());
            failure.errors = vec![error];
            let mut limit = Limit::new("requests");
            (limit.limit, limit.remaining) = (Some(100), Some(0));
            (limit.window, limit.reset) = (Some(Duration::from_secs(60)), Some(Duration::from_secs(60)));
            failure.limits = vec![limit];
            let answer = write(dialect, &failure);
            members(&json(&answer), "", &mut seen);
            headers.extend(answer.headers.into_iter().map(|(name, _)| name.to_lowercase()));
        }
        for member in &contract.members {
            assert!(seen.contains(member), "{}: {member} is not among {seen:?}", contract.dialect);
        }
        for header in &contract.headers {
            assert!(headers.contains(&header.to_lowercase()), "{}: {header}: {headers:?}", contract.dialect);
        }
        if let Some(auth) = &contract.auth {
            assert_eq!(dialect.auth.as_ref().map(|own| &own.header), Some(auth));
        }
    }
}

/// Every member's dotted path.
fn members(value: &Value, at: &str, out: &mut BTreeSet<String>) {
    let Some(object) = value.as_object() else { return };
    for (key, value) in object {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        members(value, &path, out);
        out.insert(path);
    }
}

#[test]
fn agenthumans_limit_is_written_from_the_facts_alone() {
    let dialect = catalog().get("agenthuman").expect("a bundled dialect");
    let mut failure = Failure::new(Kind::RateLimit)
        .message("API rate limit exceeded. Please wait 60 seconds before retrying.")
        .wait(Duration::from_secs(60));
    let mut limit = Limit::new("requests");
    (limit.limit, limit.remaining) = (Some(100), Some(0));
    (limit.window, limit.reset) = (Some(Duration::from_secs(60)), Some(Duration::from_secs(60)));
    failure.limits = vec![limit];
    let answer = write(dialect, &failure);
    let (contract, _) = contracts().into_iter().next().expect("AgentHuman's is the first");
    let (_, example) = examples(&contract).find(|(status, _)| *status == 429).expect("its page has one");
    assert_eq!((answer.status, json(&answer)), (429, example));
    let header = |name: &str| {
        answer.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    };
    assert_eq!(header("Retry-After"), Some("60"));
    assert_eq!(header("X-RateLimit-Limit"), Some("100"));
    assert_eq!(header("X-RateLimit-Remaining"), Some("0"));
    assert_eq!(header("X-RateLimit-Reset"), Some("60"), "Unix seconds, counted from 1970 here");
}
