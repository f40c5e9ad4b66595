//! Kept answers as whoever runs the gateway sees them.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use super::trial::{Trial, over_both};
use super::*;

over_both![kept_answers_are_listed_and_removed_but_not_while_their_request_runs];

async fn claim(store: &Store, scope: &str, key: &str) -> Claim {
    let claiming = Claiming {
        scope: scope.to_owned(),
        key: key.to_owned(),
        fingerprint: [1; 32],
        ttl: Duration::from_secs(60),
        again_if_unknown: false,
        at: Moment::now(),
    };
    match store.claim(claiming).await.unwrap() {
        Claimed::Mine(claim) => claim,
        other => panic!("{other:?}"),
    }
}

fn names(kept: &[KeptRecord]) -> Vec<(&str, &str)> {
    kept.iter().map(|kept| (kept.scope.as_str(), kept.key.as_str())).collect()
}

async fn kept_answers_are_listed_and_removed_but_not_while_their_request_runs(trial: &Trial) {
    let store = trial.open();
    let (first, _running) = (claim(&store, "a", "1").await, claim(&store, "a", "2").await);
    let _other = claim(&store, "b", "1").await;
    let record = Record { status: 201, headers: HeaderMap::new(), body: Bytes::from_static(b"done") };
    store.finish(first, Some(record), None).await.unwrap();
    let none = || (String::new(), String::new());
    let all = store.records(None, none()).await.unwrap();
    assert_eq!(names(&all), [("a", "1"), ("a", "2"), ("b", "1")]);
    assert_eq!((all[0].state.as_str(), all[0].status, all[0].bytes), ("finished", Some(201), Some(4)));
    assert_eq!((all[1].state.as_str(), all[1].status, all[1].bytes), ("running", None, None));
    let after = store.records(None, ("a".to_owned(), "1".to_owned())).await.unwrap();
    assert_eq!(names(&after), [("a", "2"), ("b", "1")]);
    assert_eq!(names(&store.records(Some("b"), none()).await.unwrap()), [("b", "1")]);
    assert_eq!(store.remove_record("a", "2", "test").await.unwrap(), Removed::Running);
    assert_eq!(store.remove_record("a", "3", "test").await.unwrap(), Removed::Missing);
    assert_eq!(store.remove_record("a", "1", "test").await.unwrap(), Removed::Gone);
    assert_eq!(store.record("a", "1").await.unwrap(), None);
    let events = store.audit(None, Some("a")).await.unwrap();
    assert_eq!((events.len(), events[0].what.as_str()), (1, "idempotency.delete"));
}
