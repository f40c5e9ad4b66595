//! `aplomb keys` and `aplomb accounts`: on the store itself, and through the admin port of a gateway that runs.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::call::{Said, aplomb, folder};

/// Asks the store of a folder itself.
fn own(at: &Path, words: &[&str]) -> Said {
    aplomb(at, &[words, &["--store", "sqlite:store.db"]].concat())
}

fn json(said: &Said) -> Value {
    assert_eq!(said.status, 0, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

/// Without what differs from run to run.
fn steady(said: &str) -> String {
    let is_time = |word: &&str| word.len() == 20 && word.ends_with('Z');
    let word = |word: &str| match word {
        word if word.starts_with("acc_") => "acc_…".to_owned(),
        word if word.starts_with("apl_") => "apl_…".to_owned(),
        word if is_time(&word) => "2026-11-28T09:00:00Z".to_owned(),
        word if word.len() == 11 && word.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            "0bPELAU4eqF".to_owned()
        }
        word => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    said.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_key_is_made_listed_and_revoked_on_the_store_itself() {
    let at = folder("keys-own");
    let said = own(&at, &["accounts", "create", "acme", "--tier", "free"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(steady(&said.out), @r"
    id       acc_…
    name     acme
    status   active
    tier     free
    balance  0.00
    created  2026-11-28T09:00:00Z
    ");
    let made = own(
        &at,
        &[
            "keys",
            "create",
            "--account",
            "acme",
            "--name",
            "ci",
            "--model",
            "llama-*",
            "--expires",
            "2099-01-01",
        ],
    );
    insta::assert_snapshot!(steady(&made.out), @r"
    key       apl_…
         shown this once; only its hash is kept
    id        0bPELAU4eqF
    account   acc_…
    name      ci
    status    active
    only for  models llama-*
    created   2026-11-28T09:00:00Z
    expires   2026-11-28T09:00:00Z
    ");
    let key = made.out.split_whitespace().find(|word| word.starts_with("apl_")).unwrap().to_owned();
    let listed = json(&own(&at, &["keys", "list", "--json"]));
    assert_eq!(listed[0]["id"], key[4..15]);
    for kept in
        [listed.to_string(), own(&at, &["keys", "show", &key]).out, own(&at, &["accounts", "audit"]).out]
    {
        assert!(!kept.contains(&key[16..]), "shown once: {kept}");
    }
    assert_eq!(json(&own(&at, &["keys", "revoke", &key, "--json"]))["status"], "revoked");
    let listed = own(&at, &["keys", "list", "--account", "acme"]);
    assert!(listed.out.starts_with("ID           ACCOUNT") && listed.out.contains("revoked"), "{listed:?}");
}

#[test]
fn money_is_in_units_for_people_and_in_millionths_for_programs() {
    let at = folder("accounts-money");
    own(&at, &["accounts", "create", "acme"]);
    let said = own(&at, &["accounts", "top-up", "acme", "12.50", "--reference", "inv-1"]);
    assert_eq!(said.out, "the balance is 12.50 now\n");
    let said = own(&at, &["accounts", "top-up", "acme", "12.50", "--reference", "inv-1"]);
    assert_eq!(said.out, "this reference counted before; the balance is still 12.50\n");
    own(&at, &["accounts", "correct", "acme", "-0.000001", "--note", "rounding"]);
    assert_eq!(json(&own(&at, &["accounts", "show", "acme", "--json"]))["balance"], 12_499_999);
    let said = own(&at, &["accounts", "ledger", "acme"]);
    assert!(said.out.contains("-0.000001") && said.out.contains("rounding"), "{said:?}");
    own(&at, &["accounts", "tier", "acme", "gold"]);
    own(&at, &["accounts", "disable", "acme"]);
    let said = own(&at, &["accounts", "list"]);
    assert!(said.out.contains("disabled  gold  12.499999"), "{said:?}");
}

#[test]
fn what_is_refused_ends_with_2_and_says_what_would_be_right() {
    let at = folder("keys-refused");
    own(&at, &["accounts", "create", "acme"]);
    for (words, told) in [
        (&["keys", "create", "--account", "nobody"][..], "there is no account `nobody`"),
        (&["keys", "create", "--account", "acme", "--expires", "soon"], "--expires: expected how long"),
        (&["keys", "revoke", "0bPELAU4eqF"], "there is no key `0bPELAU4eqF`"),
        (&["accounts", "create", "acme"], "an account is called `acme` already"),
        (&["accounts", "top-up", "acme", "1,50"], "expected an amount such as"),
        (&["accounts", "top-up", "acme", "0"], "a top-up adds something"),
    ] {
        let said = own(&at, words);
        assert!(said.status == 2 && said.err.contains(told), "{words:?} {said:?}");
        assert_eq!(said.out, "");
    }
    let said = aplomb(&at, &["keys", "list", "--store", "mysql://ada:hunter2@h/d"]);
    assert!(said.status == 2 && !said.err.contains("hunter2"), "{said:?}");
    let said = aplomb(&at, &["keys", "list"]);
    assert!(said.status == 2 && said.err.contains("APLOMB_ADMIN_TOKEN"), "{said:?}");
}

/// A gateway that is ended with the test.
struct Serving {
    child: Child,
    admin: String,
}

const TOKEN: &str = "a-token-of-the-tests";

impl Serving {
    fn start(at: &Path) -> Self {
        let file = "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite:store.db\"\n\
             [tier.free]\nrequests = \"60/min\"\n[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:9\"\n\
             [[route]]\npath = \"/\"\nupstream = \"a\"\nkeys = \"required\"\n";
        std::fs::write(at.join("a.toml"), file).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_aplomb"))
            .args(["serve", "--config", "a.toml"])
            .current_dir(at)
            .env_clear()
            .env("APLOMB_ADMIN_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.contains("health on "))).unwrap();
        let admin = line.split("health on ").nth(1).unwrap().trim().to_owned();
        // The rest is read, so that the gateway can go on writing.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, admin }
    }

    fn ask(&self, at: &Path, words: &[&str]) -> Said {
        std::fs::write(at.join("token"), format!("{TOKEN}\n")).unwrap();
        aplomb(at, &[words, &["--admin", &self.admin, "--token-file", "token"]].concat())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn a_gateway_that_runs_is_asked_over_its_admin_port() {
    let at = folder("keys-remote");
    let serving = Serving::start(&at);
    assert_eq!(json(&serving.ask(&at, &["accounts", "create", "acme", "--json"]))["name"], "acme");
    let made = json(&serving.ask(&at, &["keys", "create", "--account", "acme", "--json"]));
    assert!(made["key"].as_str().unwrap().starts_with("apl_"));
    assert_eq!(json(&serving.ask(&at, &["keys", "list", "--json"]))[0]["id"], made["id"]);
    let said = serving.ask(&at, &["accounts", "tier", "acme", "gold"]);
    assert!(said.status == 2 && said.err.contains("configured are `free`"), "{said:?}");
    let said = own(&at, &["keys", "list"]);
    assert!(said.status == 1 && said.err.contains("leave out --config and --store"), "{said:?}");
    std::fs::write(at.join("wrong"), "not-the-token-of-it").unwrap();
    let said = aplomb(&at, &["keys", "list", "--admin", &serving.admin, "--token-file", "wrong"]);
    assert!(said.status == 1 && said.err.contains("doesn't take this token"), "{said:?}");
    let said = aplomb(&at, &["keys", "list", "--admin", "http://127.0.0.1:1", "--token-file", "wrong"]);
    assert!(said.status == 1 && said.err.contains("can't be reached"), "{said:?}");
}
