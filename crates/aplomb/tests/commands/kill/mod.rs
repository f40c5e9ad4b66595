//! A gateway that is killed a hundred times under load: what it told anybody stands, and nothing is done or paid twice.

mod books;
mod upstream;

use std::fs;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::answer::{Answer, read};
use crate::call::folder;
use crate::serving::Serving;
use books::Books;

/// How often it is killed.
const KILLS: u64 = 100;

/// How many callers ask at once.
const CALLERS: usize = 6;

/// Starts the gateway, until it is dropped: SIGKILL, so that nothing of it has time for anything.
fn start(folder: &Path) -> Serving {
    let state = folder.join("state").display().to_string();
    Serving::start(folder, "kill.toml", &[("APLOMB_STATE", &state), ("APLOMB_ADMIN_TOKEN", TOKEN)])
}

/// What whoever asks the admin port shows.
const TOKEN: &str = "token-of-the-kill-test";

/// What one request costs: 100, 3 tokens of it at 2, and 2 of its answer at 2.
const COST: i64 = 100 + 3 * 2 + 2 * 2;

/// What the account begins with: more than all requests cost.
const BALANCE: i64 = 1_000_000_000;

/// One caller's connection.
struct Caller {
    wire: BufReader<TcpStream>,
    key: String,
}

/// The key of an account that has money, made on the admin port.
fn account(admin: SocketAddr) -> String {
    let mut office = Caller::connect(admin, TOKEN).unwrap();
    let mut post = |path: &str, body: String| {
        let answer = office.send(path, "", &body).unwrap();
        assert_eq!(answer.status, 201, "{path}: {}", String::from_utf8_lossy(&answer.body));
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()
    };
    post("/accounts", r#"{"name":"ada"}"#.to_owned());
    post("/accounts/ada/ledger", format!(r#"{{"kind":"top_up","amount":{BALANCE}}}"#));
    post("/keys", r#"{"account":"ada"}"#.to_owned())["key"].as_str().unwrap().to_owned()
}

impl Caller {
    fn connect(address: SocketAddr, key: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        Some(Self { wire: BufReader::new(stream), key: key.to_owned() })
    }

    /// The whole answer, if the gateway lived long enough to give it.
    fn ask(&mut self, key: &str) -> Option<Answer> {
        let body = format!("{{\"model\":\"m\",\"key\":\"{key}\"}}");
        self.send("/v1/chat/completions", &format!("idempotency-key: {key}\r\n"), &body)
    }

    fn send(&mut self, path: &str, lines: &str, body: &str) -> Option<Answer> {
        let (key, length) = (&self.key, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n{lines}\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.wire.get_mut().write_all(head.as_bytes()).ok()?;
        read(&mut self.wire).ok()
    }
}

/// What callers were told under each key before the gateway was killed; nothing if they never heard.
type Told = Vec<(String, Option<Vec<u8>>)>;

/// Asks one new question after the other until the gateway is gone.
fn ask_on((address, key): (SocketAddr, &str), name: &str, gone: &AtomicBool) -> Told {
    let mut told = Vec::new();
    let Some(mut caller) = Caller::connect(address, key) else { return told };
    for n in 0.. {
        let key = format!("{name}-{n}");
        let answer = caller.ask(&key);
        if let Some(answer) = &answer {
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        }
        let ended = answer.is_none();
        told.push((key, answer.map(|answer| answer.body)));
        if ended || gone.load(Ordering::Relaxed) {
            break;
        }
    }
    told
}

/// Load until a moment that nobody can foresee, and then the end.
fn kill_under_load(gateway: Serving, key: &str, round: u64) -> Told {
    let whom = (gateway.address, key);
    let gone = AtomicBool::new(false);
    thread::scope(|scope| {
        let gone = &gone;
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| scope.spawn(move || ask_on(whom, &format!("{round}-{caller}"), gone)))
            .collect();
        // From the first request's claim to long after it: uneven steps, so that no two rounds end alike.
        thread::park_timeout(Duration::from_micros(300 + (round * 79_193) % 250_000));
        drop(gateway);
        gone.store(true, Ordering::Relaxed);
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    })
}

fn replayed(answer: &Answer) -> bool {
    answer.head.contains("idempotent-replayed: true")
}

/// Asks again for everything that was asked before the end.
fn ask_again((address, key): (SocketAddr, &str), ledger: &upstream::Ledger, told: &Told) {
    let mut caller = Caller::connect(address, key).unwrap();
    for (key, before) in told {
        let again = caller.ask(key).unwrap_or_else(|| panic!("{key}: no answer"));
        let text = String::from_utf8_lossy(&again.body).into_owned();
        match before {
            Some(body) => {
                assert!(again.status == 200 && replayed(&again), "{key} was answered: {}{text}", again.head);
                assert_eq!(again.body, *body, "{key} has another answer now");
            }
            None if again.status == 200 => {}
            None => {
                assert!(again.head.contains("aplomb-outcome: unknown"), "{key}: {}{text}", again.head);
            }
        }
        assert!(ledger.effects(key) <= 1, "{key} was carried out {} times", ledger.effects(key));
    }
}

fn configure(folder: &Path, upstream: SocketAddr) -> PathBuf {
    let file = format!(
        "[log]\nlevel = \"warn\"\n\
         [store]\nurl = \"sqlite:store.db\"\n\
         [[upstream]]\nname = \"u\"\nurl = \"http://{upstream}\"\ndialect = \"openai\"\n\
         [[route]]\npath = \"/\"\nupstream = \"u\"\nkeys = \"required\"\n\
         price = {{ request = 100, token_in = 2, token_out = 2 }}\n"
    );
    fs::write(folder.join("kill.toml"), file).unwrap();
    folder.join("store.db")
}

#[test]
fn what_was_answered_before_a_kill_is_answered_so_after_it_and_nothing_is_done_or_paid_twice() {
    let folder = folder("kill");
    let (upstream, ledger) = upstream::start();
    let store = configure(&folder, upstream);
    let key = account(start(&folder).admin);
    let (mut answered, mut open) = (0, 0);
    for round in 0..KILLS {
        let told = kill_under_load(start(&folder), &key, round);
        answered += told.iter().filter(|(_, body)| body.is_some()).count();
        open += told.iter().filter(|(_, body)| body.is_none()).count();
        let after = start(&folder);
        ask_again((after.address, &key), &ledger, &told);
        drop(after);
    }
    // Once more, so that the last kill's remains are seen to.
    drop(start(&folder));
    let books = Books::read(&store);
    assert!(books.is_sound, "the database is not sound");
    assert_eq!((books.running, books.reservations), (0, 0), "every request has an end, and so has its money");
    // An answer and its charge are one: as many of the one as of the other.
    assert_eq!((books.charges, books.charged), (books.finished, books.finished * COST), "paid once each");
    assert_eq!((books.balance, books.reserved), (BALANCE - books.charged, 0));
    println!("{KILLS} kills: {answered} answers, {open} requests cut off; {books:?}");
    assert!(
        answered > 100 && open > 100 && books.unknown > 0,
        "too little happened: {answered} answers, {open} cut off"
    );
    assert!(ledger.all().iter().all(|(_, effects)| *effects == 1));
}
