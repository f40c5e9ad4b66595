//! Tokens and flights, with a paused clock and without a network.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::advance;

use super::fetch::{Begun, Lack, Landing, State, times};
use super::keeper::Keeper;
use super::token::NoToken;
use crate::config::{ClientAuth, Grant, Key, KeySource, OAuth, Secret};

fn keeper() -> Arc<Keeper> {
    let oauth = OAuth {
        token_url: "http://127.0.0.1:9/token".parse().unwrap(),
        client_id: "me".to_owned(),
        client_secret: None,
        auth: ClientAuth::Basic,
        grant: Grant::ClientCredentials,
        scope: None,
        audience: None,
    };
    let key = Key::new("authorization", "Bearer ", KeySource::OAuth(Box::new(oauth))).unwrap();
    Arc::new(Keeper::new(key).unwrap())
}

fn state(keeper: &Keeper) -> &'static str {
    match keeper.fetcher().unwrap().state(keeper) {
        State::Good => "good",
        State::Due(_) => "due",
        State::None(_) => "none",
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_half_a_minute_or_a_tenth_before_its_end() {
    for (lasts, due) in [(3600, 3240), (120, 90), (40, 20), (2, 1)] {
        let keeper = keeper();
        assert_eq!(state(&keeper), "none");
        keeper.put(&Secret::new("t"), times(Some(secs(lasts)))).unwrap();
        advance(secs(due) - Duration::from_millis(1)).await;
        assert_eq!(state(&keeper), "good", "{lasts}");
        advance(Duration::from_millis(1)).await;
        assert_eq!(state(&keeper), "due", "{lasts}");
        advance(secs(lasts - due)).await;
        assert_eq!(state(&keeper), "none", "{lasts}");
    }
    let keeper = keeper();
    keeper.put(&Secret::new("t"), times(None)).unwrap();
    advance(secs(1 << 30)).await;
    assert_eq!(state(&keeper), "good", "nobody said that it ends");
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_none_until_there_is_a_newer_one_or_none_to_be_had() {
    let keeper = keeper();
    keeper.put(&Secret::new("one"), None).unwrap();
    let fetcher = keeper.fetcher().unwrap();
    fetcher.refused(1);
    assert_eq!(state(&keeper), "none");
    keeper.put(&Secret::new("two"), None).unwrap();
    assert_eq!(state(&keeper), "good");
    fetcher.refused(1);
    assert_eq!(state(&keeper), "good", "the older one was refused");
    fetcher.refused(2);
    fetcher.give_up(NoToken::later("gone".to_owned()), 0.5);
    assert_eq!(state(&keeper), "good");
}

#[tokio::test(start_paused = true)]
async fn one_flies_and_after_a_failure_nobody_for_a_while() {
    let keeper = keeper();
    let fetcher = keeper.fetcher().unwrap();
    assert!(matches!(fetcher.begin(&keeper, 0), Begun::Mine));
    assert!(matches!(fetcher.begin(&keeper, 0), Begun::Others));
    let mut pauses = Vec::new();
    for _ in 0..7 {
        fetcher.give_up(NoToken::later("gone".to_owned()), 0.999_999);
        drop(Landing(Arc::clone(&keeper)));
        let Begun::Not(lack) = fetcher.begin(&keeper, 0) else { panic!("it failed just now") };
        pauses.push(lack.wait.as_secs_f64().round() as u64);
        advance(lack.wait).await;
        assert!(matches!(fetcher.begin(&keeper, 0), Begun::Mine));
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 20, 20]);
    fetcher.give_up(NoToken { wait: Some(secs(7)), ..NoToken::later(String::new()) }, 0.0);
    drop(Landing(Arc::clone(&keeper)));
    assert!(matches!(fetcher.begin(&keeper, 0), Begun::Not(Lack { wait, .. }) if wait == secs(7)));
}

#[test]
fn older_tokens_stay_secret_for_a_while() {
    let keeper = keeper();
    for token in ["a", "b", "b", "c", "d", "e"] {
        keeper.put(&Secret::new(token), None).unwrap();
    }
    let present = keeper.present().unwrap();
    let known: Vec<_> = present.secrets.iter().map(Secret::expose).collect();
    assert_eq!((known, present.number), (vec!["e", "d", "c", "b"], 6));
    assert!(!format!("{keeper:?}").contains("\"e\""));
}

#[test]
fn who_comes_when_a_flight_has_just_landed_begins_no_other() {
    let keeper = keeper();
    let fetcher = keeper.fetcher().unwrap();
    assert!(matches!(fetcher.begin(&keeper, 0), Begun::Mine));
    keeper.put(&Secret::new("t"), None).unwrap();
    drop(Landing(Arc::clone(&keeper)));
    assert!(matches!(fetcher.begin(&keeper, 0), Begun::Landed));
    assert!(matches!(fetcher.begin(&keeper, 1), Begun::Mine), "who knows this one wants another");
}
