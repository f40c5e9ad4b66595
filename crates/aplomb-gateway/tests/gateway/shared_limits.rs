//! Limits that several gateways count together, over the server that `APLOMB_TEST_REDIS` names.
//!
//! `cargo xtask test` starts one; without the variable there is nobody to count with, and only its absence is tested.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json as wish;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::caller::Message;
use super::keys::ask;
use super::rig::{CHAT, CHOICE, Rig, Wishes, get, post};
use super::upstream::{Act, Gate, Upstream, json, nobody};

fn server() -> Option<String> {
    std::env::var("APLOMB_TEST_REDIS").ok()
}

/// A tier that no other test counts by.
fn tier() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn gateway(upstream: &Upstream, url: &str, tier: &str, limits: &str, route: &str) -> Rig {
    let more = format!("[tier.{tier}]\n{limits}\n[shared]\nurl = \"{url}\"\n");
    let route = format!("tier = \"{tier}\"\n{route}");
    Rig::with(upstream, Wishes { more: &more, route: &route, ..Wishes::default() })
}

async fn chat(rig: &Rig) -> Message {
    rig.ask(post("/v1/chat/completions", "authorization: Bearer one\r\n", CHAT)).await
}

#[tokio::test(flavor = "local")]
async fn two_gateways_count_as_one() {
    let Some(url) = server() else { return };
    let (upstream, tier) = (Upstream::always(json(200, CHOICE)).await, tier());
    let start = || gateway(&upstream, &url, &tier, "requests = \"3/h\"\ndaily = 100", "");
    let (a, b) = (start(), start());
    for (rig, left) in [(&a, "2"), (&b, "1"), (&a, "0")] {
        let told = chat(rig).await;
        assert_eq!((told.status(), told.says("x-ratelimit-remaining-requests")), (200, left));
    }
    let told = chat(&b).await;
    assert_eq!((told.status(), told.says("aplomb-kind")), (429, "rate_limit"));
    let wait: u64 = told.says("retry-after").parse().unwrap();
    assert!((1_190..=1_200).contains(&wait), "a third of an hour: {wait}");
    assert_eq!(upstream.count(), 3);
}

#[tokio::test(flavor = "local")]
async fn every_gateway_tells_how_the_limits_of_all_stand() {
    let Some(url) = server() else { return };
    let (upstream, tier) = (Upstream::always(json(200, CHOICE)).await, tier());
    let start =
        || gateway(&upstream, &url, &tier, "requests = \"3/h\"\nconcurrency = 5\nper = \"address\"", "");
    let (a, b) = (start(), start());
    assert_eq!(chat(&a).await.status(), 200);
    let own = b.ask(get("/aplomb/limits", "authorization: Bearer one\r\n")).await.json();
    assert_eq!(own["limits"][0]["remaining"].as_u64(), Some(2), "{own}");
    for query in [format!("?tier={tier}"), format!("?tier={tier}&subject=address:127.0.0.1")] {
        let told = ask(&b, "GET", &format!("/limits{query}"), wish!({})).await.json();
        let one = &told["data"][0];
        assert_eq!(
            (told["counted"].as_str(), one["subject"].as_str()),
            (Some("together"), Some("address:127.0.0.1")),
            "{told}"
        );
        assert_eq!(one["limits"][0]["remaining"].as_u64(), Some(2), "{told}");
    }
    let other = ask(&b, "GET", "/limits?subject=address:192.0.2.1", wish!({})).await.json();
    assert_eq!(other["data"], wish!([]));
}

#[tokio::test(flavor = "local")]
async fn gateways_that_borrow_let_in_no_more_than_there_is() {
    let Some(url) = server() else { return };
    let (upstream, tier) = (Upstream::always(json(200, CHOICE)).await, tier());
    let start = || gateway(&upstream, &url, &tier, "requests = \"100/h\"", "");
    let exact = format!("url = \"{url}\"");
    let lease = || {
        let more = format!("[tier.{tier}]\nrequests = \"100/h\"\n[shared]\n{exact}\nmode = \"lease\"\n");
        let route = format!("tier = \"{tier}\"");
        Rig::with(&upstream, Wishes { more: &more, route: &route, ..Wishes::default() })
    };
    let (a, b) = (lease(), lease());
    let mut let_in = 0;
    for turn in 0..130 {
        let_in += u32::from(chat(if turn % 2 == 0 { &a } else { &b }).await.status() == 200);
    }
    // What a gateway holds when the other is refused comes back, or is used by itself.
    assert!((95..=100).contains(&let_in), "{let_in}");
    assert_eq!(chat(&start()).await.status(), if let_in == 100 { 429 } else { 200 });
}

#[tokio::test(flavor = "local")]
async fn a_place_under_way_is_free_for_the_other_gateway_once_the_answer_is_over() {
    let Some(url) = server() else { return };
    let gate = Gate::default();
    let mut script = vec![Act::Until(gate.clone())];
    script.extend(json(200, CHOICE));
    let (upstream, tier) = (Upstream::always(script).await, tier());
    let start = || gateway(&upstream, &url, &tier, "concurrency = 1", "");
    let (a, b) = (start(), start());
    let first = chat(&a);
    let second = async {
        upstream.hears(1).await;
        let told = chat(&b).await;
        gate.open();
        told
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.status(), second.status()), (200, 429));
    // The place is given back by nobody who is waited for.
    while chat(&b).await.status() != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "local")]
async fn tokens_are_settled_for_all_gateways() {
    let Some(url) = server() else { return };
    let body = r#"{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":300,"completion_tokens":500,"total_tokens":800}}"#;
    let (upstream, tier) = (Upstream::always(json(200, body)).await, tier());
    let start = || gateway(&upstream, &url, &tier, "tokens = \"1000/day\"", "");
    let (a, b) = (start(), start());
    assert_eq!(chat(&a).await.status(), 200);
    let mut left = 1_000;
    for _ in 0..1_000 {
        left = chat(&b).await.header("x-ratelimit-remaining-tokens").unwrap().parse().unwrap();
        if left <= 200 {
            return;
        }
    }
    panic!("{left} are left of 1000, of which 800 were used");
}

#[tokio::test(flavor = "local")]
async fn without_the_server_each_gateway_counts_for_itself_or_lets_nobody_in() {
    let (_kept, address) = nobody();
    let url = format!("redis://:hunter2@{address}");
    let (upstream, tier) = (Upstream::always(json(200, CHOICE)).await, tier());
    let local = gateway(&upstream, &url, &tier, "requests = \"1/h\"", "");
    assert_eq!((chat(&local).await.status(), chat(&local).await.status()), (200, 429));
    let closed = gateway(&upstream, &url, &tier, "requests = \"1/h\"", "on_store_down = \"closed\"");
    let told = chat(&closed).await;
    assert_eq!((told.status(), told.says("aplomb-fault"), told.says("retry-after")), (503, "gateway", "1"));
    assert!(!format!("{told:?}").contains("hunter2"));
}

/// A way to the server that a test can cut and mend.
#[derive(Clone, Default)]
struct Bridge {
    cut: Rc<Cell<bool>>,
    crossing: Rc<RefCell<Vec<JoinHandle<()>>>>,
}

impl Bridge {
    /// A bridge, and the URL of its near end.
    async fn to(url: &str) -> (Self, String) {
        let far = url.trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = format!("redis://{}", listener.local_addr().unwrap());
        let bridge = Self::default();
        let own = bridge.clone();
        tokio::task::spawn_local(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                if own.cut.get() {
                    continue;
                }
                let far = far.clone();
                own.crossing.borrow_mut().push(tokio::task::spawn_local(async move {
                    let mut server = TcpStream::connect(far).await.unwrap();
                    let _gone = copy_bidirectional(&mut caller, &mut server).await;
                }));
            }
        });
        (bridge, near)
    }

    fn cut(&self) {
        self.cut.set(true);
        self.crossing.borrow_mut().drain(..).for_each(|task| task.abort());
    }
}

#[tokio::test(flavor = "local")]
async fn a_lost_server_is_told_once_and_each_gateway_counts_for_itself_until_it_is_back() {
    let Some(url) = server() else { return };
    let (bridge, url) = Bridge::to(&url).await;
    let (upstream, tier) = (Upstream::always(json(200, CHOICE)).await, tier());
    let local = gateway(&upstream, &url, &tier, "requests = \"100000/h\"", "on_store_down = \"local\"");
    let tight = gateway(&upstream, &url, &tier, "requests = \"1/h\"\nper = \"route\"", "");
    let ready = || async { ask(&local, "GET", "/readyz", wish!({})).await.json()["shared"].clone() };
    let metrics = || async { ask(&local, "GET", "/metrics", wish!({})).await.text() };
    assert_eq!(chat(&local).await.header("aplomb-shared"), None);
    assert_eq!((ready().await, chat(&tight).await.status()), (wish!("up"), 200));
    bridge.cut();
    // Longer than the pause after which the server is looked at again.
    let until = Instant::now() + Duration::from_millis(1_200);
    while Instant::now() < until {
        let told = chat(&local).await;
        assert_eq!((told.status(), told.says("aplomb-shared")), (200, "down"), "{told:?}");
    }
    let told = chat(&tight).await;
    assert_eq!((told.status(), told.says("aplomb-shared")), (200, "down"), "its own share");
    let told = chat(&tight).await;
    assert_eq!(
        (told.status(), told.says("aplomb-shared"), told.says("aplomb-kind")),
        (429, "down", "rate_limit")
    );
    assert_eq!(ready().await, wish!("down"));
    let page = metrics().await;
    assert!(page.contains("aplomb_shared_up 0") && page.contains("aplomb_shared_outages_total 1"), "{page}");
    bridge.cut.set(false);
    while chat(&local).await.header("aplomb-shared").is_some() {}
    let page = metrics().await;
    assert!(page.contains("aplomb_shared_up 1") && page.contains("aplomb_shared_outages_total 1"), "{page}");
    assert_eq!(ready().await, wish!("up"));
}

#[tokio::test(flavor = "local")]
async fn who_counts_alone_lets_in_its_share() {
    let Some(url) = server() else { return };
    let (bridge, near) = Bridge::to(&url).await;
    let (upstream, tier) = (Upstream::always(json(200, CHOICE)).await, tier());
    let other = gateway(&upstream, &url, &tier, "requests = \"100/h\"", "");
    assert_eq!(chat(&other).await.status(), 200);
    let alone = gateway(&upstream, &near, &tier, "requests = \"100/h\"", "on_store_down = \"local\"");
    let open = gateway(&upstream, &near, &tier, "requests = \"100/h\"", "on_store_down = \"open\"");
    assert_eq!((chat(&alone).await.status(), chat(&open).await.status()), (200, 200));
    bridge.cut();
    let mut let_in = [0; 2];
    for _ in 0..110 {
        for (rig, count) in [&alone, &open].into_iter().zip(&mut let_in) {
            *count += u32::from(chat(rig).await.status() == 200);
        }
    }
    // The other one was there, and perhaps those of other tests.
    assert!((1..=50).contains(&let_in[0]), "{let_in:?}");
    assert_eq!(let_in[1], 100, "open: by the whole limit");
}
