//! `aplomb demo --exit`: the slow one, half a minute of a misbehaving provider.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::call::aplomb;

#[test]
fn through_aplomb_every_call_ends_right_or_is_truly_refused() {
    let begun = Instant::now();
    let said = aplomb(Path::new("."), &["demo", "--exit", "--json"]);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.status, &told["honest"]), (0, &true.into()), "{told:#}");
    let count = |way: &str, what: &str| told[way][what].as_u64().unwrap();
    for way in ["direct", "through"] {
        let fates = ["right", "refused", "broken_off", "given_up", "wrong"];
        let all: u64 = fates.iter().map(|fate| count(way, fate)).sum();
        assert_eq!(Some(all), told["calls"].as_u64(), "{way}");
        assert_eq!(count(way, "refused"), count("through", "refused"), "{way}");
    }
    assert!(count("direct", "given_up") + count("direct", "wrong") > 0, "{told:#}");
    assert!(count("through", "right") > count("direct", "right"), "{told:#}");
}
