//! Every real failure of the corpus means what its label says, with and without its dialect named.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aplomb_core::{Catalog, Dialect, Evidence, Failure, Headers, catalog, decode};
use serde_json::Value;

use crate::case::differences;

fn corpus() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/corpus/errors.jsonl");
    let text = std::fs::read_to_string(path).expect("the corpus is vendored");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn explain(catalog: &Catalog, named: Option<&Dialect>, case: &Value) -> Option<Failure> {
    let headers: Vec<(&str, &str)> = case["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let evidence = Evidence {
        status: case["status"].as_u64().map(|status| u16::try_from(status).unwrap()),
        headers: Headers(&headers),
        body: case["body"].as_str().unwrap().as_bytes(),
        host: None,
        now: SystemTime::UNIX_EPOCH,
    };
    decode(catalog, named, &evidence).failure
}

#[test]
fn every_failure_of_the_corpus_is_understood_with_and_without_its_dialect() {
    let catalog = catalog();
    let mut score: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut misses = Vec::new();
    for case in corpus() {
        let provider = case["provider"].as_str().unwrap();
        let named = catalog.get(provider);
        let runs = [Some(None), named.map(Some)];
        for named in runs.into_iter().flatten() {
            let failure = explain(catalog, named, &case);
            let wrong = differences(failure.as_ref(), &case["truth"]);
            let (right, all) = score.entry(provider.to_owned()).or_default();
            *all += 1;
            *right += usize::from(wrong.is_empty());
            if !wrong.is_empty() {
                let name = named.map_or("detected", |dialect| dialect.name.as_str());
                misses.push(format!("{} ({name}): {}", case["id"], wrong.join("; ")));
            }
        }
    }
    for (provider, (right, all)) in &score {
        println!("{provider:16} {right:>2} of {all:>2}");
    }
    assert!(misses.is_empty(), "{} misses:\n{}", misses.len(), misses.join("\n"));
}
