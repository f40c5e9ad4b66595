//! A running gateway: another configuration under way, and an end that waits for what is under way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aplomb_gateway::{Gateway, Reload};

use super::caller::{Message, Wire};
use super::rig::{CHAT, CHOICE, Rig, TOKEN, Wishes, config, get, post, read, token};
use super::upstream::{Act, Gate, Upstream, json};

/// A gateway whose file a test can change.
fn reloadable(file: String) -> (Rig, Arc<Mutex<String>>) {
    let text = Arc::new(Mutex::new(file));
    let source = Arc::clone(&text);
    let reload: Reload = Arc::new(move || read(&source.lock().unwrap()));
    let first = config(&text.lock().unwrap());
    let gateway = Gateway::start(first, aplomb_core::catalog(), |_| None, Some(reload), token()).unwrap();
    (Rig { gateway }, text)
}

async fn admin(rig: &Rig, request: &str) -> Message {
    let mut wire = Wire::connect(rig.gateway.admin()).await;
    wire.send(request).await;
    wire.answer().await
}

#[tokio::test(flavor = "local")]
async fn a_request_keeps_the_configuration_that_it_began_with() {
    let gate = Gate::default();
    let old = Upstream::always([vec![Act::Until(gate.clone())], json(200, "\"old\"")].concat()).await;
    let new = Upstream::always(json(200, "\"new\"")).await;
    let (rig, file) = reloadable(Wishes::default().file(&old.url()));
    let mut wire = rig.connect().await;
    wire.send(post("/v1/chat/completions", "", CHAT)).await;
    old.hears(1).await;
    *file.lock().unwrap() = Wishes::default().file(&new.url());
    let told = admin(&rig, &post("/config/reload", TOKEN, "")).await;
    assert_eq!((told.status(), &told.json()["reloaded"]), (200, &true.into()));
    assert_eq!(rig.chat("").await.text(), "\"new\"");
    gate.open();
    assert_eq!(wire.answer().await.text(), "\"old\"");
    wire.send(post("/v1/chat/completions", "", CHAT)).await;
    assert_eq!(wire.answer().await.text(), "\"new\"", "the same connection goes on");
}

#[tokio::test(flavor = "local")]
async fn a_bad_file_changes_nothing_and_says_why() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let good = Wishes::default().file(&upstream.url());
    let (rig, file) = reloadable(good.clone());
    for (bad, word) in [
        ("nonsense".to_owned(), "not TOML"),
        (good.replace("dialect = \"openai\"", "dialect = \"opnai\""), "openai"),
        (good.replace("admin = \"127.0.0.1:0\"", "admin = \"127.0.0.1:9\""), "[server] admin"),
        (good.replace("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:9\""), "[server] listen"),
    ] {
        *file.lock().unwrap() = bad;
        let told = admin(&rig, &post("/config/reload", TOKEN, "")).await;
        assert_eq!(told.status(), 422, "{told:?}");
        assert!(told.text().contains(word), "{told:?}");
        assert!(rig.gateway.reload().is_err());
        assert_eq!(rig.chat("").await.status(), 200);
    }
    *file.lock().unwrap() = good.replace("path = \"/\"", "path = \"/only\"");
    rig.gateway.reload().unwrap();
    assert_eq!(rig.chat("").await.status(), 404, "a route that was taken out");
    assert_eq!(admin(&rig, &get("/config/reload", TOKEN)).await.status(), 405);
}

#[tokio::test(flavor = "local")]
async fn a_reload_changes_whose_word_counts_and_how_long_an_end_waits() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let file = |server| Wishes { server, ..Wishes::default() }.file(&upstream.url());
    let (rig, text) = reloadable(file(""));
    let came_from = async || {
        rig.chat("x-forwarded-for: 203.0.113.9\r\n").await;
        upstream.heard().last().unwrap().request.says("x-forwarded-for").to_owned()
    };
    assert_eq!((came_from().await.as_str(), rig.gateway.drain()), ("127.0.0.1", Duration::from_secs(30)));
    *text.lock().unwrap() = file("trusted_proxies = [\"127.0.0.1\"]\ndrain = \"3s\"");
    rig.gateway.reload().unwrap();
    assert!(came_from().await.starts_with("203.0.113.9"));
    assert_eq!(rig.gateway.drain(), Duration::from_secs(3));
}

#[tokio::test(flavor = "local")]
async fn an_end_waits_for_what_is_under_way() {
    let gate = Gate::default();
    let upstream = Upstream::always([vec![Act::Until(gate.clone())], json(200, CHOICE)].concat()).await;
    let rig = Rig::before(&upstream);
    let address = rig.address();
    let mut wire = rig.connect().await;
    wire.send(post("/v1/chat/completions", "", CHAT)).await;
    let mut idle = rig.connect().await;
    idle.send(get("/v1/models", "")).await;
    upstream.hears(2).await;
    let stopping = tokio::task::spawn_blocking(move || rig.gateway.stop(Duration::from_secs(20)));
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    gate.open();
    assert_eq!((wire.answer().await.status(), idle.answer().await.status()), (200, 200));
    assert_eq!((wire.rest().await.len(), idle.rest().await.len()), (0, 0), "both connections end");
    assert_eq!(stopping.await.unwrap().cut, 0);
}

#[tokio::test(flavor = "local")]
async fn a_request_that_comes_while_the_gateway_ends_is_sent_away_in_the_routes_words() {
    let gate = Gate::default();
    let upstream = Upstream::always([vec![Act::Until(gate.clone())], json(200, CHOICE)].concat()).await;
    let rig = Rig::with(&upstream, Wishes { dialect: "anthropic", ..Wishes::default() });
    let address = rig.address();
    let request = post("/v1/messages", "", CHAT);
    let mut late = rig.connect().await;
    late.send(&request[..20]).await;
    let mut running = rig.connect().await;
    running.send(&request).await;
    // The gateway has one thread: when it has sent the second request on, it has seen the beginning of the first.
    upstream.hears(1).await;
    let stopping = tokio::task::spawn_blocking(move || rig.gateway.stop(Duration::from_secs(20)));
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    late.send(&request[20..]).await;
    let told = late.answer().await;
    assert_eq!((told.status(), told.says("connection"), told.says("x-should-retry")), (503, "close", "true"));
    assert_eq!((&told.json()["type"], told.says("retry-after")), (&"error".into(), "1"), "{told:?}");
    assert_eq!(late.rest().await.len(), 0);
    gate.open();
    assert_eq!(running.answer().await.status(), 200);
    assert_eq!(stopping.await.unwrap().cut, 0);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "local")]
async fn an_end_that_waited_long_enough_cuts() {
    let upstream = Upstream::always(vec![Act::Silence]).await;
    let rig = Rig::before(&upstream);
    let mut wire = rig.connect().await;
    wire.send(post("/v1/chat/completions", "", CHAT)).await;
    upstream.hears(1).await;
    let stopping = tokio::task::spawn_blocking(move || rig.gateway.stop(Duration::from_millis(50)));
    assert_eq!(wire.rest().await, b"");
    assert_eq!(stopping.await.unwrap().cut, 1);
    upstream.is_left(1).await;
}

#[tokio::test(flavor = "local")]
async fn health_and_readiness_are_on_the_admin_port_for_everybody() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    assert_eq!(admin(&rig, &get("/healthz", "")).await.text(), "ok\n");
    rig.chat("").await;
    let told = admin(&rig, &get("/readyz", "")).await;
    assert_eq!(
        (told.status(), &told.json()["ready"], &told.json()["in_flight"]),
        (200, &true.into(), &0.into())
    );
    assert_eq!(told.json()["held_bytes"], 0);
    assert_eq!(admin(&rig, &get("/nothing", TOKEN)).await.status(), 404);
    let told = admin(&rig, &post("/healthz", TOKEN, "")).await;
    assert_eq!((told.status(), told.says("allow")), (405, "GET, HEAD"));
}

#[tokio::test(flavor = "local")]
async fn everything_else_on_the_admin_port_needs_its_token() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let (rig, _file) = reloadable(Wishes::default().file(&upstream.url()));
    let without = [
        String::new(),
        "authorization: Bearer token-of-the-test\r\n".to_owned(),
        "authorization: Basic token-of-the-tests\r\n".to_owned(),
        "authorization: Bearer\r\n".to_owned(),
        "x-api-key: token-of-the-tests\r\n".to_owned(),
        format!("authorization: Bearer other-token-of-somebody\r\n{TOKEN}"),
    ];
    let asks =
        [post("/config/reload", "", ""), get("/nothing", ""), get("/metrics", ""), post("/healthz", "", "")];
    for (lines, ask) in without.iter().flat_map(|lines| asks.iter().map(move |ask| (lines, ask))) {
        let told = admin(&rig, &ask.replacen("host", &format!("{lines}host"), 1)).await;
        assert_eq!((told.status(), told.says("www-authenticate")), (401, "Bearer"), "{lines}{ask}");
        assert!(!told.text().contains("token-of-the-tests"));
    }
    assert_eq!(admin(&rig, &post("/config/reload", TOKEN, "")).await.status(), 200);
    assert_eq!(upstream.count(), 0);
}
