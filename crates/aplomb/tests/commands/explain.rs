//! `aplomb explain`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use aplomb_core::capture::Capture;
use aplomb_core::{Explanation, catalog};
use serde_json::Value;

use crate::call::{Said, aplomb, folder};
use crate::corpus::{self, Case};

/// Explains a text that comes in by standard input.
fn explain(args: &[&str], input: &[u8]) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_aplomb"))
        .arg("explain")
        .args(args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments reads nothing.
    drop(child.stdin.take().unwrap().write_all(input));
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

const RATE_LIMIT: &str = "HTTP/1.1 429 Too Many Requests\r\n\
    content-type: application/json\r\n\
    retry-after: 8\r\n\
    x-ratelimit-limit-tokens: 6000\r\n\
    x-ratelimit-remaining-tokens: 0\r\n\
    x-ratelimit-reset-tokens: 7.66s\r\n\
    x-request-id: req_01abc\r\n\
    \r\n\
    {\"error\":{\"message\":\"Rate limit reached for model `llama-3.3-70b-versatile` on tokens per minute (TPM): Limit 6000, Used 5466, Requested 1300. Please try again in 7.66s.\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}";

#[test]
fn the_page_answers_what_a_person_asks() {
    let said = explain(&["--dialect", "groq"], RATE_LIMIT.as_bytes());
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @"
    429 Rate limit (rate_limit)

      Rate limit reached for model `llama-3.3-70b-versatile` on tokens per minute
      (TPM): Limit 6000, Used 5466, Requested 1300. Please try again in 7.66s.

    What happened   Too many requests or tokens in the present window.
    Whose fault     The caller's: the request, its credential, its account or its
                    pace.
    Worth retrying  Yes, after 8 s and not sooner.
    What to do      Wait as long as `retry-after` says, and pace requests.
    Tell the user   “We're getting a lot of requests right now. Please try again in
                    a moment.”

    Code            rate_limit_exceeded
    Type            tokens
    Request id      req_01abc
    Limits          tokens per minute: 0 of 6000 left, whole again in 7.66 s

    Read as         Groq, as you said
    Documented at   https://console.groq.com/docs/errors
    Status page     https://groqstatus.com
    Support         https://community.groq.com
    ");
}

#[test]
fn a_page_of_several_wrong_fields_names_them_all() {
    let body = br#"{"detail":[{"loc":["body","model"],"msg":"Field required","type":"missing"},{"loc":["body","input",0],"msg":"Input should be a valid string","type":"string_type"}]}"#;
    let said = explain(&["--status", "422"], body);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @"
    422 Validation failed (validation)

      Field required

    What happened   Some values are missing or wrong.
    Whose fault     The caller's: the request, its credential, its account or its
                    pace.
    Worth retrying  No: the same request will fail the same way.
    What to do      Correct every one that the error names.
    Tell the user   “Some of the values aren't valid. Please check what you
                    entered.”

    Type            missing
    Parameter       model
    Errors          model: Field required
                    input.0: Input should be a valid string

    Read as         FastAPI, a guess; `--dialect NAME` says what it is
    Documented at   https://fastapi.tiangolo.com/tutorial/handling-errors/
    ");
}

#[test]
fn a_success_is_said_to_be_one() {
    let said = explain(&["--dialect", "openai", "--status", "200"], b"{\"choices\":[{}]}");
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @"
    200 Success: there is nothing to mend

      The request succeeded.

    Read as         OpenAI, as you said
    Documented at   https://platform.openai.com/docs/guides/error-codes
    Status page     https://status.openai.com
    Support         https://help.openai.com
    ");
}

#[test]
fn json_is_one_object_with_every_member() {
    let text = "openai.RateLimitError: Error code: 429 - {'error': {'message': 'You exceeded your current quota', 'type': 'insufficient_quota', 'param': None, 'code': 'insufficient_quota'}}";
    let said = explain(&["--json", "--dialect", "openai"], text.as_bytes());
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @r#"
    {
      "dialect": "openai",
      "kind": "quota_exhausted",
      "status": 429,
      "fault": "caller",
      "advice": "wait_for_quota",
      "retryable": false,
      "retry_after_s": null,
      "message": "You exceeded your current quota",
      "code": "insufficient_quota",
      "type": "insufficient_quota",
      "param": null,
      "request_id": null,
      "limits": [],
      "meaning": "A quota that only money, another plan or a new period brings back is used up.",
      "remedy": "Raise the quota or wait for the next period; retrying before that only fails.",
      "user_message": "The usage limit for this service has been reached.",
      "docs": "https://platform.openai.com/docs/guides/error-codes",
      "status_page": "https://status.openai.com",
      "support": "https://help.openai.com",
      "errors": []
    }
    "#);
}

#[test]
fn status_and_headers_may_be_told_beside() {
    let args = [
        "--json",
        "--dialect",
        "openai",
        "--status",
        "503",
        "--header",
        "Retry-After: 20",
        "--header",
        "x-request-id:req_7",
    ];
    let object: Value = serde_json::from_str(&explain(&args, b"busy").out).unwrap();
    assert_eq!((&object["status"], &object["retry_after_s"]), (&Value::from(503), &Value::from(20)));
    assert_eq!((&object["request_id"], &object["message"]), (&Value::from("req_7"), &Value::from("busy")));
}

#[test]
fn bad_input_gets_a_sentence_and_exit_status_2() {
    let folder = folder("explain-bad");
    std::fs::write(folder.join("huge"), vec![b'x'; (10 << 20) + 1]).unwrap();
    std::fs::write(folder.join("empty"), " \n").unwrap();
    for (args, sentence) in [
        (vec!["--dialect", "opnai", "huge"], "no dialect is called `opnai`; did you mean `openai`?"),
        (vec!["missing"], "missing can't be read: "),
        (vec!["."], ". can't be read: "),
        (vec!["empty"], "the input is empty"),
        (vec!["huge"], "the input is larger than 10 MiB"),
        (vec!["--status", "42", "empty"], "invalid value '42' for '--status <N>'"),
        (vec!["--header", "no colon", "empty"], "a header is written `Name: value`"),
        (vec!["--header", "bad name: x", "empty"], "`bad name` is no name of a header"),
        (vec!["--dialects", "nowhere", "empty"], "nowhere: "),
    ] {
        let said = aplomb(&folder, &[&["explain"], &args[..]].concat());
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{args:?}");
        assert!(said.err.contains(sentence), "{args:?}: {}", said.err);
    }
}

#[test]
fn a_dialect_of_ones_own_is_read_from_a_folder() {
    let folder = folder("explain-own");
    std::fs::create_dir(folder.join("own")).unwrap();
    let groq = include_str!("../../../aplomb-core/spec/dialects/groq.toml");
    std::fs::write(
        folder.join("own/mine.toml"),
        groq.replace("flex tier is at its capacity", "tier is mine"),
    )
    .unwrap();
    std::fs::write(folder.join("answer"), "HTTP/1.1 498 x\n\n").unwrap();
    let said = aplomb(&folder, &["explain", "--json", "--dialects", "own", "--dialect", "mine", "answer"]);
    let object: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&object["dialect"], &object["meaning"]),
        (&Value::from("mine"), &Value::from("The tier is mine."))
    );
}

#[test]
fn nothing_from_outside_commands_the_terminal() {
    let said = explain(&["--status", "500"], b"{\"error\":{\"message\":\"\\u001b[2Jgone\"}}");
    assert!(said.out.contains("[2Jgone"));
    assert!(!said.out.contains('\u{1b}'));
}

/// What `explain --json` says of a text.
fn object(text: &[u8], named: Option<&str>, amend: impl FnOnce(&mut Capture)) -> Value {
    let catalog = catalog();
    let mut capture = Capture::read(text);
    amend(&mut capture);
    Explanation::of(catalog, named.and_then(|name| catalog.get(name)), &capture, SystemTime::UNIX_EPOCH)
        .to_json()
}

#[test]
fn the_whole_corpus_is_explained_with_and_without_its_dialect() {
    let mut score = corpus::Score::default();
    for case in corpus::cases() {
        let known = catalog().get(&case.provider).map(|_| case.provider.as_str());
        for named in [None, known].into_iter().take(1 + usize::from(known.is_some())) {
            let with_status_and_headers = |capture: &mut Capture| {
                capture.status = case.status.or(capture.status);
                capture.headers.splice(0..0, case.headers.clone());
            };
            let seen = object(case.body.as_bytes(), named, with_status_and_headers);
            score.count(
                &case,
                named.unwrap_or("detected"),
                corpus::differences(&seen, &case.truth, &corpus::FACTS),
            );
        }
    }
    score.print("bodies");
    score.assert_whole();
}

#[test]
fn the_whole_corpus_is_explained_as_raw_answers() {
    let mut score = corpus::Score::default();
    for case in corpus::cases().into_iter().filter(|case| case.status.is_some()) {
        for ending in ["\r\n", "\n"] {
            let seen = object(&raw(&case, ending, ""), None, |_| {});
            score.count(&case, "raw", corpus::differences(&seen, &case.truth, &corpus::FACTS));
            let verbose = object(&raw(&case, ending, "< "), None, |_| {});
            score.count(&case, "curl -v", corpus::differences(&verbose, &case.truth, &corpus::FACTS));
        }
    }
    score.print("raw answers");
    score.assert_whole();
}

fn raw(case: &Case, ending: &str, mark: &str) -> Vec<u8> {
    let mut text = format!("{mark}HTTP/1.1 {} Oops{ending}", case.status.unwrap());
    for (name, value) in &case.headers {
        text.push_str(&format!("{mark}{name}: {value}{ending}"));
    }
    text.push_str(&format!("{mark}{ending}{}", case.body));
    text.into_bytes()
}

/// An SDK's text holds no headers: what they said is not asked of it.
#[test]
fn the_whole_corpus_is_explained_as_exceptions_of_a_python_sdk() {
    let mut score = corpus::Score::default();
    for mut case in corpus::cases() {
        let Some(status) = case.status.filter(|status| *status >= 400) else { continue };
        let Ok(json) = serde_json::from_str::<Value>(&case.body) else { continue };
        case.truth = object(case.body.as_bytes(), None, |capture| capture.status = Some(status));
        for prefix in [
            "",
            "openai.APIStatusError: ",
            "Traceback (most recent call last):\n  File \"x.py\", line 1, in x\nopenai.APIStatusError: ",
        ] {
            let text = format!("{prefix}Error code: {status} - {}", corpus::repr(&json));
            let seen = object(text.as_bytes(), None, |_| {});
            let facts = [
                "kind",
                "status",
                "retryable",
                "retry_after_s",
                "message",
                "code",
                "type",
                "param",
                "request_id",
                "dialect",
            ];
            score.count(&case, "exception", corpus::differences(&seen, &case.truth, &facts));
        }
    }
    score.print("exceptions");
    score.assert_whole();
}

#[test]
fn a_text_cut_anywhere_is_explained_all_the_same() {
    let exception = "Traceback (most recent call last):\n  File \"x\"\ngroq.RateLimitError: Error code: 429 - {'error': {'message': 'Rate \\u20ac €', 'code': None}}";
    let node = "RateLimitError: 429 slow\n    at x (y:1:2) {\n  status: 429,\n  headers: Headers { 'retry-after': '7' },\n  error: { message: 'one ' +\n 'two' }\n}";
    let verbose = "* Connected\n> POST / HTTP/1.1\r\n> Host: x.example\r\n>\r\n< HTTP/1.1 429 x\r\n< retry-after: 1\r\n< \r\n{\"error\":{\"message\":\"x\"}}* Connection #0 left intact";
    for text in [RATE_LIMIT, exception, node, verbose] {
        for end in 0..text.len() {
            let seen = object(&text.as_bytes()[..end], None, |_| {});
            assert!(seen["dialect"].is_string());
        }
    }
}

/// What people paste is made of these; put together at random they are every broken capture.
const PIECES: [&str; 24] = [
    "HTTP/1.1 429 x\r\n",
    "HTTP/2 503\n",
    "< ",
    "> ",
    "* ",
    "retry-after: 1e18\r\n",
    "\r\n\r\n",
    "\n\n",
    "{'error': ",
    "{\"error\": ",
    "'",
    "\"",
    "\\",
    "\\u{",
    "\\ud83d",
    "{",
    "[",
    "}",
    "Error code: 429 - ",
    "data: ",
    "event: error\n",
    "Traceback (most recent call last):\n",
    "transfer-encoding: chunked\r\n",
    "ffffffffffffffff\r\n",
];

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        assert!(object(&bytes, None, |_| {})["dialect"].is_string());
    }

    #[test]
    fn no_broken_capture_makes_it_panic(pieces in proptest::collection::vec((0..PIECES.len(), "\\PC{0,6}"), 0..30)) {
        let text: String = pieces.iter().map(|(piece, more)| format!("{}{more}", PIECES[*piece])).collect();
        assert!(object(text.as_bytes(), None, |_| {})["dialect"].is_string());
    }
}
