//! Limits of callers: who is let in, who is told to wait and for how long, and in whose words.

use std::time::Duration;

use serde_json::json as wish;

use super::caller::Message;
use super::keys::{self, Store, ask, key};
use super::rig::{CHAT, CHOICE, Rig, Wishes, get, post};
use super::upstream::{Act, Gate, Upstream, json};

/// A route that counts its callers, and what it answers in.
fn wishes<'a>(tier: &'a str, answer: &'a str) -> (String, String) {
    (format!("[tier.free]\n{tier}\n"), format!("tier = \"free\"\n{answer}"))
}

async fn counted(tier: &str, answer: &str, upstream: &Upstream) -> Rig {
    let (more, route) = wishes(tier, answer);
    Rig::with(upstream, Wishes { more: &more, route: &route, ..Wishes::default() })
}

fn chat(key: &str) -> String {
    post("/v1/chat/completions", &format!("authorization: Bearer {key}\r\n"), CHAT)
}

fn wait(told: &Message) -> Duration {
    Duration::from_secs_f64(told.says("retry-after-ms").parse::<f64>().unwrap() / 1e3)
}

#[tokio::test(flavor = "local")]
async fn who_is_over_its_limit_is_told_when_to_come_and_others_are_not() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = counted("requests = \"600/min burst 2\"", "", &upstream).await;
    for left in ["1", "0"] {
        let told = rig.ask(chat("one")).await;
        assert_eq!((told.status(), told.says("x-ratelimit-remaining-requests")), (200, left));
        assert_eq!(told.says("x-ratelimit-limit-requests"), "2");
    }
    let told = rig.ask(chat("one")).await;
    assert_eq!((told.status(), upstream.count()), (429, 2));
    assert_eq!((told.says("aplomb-kind"), told.says("aplomb-fault")), ("rate_limit", "policy"));
    assert_eq!((told.says("x-should-retry"), told.says("aplomb-attempts")), ("true", "0"));
    assert!(told.text().contains("the tier `free` allows 2 requests in 200 ms for each key"), "{told:?}");
    assert!(wait(&told) <= Duration::from_millis(100), "{told:?}");
    assert_eq!(rig.ask(chat("two")).await.status(), 200);
    // The limit's clock is the real one: a tenth of a second is waited for.
    tokio::time::sleep(wait(&told)).await;
    assert_eq!(rig.ask(chat("one")).await.status(), 200, "who waits as long as told is let in");
}

#[tokio::test(flavor = "local")]
async fn each_dialect_tells_limits_in_its_own_way() {
    let upstream = Upstream::always(json(200, "{\"ok\":true}")).await;
    let told = |answer: &'static str| {
        let upstream = &upstream;
        async move {
            let answer = format!("answer = \"{answer}\"");
            counted("requests = \"100/min\"", &answer, upstream).await.ask(get("/v1/x", "")).await
        }
    };
    let human = told("agenthuman").await;
    assert_eq!((human.says("x-ratelimit-limit"), human.says("x-ratelimit-remaining")), ("100", "99"));
    let reset: u64 = human.says("x-ratelimit-reset").parse().unwrap();
    assert!(reset > 1_700_000_000, "seconds since 1970: {reset}");
    let claude = told("anthropic").await;
    let reset = claude.says("anthropic-ratelimit-requests-reset");
    assert!(reset.ends_with('Z') && reset.contains('T'), "{reset}");
    let groq = told("groq").await;
    assert!(groq.says("x-ratelimit-reset-requests").ends_with("ms"), "{groq:?}");
}

#[tokio::test(flavor = "local")]
async fn the_fields_of_the_ietf_are_told_where_they_are_wanted() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = counted("requests = \"60/min\"\nfields = \"both\"", "", &upstream).await;
    let told = rig.ask(chat("one")).await;
    assert_eq!(told.says("ratelimit-policy"), "\"requests-60s\";q=60;w=60;qu=\"requests\"");
    assert_eq!(told.says("ratelimit"), "\"requests-60s\";r=59;t=1");
    assert_eq!(told.says("x-ratelimit-remaining-requests"), "59");
}

#[tokio::test(flavor = "local")]
async fn tokens_are_settled_by_the_usage_of_the_answer() {
    let body = r#"{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":300,"completion_tokens":500,"total_tokens":800}}"#;
    let upstream = Upstream::always(json(200, body)).await;
    let rig = counted("tokens = \"1000/day\"", "", &upstream).await;
    assert_eq!(rig.ask(chat("one")).await.status(), 200);
    let left = rig.ask(get("/aplomb/limits", "authorization: Bearer one\r\n")).await;
    assert_eq!(left.status(), 200);
    let state: serde_json::Value = left.json();
    assert_eq!((state["tier"].as_str(), state["limits"][0]["remaining"].as_u64()), (Some("free"), Some(200)));
    assert_eq!(left.says("x-ratelimit-remaining-tokens"), "200");
    assert_eq!(upstream.count(), 1, "the question is no request");
}

#[tokio::test(flavor = "local")]
async fn a_caller_hears_of_its_limits_and_its_balance_behind_any_route_and_behind_none() {
    let store = Store::new();
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let file = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nworkers = 1\n{}[tier.free]\nrequests = \"5/h\"\n\
         [[upstream]]\nname = \"first\"\nurl = \"{}\"\ndialect = \"openai\"\n\
         [[route]]\npath = \"/open\"\nupstream = \"first\"\n\
         [[route]]\npath = \"/paid\"\nupstream = \"first\"\nkeys = \"required\"\ntier = \"free\"\n",
        store.lines(),
        upstream.url()
    );
    let rig = Rig::start(super::rig::config(&file));
    // A key that may do nothing else may ask all the same.
    let (key, id) = key(&rig, "ada", wish!({"scopes": {"methods": ["POST"]}})).await;
    let paid = ask(&rig, "POST", "/accounts/ada/ledger", wish!({"kind": "top_up", "amount": 1_500})).await;
    assert_eq!(paid.status(), 201, "{paid:?}");
    let lines = format!("authorization: Bearer {key}\r\n");
    assert_eq!(rig.ask(post("/paid/v1/chat/completions", &lines, CHAT)).await.status(), 200);
    for path in ["/paid/aplomb/limits", "/aplomb/limits"] {
        let told = rig.ask(get(path, &lines)).await;
        assert_eq!((told.status(), told.says("x-ratelimit-remaining-requests")), (200, "4"), "{told:?}");
        let state = told.json();
        assert_eq!((state["route"].as_str(), state["key"].as_str()), (Some("/paid"), Some(&*id)));
        assert_eq!(
            (state["limits"][0]["remaining"].as_u64(), state["limits"][0]["per"].as_str()),
            (Some(4), Some("key"))
        );
        assert_eq!(
            (state["balance_micros"].as_i64(), state["reserved_micros"].as_i64()),
            (Some(1_500), Some(0))
        );
        assert_eq!(rig.ask(get(path, "")).await.status(), 401, "{path}");
    }
    assert_eq!(rig.ask(post("/aplomb/limits", &lines, CHAT)).await.status(), 404);
    assert_eq!(upstream.count(), 1, "no question is a request");
}

#[tokio::test(flavor = "local")]
async fn the_admin_port_shows_whose_limits_stand_how() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = counted("requests = \"5/h\"\nper = \"address\"", "", &upstream).await;
    let admin = |target: &'static str| ask(&rig, "GET", target, wish!({}));
    assert_eq!(admin("/limits").await.json(), wish!({"counted": "here", "data": [], "next": null}));
    assert_eq!(rig.ask(chat("one")).await.status(), 200);
    for target in ["/limits", "/limits?tier=free&subject=address%3A127.0.0.1"] {
        let told = admin(target).await.json();
        let one = &told["data"][0];
        assert_eq!(
            (one["tier"].as_str(), one["subject"].as_str()),
            (Some("free"), Some("address:127.0.0.1"))
        );
        let limit = &one["limits"][0];
        assert_eq!(
            (limit["unit"].as_str(), limit["limit"].as_u64(), limit["remaining"].as_u64()),
            (Some("requests"), Some(5), Some(4))
        );
    }
    for target in ["/limits?subject=address%3A192.0.2.1", "/limits?after=free%3Ab"] {
        assert_eq!(admin(target).await.json()["data"], wish!([]), "{target}");
    }
    let wrong = admin("/limits?tier=gold").await;
    assert_eq!(wrong.status(), 422);
    assert!(wrong.text().contains("configured are `free`"), "{wrong:?}");
    let wrong = ask(&rig, "DELETE", "/limits", wish!({})).await;
    assert_eq!((wrong.status(), wrong.says("allow")), (405, "GET, HEAD"));
    let nobody = keys::ask_with(&rig, "GET", "/limits", "", "application/json", "").await;
    assert_eq!(nobody.status(), 401);
}

#[tokio::test(flavor = "local")]
async fn who_has_too_many_under_way_is_let_in_when_one_has_ended() {
    let gate = Gate::default();
    let mut script = vec![Act::Until(gate.clone())];
    script.extend(json(200, CHOICE));
    let upstream = Upstream::always(script).await;
    let rig = counted("concurrency = 1", "", &upstream).await;
    let first = rig.ask(chat("one"));
    let second = async {
        upstream.hears(1).await;
        let told = rig.ask(chat("one")).await;
        gate.open();
        told
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.status(), second.status()), (200, 429));
    assert!(second.text().contains("1 requests under way at once"), "{second:?}");
    assert_eq!(rig.ask(chat("one")).await.status(), 200);
}

#[tokio::test(flavor = "local")]
async fn a_refusal_does_not_wait_for_the_body() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = counted("daily = 1", "", &upstream).await;
    assert_eq!(rig.ask(chat("one")).await.status(), 200);
    // A body is promised and never comes.
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer one\r\n\
                content-type: application/json\r\ncontent-length: 100000\r\n\r\n";
    let told = rig.ask(head.to_owned()).await;
    assert_eq!((told.status(), told.says("aplomb-kind")), (429, "rate_limit"));
}

#[tokio::test(flavor = "local")]
async fn more_than_a_process_takes_at_once_is_shed() {
    let gate = Gate::default();
    let mut script = vec![Act::Until(gate.clone())];
    script.extend(json(200, CHOICE));
    let upstream = Upstream::always(script).await;
    let rig = Rig::with(&upstream, Wishes { server: "max_requests = 1", ..Wishes::default() });
    let first = rig.ask(chat("one"));
    let second = async {
        upstream.hears(1).await;
        let told = rig.ask(chat("two")).await;
        gate.open();
        told
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.status(), second.status(), second.says("retry-after")), (200, 503, "1"));
}
