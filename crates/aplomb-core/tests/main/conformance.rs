//! Every verbatim answer means what its label says, with its dialect named and without.

use std::collections::BTreeMap;

use aplomb_core::catalog;

use crate::case::{all, differences};

#[test]
fn every_case_means_what_its_label_says_with_and_without_its_dialect() {
    let catalog = catalog();
    let mut score: BTreeMap<String, [(usize, usize); 2]> = BTreeMap::new();
    let mut misses = Vec::new();
    for case in all() {
        let own = catalog.get(&case.dialect).unwrap_or_else(|| panic!("no dialect for {}", case.path()));
        for (column, named) in [Some(own), None].into_iter().enumerate() {
            let decoded = case.decode(catalog, named);
            let wrong = differences(decoded.failure.as_ref(), &case.truth);
            let (right, all) = &mut score.entry(case.dialect.clone()).or_default()[column];
            *all += 1;
            *right += usize::from(wrong.is_empty());
            if !wrong.is_empty() {
                let how = named
                    .map_or_else(|| format!("detected as {}", decoded.dialect.name), |_| "named".to_owned());
                misses.push(format!("{} ({how}): {}", case.path(), wrong.join("; ")));
            }
        }
    }
    println!("{:14} named    detected", "dialect");
    for (dialect, [named, detected]) in &score {
        println!("{dialect:14} {:>2} of {:>2} {:>2} of {:>2}", named.0, named.1, detected.0, detected.1);
    }
    assert!(misses.is_empty(), "{} misses:\n{}", misses.len(), misses.join("\n"));
}
