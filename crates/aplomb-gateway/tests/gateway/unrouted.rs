//! Requests that belong to no route, or that can't be read at all: in whose words they are refused.

use super::caller::Message;
use super::rig::{Rig, Wishes, config, get};
use super::upstream::{Upstream, json};

/// A gateway whose routes answer in these dialects.
async fn answering(dialects: &[&str]) -> Rig {
    let upstream = Upstream::always(json(200, "{}")).await;
    let mut file = Wishes::default().file(&upstream.url());
    file.truncate(file.find("[[route]]").unwrap());
    for dialect in dialects {
        file.push_str(&format!(
            "[[route]]\npath = \"/{dialect}\"\nupstream = \"first\"\nanswer = \"{dialect}\"\n"
        ));
    }
    Rig::start(config(&file))
}

/// A path without a route, a URL that is too long, and what is no HTTP.
async fn refused(rig: &Rig, lines: &str) -> [Message; 3] {
    [
        rig.ask(get("/nowhere", lines)).await,
        rig.ask(get(&format!("/{}", "x".repeat(20_000)), lines)).await,
        rig.ask("GET / HTTP/1.1\r\nhost: localhost\r\na b: c\r\n\r\n").await,
    ]
}

#[tokio::test(flavor = "local")]
async fn a_gateway_with_one_answer_dialect_refuses_in_its_words() {
    let rig = answering(&["groq"]).await;
    for told in refused(&rig, "").await {
        assert!(told.json()["error"]["message"].is_string(), "{told:?}");
        assert!(told.json()["error"]["type"].is_string(), "{told:?}");
        assert!(!told.says("x-request-id").is_empty() && told.says("aplomb-attempts") == "0", "{told:?}");
        assert_eq!((told.says("aplomb-fault"), told.says("x-should-retry")), ("caller", "false"), "{told:?}");
    }
    let statuses = refused(&rig, "").await.map(|told| told.status());
    assert_eq!(statuses, [404, 414, 400]);
}

#[tokio::test(flavor = "local")]
async fn a_closed_contract_shows_no_status_that_it_does_not_list_even_there() {
    for name in ["mixedbread", "meibel", "mimo", "agenthuman"] {
        let dialect = aplomb_core::catalog().get(name).unwrap();
        assert!(dialect.closed, "{name}");
        let rig = answering(&[name]).await;
        for lines in ["", "authorization: Bearer k\r\n", "x-api-key: k\r\nanthropic-version: 1\r\n"] {
            for told in refused(&rig, lines).await {
                assert!(dialect.lists(told.status()), "{name}: {told:?}");
                assert!(!told.says("content-type").contains("problem"), "{name}: {told:?}");
            }
        }
    }
}

#[tokio::test(flavor = "local")]
async fn with_several_answer_dialects_the_credential_decides_else_it_is_a_problem() {
    let rig = answering(&["groq", "mimo"]).await;
    for told in refused(&rig, "").await {
        assert_eq!(told.says("content-type"), "application/problem+json", "{told:?}");
    }
    let [unrouted, ..] = refused(&rig, "x-api-key: k\r\n").await;
    assert_eq!((unrouted.status(), &unrouted.json()["type"]), (404, &"error".into()), "as Anthropic says it");
}

#[tokio::test(flavor = "local")]
async fn who_asks_for_a_problem_gets_one_without_a_route_too() {
    let rig = answering(&["groq"]).await;
    let told = rig.ask(get("/nowhere", "accept: application/problem+json\r\n")).await;
    assert_eq!((told.status(), told.says("content-type")), (404, "application/problem+json"));
}
