//! `aplomb reference`.

use std::collections::BTreeSet;

use aplomb_core::{Kind, catalog};
use serde_json::Value;

use crate::call::{Said, aplomb, folder};

fn reference(args: &[&str]) -> Said {
    aplomb(&std::env::temp_dir(), &[&["reference"], args].concat())
}

fn page(dialect: &str, format: &str) -> String {
    let said = reference(&[dialect, "--format", format]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    said.out
}

fn object(dialect: &str) -> Value {
    serde_json::from_str(&page(dialect, "json")).unwrap()
}

/// What a contract's own error page fixes.
fn contract(dialect: &str) -> toml::Table {
    let path = format!("{}/../../conformance/contracts/{dialect}.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn texts(value: &toml::Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

const CONTRACTS: [&str; 5] = ["mixedbread", "meibel", "groq", "mimo", "agenthuman"];

#[test]
fn every_status_of_the_contracts_stands_on_their_pages() {
    for dialect in CONTRACTS {
        let (contract, object) = (contract(dialect), object(dialect));
        let (md, html) = (page(dialect, "md"), page(dialect, "html"));
        for status in contract["statuses"].as_array().unwrap() {
            let status = status.as_integer().unwrap();
            let row = object["statuses"].as_array().unwrap().iter().find(|row| row["status"] == status);
            let row = row.unwrap_or_else(|| panic!("{dialect}: {status}"));
            assert!(
                row["meaning"].as_str().is_some_and(|meaning| !meaning.is_empty()),
                "{dialect}: {status}"
            );
            let needs_remedy = status >= 400;
            assert!(!needs_remedy || row["remedy"].is_string(), "{dialect}: {status}");
            assert!(md.contains(&format!("| `{status}` ")), "{dialect}: {status}");
            assert!(html.contains(&format!("id=\"status-{status}\"")), "{dialect}: {status}");
        }
    }
}

#[test]
fn what_the_contracts_tell_to_retry_is_told_to_be_retried() {
    for dialect in CONTRACTS {
        let (contract, object) = (contract(dialect), object(dialect));
        let statuses = object["statuses"].as_array().unwrap();
        let may =
            |status: i64| statuses.iter().any(|row| row["status"] == status && row["retryable"] == true);
        for told in contract["retry"].as_array().unwrap() {
            match told.as_integer() {
                Some(status) => assert!(may(status), "{dialect}: {status}"),
                None => {
                    let fives = statuses
                        .iter()
                        .filter_map(|row| row["status"].as_i64())
                        .filter(|status| *status >= 500);
                    fives.for_each(|status| assert!(may(status), "{dialect}: {status}"));
                }
            }
        }
    }
}

#[test]
fn every_code_of_the_contracts_stands_on_their_pages_at_its_status() {
    for dialect in CONTRACTS {
        let (contract, object) = (contract(dialect), object(dialect));
        let md = page(dialect, "md");
        for (table, member) in [("codes", "code"), ("types", "type")] {
            let Some(by_status) = contract.get(table).and_then(toml::Value::as_table) else { continue };
            for (status, codes) in by_status {
                let status: u64 = status.parse().unwrap();
                for code in texts(codes) {
                    let fits = |row: &Value| {
                        row[member] == code.as_str()
                            && row["statuses"].as_array().unwrap().contains(&status.into())
                    };
                    assert!(
                        object["codes"].as_array().unwrap().iter().any(fits),
                        "{dialect}: {status} {code}"
                    );
                    assert!(md.contains(&format!("`{code}`")), "{dialect}: {code}");
                }
            }
        }
    }
}

#[test]
fn every_member_and_header_of_the_contracts_stands_on_their_pages() {
    for dialect in CONTRACTS {
        let (contract, object) = (contract(dialect), object(dialect));
        let paths: BTreeSet<&str> = object["envelopes"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|envelope| envelope["members"].as_array().unwrap())
            .map(|member| member["path"].as_str().unwrap())
            .collect();
        for member in texts(&contract["members"]) {
            // Meibel's table names the members that its examples nest under `error`.
            let nested = format!("error.{member}");
            assert!(
                paths.contains(member.as_str()) || paths.contains(nested.as_str()),
                "{dialect}: {member} in {paths:?}"
            );
        }
        let md = page(dialect, "md").to_lowercase();
        for header in texts(&contract["headers"]) {
            assert!(md.contains(&format!("`{}`", header.to_lowercase())), "{dialect}: {header}");
        }
        if let Some(auth) = contract.get("auth").and_then(toml::Value::as_str) {
            let words = auth.to_lowercase().replace(": bearer", ": bearer ");
            assert!(md.contains(words.trim()), "{dialect}: {auth}");
        }
    }
}

#[test]
fn every_dialect_has_a_page_in_every_form_with_an_example_of_every_kind() {
    for dialect in catalog().dialects() {
        let (md, html, object) =
            (page(&dialect.name, "md"), page(&dialect.name, "html"), object(&dialect.name));
        assert_eq!(object["examples"].as_array().unwrap().len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert!(md.contains(&format!(" · `{kind}`")), "{}: {kind}", dialect.name);
            assert!(html.contains(&format!("<details id=\"kind-{kind}\">")), "{}: {kind}", dialect.name);
        }
        for left_over in [
            "$url",
            "$header",
            "$prefix",
            "$retry",
            "$code_path",
            "$message_path",
            "$final_codes",
            "$json",
            "$request",
            "$key",
            "$imports",
            "$idempot",
            "$headers",
        ] {
            assert!(!md.contains(left_over), "{}: {left_over}", dialect.name);
        }
        for heading in [
            "## Statuses",
            "## The error object",
            "## Examples",
            "## Rate limits",
            "## What to retry",
            "### curl",
            "### Python",
            "### Rust",
        ] {
            assert!(md.contains(heading), "{}: {heading}", dialect.name);
        }
        assert!(md.ends_with("\n") && !md.ends_with("\n\n"));
    }
}

#[test]
fn an_html_page_is_whole_and_fetches_nothing() {
    for dialect in catalog().dialects() {
        let html = page(&dialect.name, "html");
        for fetching in ["<link", "<img", " src=", "@import", "url(", "<iframe"] {
            assert!(!html.contains(fetching), "{}: {fetching}", dialect.name);
        }
        for tag in [
            "section", "details", "table", "tr", "td", "th", "ul", "li", "code", "pre", "a", "p", "summary",
            "main", "nav",
        ] {
            let opened =
                html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{}: {tag}", dialect.name);
        }
        let ids: Vec<&str> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(
            ids.len(),
            ids.iter().collect::<BTreeSet<_>>().len(),
            "{}: an id stands twice",
            dialect.name
        );
        for link in html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(ids.contains(&link), "{}: #{link} leads nowhere", dialect.name);
        }
    }
}

#[test]
fn the_examples_are_those_of_the_renderer_and_are_understood() {
    let object = object("groq");
    let limit = object["examples"]
        .as_array()
        .unwrap()
        .iter()
        .find(|example| example["kind"] == "rate_limit")
        .unwrap();
    insta::assert_snapshot!(format!("{:#}", limit), @r#"
    {
      "kind": "rate_limit",
      "status": 429,
      "headers": {
        "content-type": "application/json",
        "x-request-id": "req_0123456789abcdef",
        "retry-after": "20",
        "retry-after-ms": "20000",
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "20s"
      },
      "body": {
        "error": {
          "message": "Too many requests or tokens in the present window; it opens again by itself.",
          "type": "requests",
          "code": "rate_limit_exceeded"
        }
      },
      "user_message": "We're getting a lot of requests right now. Please try again in a moment."
    }
    "#);
}

#[test]
fn without_a_dialect_it_is_the_catalogue_of_kinds() {
    let said = reference(&["--format", "json"]);
    let object: Value = serde_json::from_str(&said.out).unwrap();
    let kinds: Vec<&str> =
        object["kinds"].as_array().unwrap().iter().map(|kind| kind["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>());
    let md = reference(&[]).out;
    assert!(md.starts_with("# What can go wrong: the catalogue of kinds\n"), "{md}");
    assert!(md.contains("| `rate_limit` | `429` | caller | retry | yes |"), "{md}");
}

#[test]
fn the_members_of_the_json_stay_as_they_are() {
    let object = object("openai");
    let names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    insta::assert_snapshot!(names.join(" "), @"dialect title base_url docs status_page support closed auth statuses envelopes codes examples requests limits request_id streams retrying samples");
}

#[test]
fn a_page_goes_to_a_file_and_all_of_them_to_a_folder() {
    let folder = folder("reference-out");
    let said = aplomb(&folder, &["reference", "mimo", "--format", "html", "--out", "mimo.html"]);
    assert_eq!((said.status, said.out.as_str(), said.err.as_str()), (0, "", ""));
    assert!(std::fs::read_to_string(folder.join("mimo.html")).unwrap().starts_with("<!doctype html>"));
    let said = aplomb(&folder, &["reference", "--all", "--out", "all"]);
    assert_eq!((said.status, said.out.as_str(), said.err.as_str()), (0, "", ""));
    let count = std::fs::read_dir(folder.join("all")).unwrap().count();
    assert_eq!(count, 2 * (catalog().dialects().count() + 1) + 1, "and the admin port's document");
}

#[test]
fn bad_usage_gets_a_sentence_and_exit_status_2() {
    for (args, sentence) in [
        (vec!["grok"], "no dialect is called `grok`; did you mean `groq`?"),
        (vec!["groq", "--format", "pdf"], "invalid value 'pdf'"),
        (vec!["groq", "--out", "/nowhere/at/all.md"], "/nowhere/at/all.md can't be written: "),
    ] {
        let said = reference(&args);
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{args:?}");
        assert!(said.err.contains(sentence), "{args:?}: {}", said.err);
    }
}
