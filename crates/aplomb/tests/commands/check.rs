//! `aplomb check`.

use std::path::PathBuf;

use crate::call::{Said, aplomb, folder, with_variables};

fn with(test: &str, text: &str) -> PathBuf {
    let folder = folder(test);
    std::fs::write(folder.join("a.toml"), text).expect("a test may write below its folder");
    folder
}

fn check(test: &str, text: &str, args: &[&str]) -> Said {
    aplomb(&with(test, text), &[&["check", "a.toml"], args].concat())
}

const WRONG: &str = r#"[[upstream]]
name = "groq"
dialect = "groqq"
credential = { env = "NOT_SET" }

[[route]]
path = "/groq"
upstream = "groq"
retry = { attemps = 3 }
"#;

#[test]
fn a_right_file_is_told_as_what_it_would_serve() {
    let right = r#"
        [[upstream]]
        name = "openai"
        dialect = "openai"
        [[upstream]]
        name = "local"
        url = "http://127.0.0.1:11434"
        credential = "none"
        [[route]]
        path = "/chat"
        upstream = "openai"
        fallback = ["local"]
        [[route]]
        path = "/local"
        upstream = "local"
    "#;
    let said = check("check-right", right, &[]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @r#"
    a.toml: no mistakes
      /local asks local (http://127.0.0.1:11434); failures in the upstream's own words
      /chat asks openai (https://api.openai.com/v1), then local (http://127.0.0.1:11434); failures in the words of openai
    "#);
}

#[test]
fn every_example_is_right() {
    let examples = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples"));
    let folders = std::fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path());
    let mut count = 0;
    for folder in folders.filter(|path| path.join("aplomb.toml").exists()) {
        let said = with_variables(&folder, &["check", "aplomb.toml"], &[("FALLBACK_API_KEY", "any")]);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{}", folder.display());
        count += 1;
    }
    assert!(count >= 2);
}

#[test]
fn every_mistake_is_a_line_with_its_place() {
    let said = check("check-wrong", WRONG, &[]);
    assert_eq!((said.status, said.out.as_str()), (2, ""));
    insta::assert_snapshot!(said.err, @r#"
    a.toml:3:11: [[upstream]] dialect: no dialect is called `groqq`; did you mean `groq`?
    a.toml:4:22: [[upstream]] credential.env: the environment variable `NOT_SET` is not set
    a.toml:9:11: [[route]] retry.attemps: unknown key; did you mean `attempts`?
    "#);
}

#[test]
fn json_is_a_list_of_mistakes() {
    let said = check("check-json", WRONG, &["--json"]);
    assert_eq!((said.status, said.err.as_str()), (2, ""));
    insta::assert_snapshot!(said.out, @r#"
    [
      {
        "file": "a.toml",
        "line": 3,
        "column": 11,
        "key": "[[upstream]] dialect",
        "message": "no dialect is called `groqq`; did you mean `groq`?"
      },
      {
        "file": "a.toml",
        "line": 4,
        "column": 22,
        "key": "[[upstream]] credential.env",
        "message": "the environment variable `NOT_SET` is not set"
      },
      {
        "file": "a.toml",
        "line": 9,
        "column": 11,
        "key": "[[route]] retry.attemps",
        "message": "unknown key; did you mean `attempts`?"
      }
    ]
    "#);
}

#[test]
fn a_file_that_is_not_there_is_a_mistake_too() {
    let said = aplomb(&folder("check-absent"), &["check", "absent.toml"]);
    assert_eq!(said.status, 2);
    insta::assert_snapshot!(said.err, @r#"
    absent.toml: can't be read: No such file or directory (os error 2)
    "#);
}

#[test]
fn a_file_that_is_no_text_is_no_configuration() {
    let folder = folder("check-bytes");
    std::fs::write(folder.join("a.toml"), b"a = \"\xff\"").unwrap();
    let said = aplomb(&folder, &["check", "a.toml", "--json"]);
    assert_eq!(said.status, 2);
    insta::assert_snapshot!(said.out, @r#"
    [
      {
        "file": "a.toml",
        "line": null,
        "column": null,
        "key": "",
        "message": "is not UTF-8 text from byte 5 on"
      }
    ]
    "#);
}

#[test]
#[cfg(unix)]
fn a_file_without_end_is_not_read_to_its_end() {
    let said = aplomb(&folder("check-endless"), &["check", "/dev/zero"]);
    assert_eq!(said.status, 2);
    insta::assert_snapshot!(said.err, @"/dev/zero: has more than 4MiB; that is no configuration");
}

#[test]
fn a_dialect_of_the_users_own_is_known() {
    let folder = with(
        "check-own-dialect",
        "[[upstream]]\nname = \"own\"\nurl = \"http://127.0.0.1:1\"\ndialect = \"own\"\n\
         [[route]]\npath = \"/\"\nupstream = \"own\"\n",
    );
    let dialects = folder.join("dialects");
    std::fs::create_dir(&dialects).unwrap();
    let openai = include_str!("../../../aplomb-core/spec/dialects/openai.toml");
    std::fs::write(dialects.join("own.toml"), openai).unwrap();
    std::fs::write(dialects.join("notes.txt"), "not a dialect").unwrap();
    assert_eq!(aplomb(&folder, &["check", "a.toml"]).status, 2);
    assert_eq!(aplomb(&folder, &["check", "a.toml", "--dialects", "dialects"]).status, 0);
    std::fs::write(dialects.join("broken.toml"), "title = 1").unwrap();
    let said = aplomb(&folder, &["check", "a.toml", "--dialects", "dialects"]);
    assert_eq!(said.status, 2);
    assert!(said.err.starts_with("dialects/broken.toml: "), "{}", said.err);
}

#[test]
fn help_has_examples() {
    let said = aplomb(&folder("check-help"), &["check", "--help"]);
    assert_eq!(said.status, 0);
    insta::assert_snapshot!(said.out, @r#"
    Tell every mistake in a configuration

    Each with its place and what would be right. Environment variables and files that the configuration
    names are looked at, nothing is connected to.

    Usage: aplomb check [OPTIONS] <FILE>

    Arguments:
      <FILE>
              The configuration

    Options:
          --json
              Print a list of {file, line, column, key, message}

          --dialects <DIR>
              A folder of dialects of your own, over the bundled ones

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      aplomb check aplomb.toml
      aplomb check aplomb.toml --json | jq -r '.[].message'

    Exit status: 0 no mistakes, 2 mistakes.
    "#);
}
