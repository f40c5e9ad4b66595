//! `aplomb serve`: what it says when it starts, and how it ends.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::call::folder;

/// What `serve` says in this environment until it serves, and after it is told to stop.
fn start(folder: &Path, env: &[(&str, &str)], more: &[&str]) -> String {
    let args =
        ["serve", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_aplomb"))
        .args(args)
        .args(more)
        .current_dir(folder)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    let mut stderr = child.stderr.take().unwrap();
    let mut byte = [0];
    // A route's line is the last of the banner; what can't start ends by itself.
    while !String::from_utf8_lossy(&said).contains("base URL ") && stderr.read(&mut byte).unwrap() == 1 {
        said.push(byte[0]);
    }
    let _ended_already = Command::new("kill").arg(child.id().to_string()).stderr(Stdio::null()).status();
    stderr.read_to_end(&mut said).unwrap();
    child.wait().unwrap();
    String::from_utf8(said).unwrap()
}

/// The token that was printed.
fn printed(said: &str) -> Option<&str> {
    let at = said.find("admin token: aplomb_admin_")?;
    said[at..].split_whitespace().nth(2)
}

#[test]
fn the_admin_token_is_printed_at_the_first_start_only() {
    let at = folder("serve-token");
    let state = at.join("state").display().to_string();
    let env = [("APLOMB_STATE", state.as_str())];
    let said = start(&at, &env, &[]);
    let token = printed(&said).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(token.len(), 77);
    assert!(said.contains("stopped"), "{said}");
    let kept = fs::read_to_string(at.join("state/admin-token")).unwrap();
    assert!(kept.starts_with("sha256:") && !kept.contains(&token[13..]), "{kept}");
    let again = start(&at, &env, &[]);
    assert!(printed(&again).is_none() && again.contains("--new-admin-token"), "{again}");
    let anew = start(&at, &env, &["--new-admin-token"]);
    assert_ne!(printed(&anew).unwrap(), token);
    assert_ne!(fs::read_to_string(at.join("state/admin-token")).unwrap(), kept);
}

#[test]
fn a_token_in_the_environment_is_neither_kept_nor_printed() {
    let at = folder("serve-token-env");
    let state = at.join("state").display().to_string();
    let named = |token| [("APLOMB_STATE", state.as_str()), ("APLOMB_ADMIN_TOKEN", token)];
    let said = start(&at, &named("a-token-of-my-own"), &[]);
    assert!(said.contains("APLOMB_ADMIN_TOKEN") && !said.contains("a-token-of-my-own"), "{said}");
    for (token, more) in [("short", &[][..]), ("", &[]), ("a-token-of-my-own", &["--new-admin-token"])] {
        let said = start(&at, &named(token), more);
        assert!(said.starts_with("aplomb: APLOMB_ADMIN_TOKEN") && !said.contains("serves"), "{said}");
    }
    assert!(!at.join("state").exists());
}

#[test]
fn where_nothing_can_be_kept_the_token_is_for_one_run() {
    let at = folder("serve-token-nowhere");
    fs::write(at.join("file"), "").unwrap();
    let file = at.join("file").display().to_string();
    for env in [&[][..], &[("APLOMB_STATE", file.as_str())], &[("HOME", file.as_str())]] {
        let said = start(&at, env, &[]);
        assert!(printed(&said).is_some() && said.contains("this run only"), "{said}");
        assert!(said.contains("serves"), "{said}");
        let said = start(&at, env, &["--new-admin-token"]);
        assert!(said.contains("no new token can be kept") && !said.contains("serves"), "{said}");
    }
}

#[test]
fn a_token_that_was_made_is_told_even_if_the_gateway_then_cannot_start() {
    let at = folder("serve-token-busy");
    let state = at.join("state").display().to_string();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let file = format!(
        "[server]\nlisten = \"{}\"\nadmin = \"127.0.0.1:0\"\n[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:9\"\n\
         [[route]]\npath = \"/\"\nupstream = \"a\"\n",
        busy.local_addr().unwrap()
    );
    fs::write(at.join("busy.toml"), file).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_aplomb"))
        .args(["serve", "--config", "busy.toml"])
        .current_dir(&at)
        .env_clear()
        .env("APLOMB_STATE", &state)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(printed(&said).is_some() && said.contains("can't be listened on"), "{said}");
}
