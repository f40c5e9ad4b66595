//! `aplomb init`.

use crate::call::{aplomb, folder};

#[test]
fn what_init_writes_has_no_mistakes() {
    let folder = folder("init-writes");
    let said = aplomb(&folder, &["init"]);
    assert_eq!(said.status, 0, "{said:?}");
    insta::assert_snapshot!(said.out, @r#"
    aplomb.toml is written.
    Check it: aplomb check aplomb.toml
    Serve it: aplomb serve --config aplomb.toml
    "#);
    assert_eq!(aplomb(&folder, &["check", "aplomb.toml"]).status, 0);
}

#[test]
fn a_file_that_is_there_is_left_as_it_is() {
    let folder = folder("init-there");
    std::fs::write(folder.join("mine.toml"), "# mine").unwrap();
    let said = aplomb(&folder, &["init", "mine.toml"]);
    assert_eq!(said.status, 2);
    insta::assert_snapshot!(said.err, @r#"
    mine.toml is there already and was left as it is; name another file
    "#);
    assert_eq!(std::fs::read_to_string(folder.join("mine.toml")).unwrap(), "# mine");
}

#[test]
fn a_dash_is_standard_output() {
    let folder = folder("init-dash");
    let said = aplomb(&folder, &["init", "-"]);
    assert_eq!(said.status, 0);
    assert!(said.out.starts_with("# What this gateway does."));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}
