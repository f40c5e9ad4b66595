//! Holds `docs/guide/` against what is read: every key in `configuration.md`, every default, every example on every page.

use crate::config::given::{KEYS, PLAIN, read};

const GUIDE: &str = include_str!("../../../../docs/guide/configuration.md");

/// Written in parts or as a whole; the guide tells of the parts.
const WHOLE: [&str; 5] =
    ["[[upstream]] timeouts", "[[upstream]] limits", "[[route]] retry", "[[route]] queue", "[[route]] jwt"];

/// A row of the guide's tables.
struct Row {
    table: String,
    key: String,
    default: String,
}

fn rows() -> Vec<Row> {
    let mut table = String::new();
    let mut rows = Vec::new();
    for line in GUIDE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            table = heading.trim_matches('`').to_owned();
        }
        if let Some((key, rest)) = line.strip_prefix("| `").and_then(|line| line.split_once("` | ")) {
            let (default, _) = rest.split_once(" | ").expect("a row has three cells");
            let default = default.trim_matches('`').to_owned();
            rows.push(Row { table: table.clone(), key: key.to_owned(), default });
        }
    }
    rows
}

/// The plain configuration with one more line in that table.
fn plain_with(table: &str, line: &str) -> String {
    match PLAIN.split_once(table) {
        Some((before, after)) => format!("{before}{table}\n{line}\n{after}"),
        None => format!("{PLAIN}\n{table}\n{line}\n"),
    }
}

#[test]
fn every_default_in_the_guide_is_the_default() {
    let plain = read(PLAIN).unwrap();
    let told: Vec<_> =
        rows().into_iter().filter(|row| !["absent", "required"].contains(&&*row.default)).collect();
    assert!(told.len() > 20, "the tables were not found");
    for Row { table, key, default } in told {
        // The plain upstream names its dialect; the default is tested where none is named.
        if key == "dialect" {
            continue;
        }
        let read = read(&plain_with(&table, &format!("{key} = {default}")));
        assert_eq!(read.as_ref(), Ok(&plain), "{table} {key} = {default}");
    }
}

#[test]
fn the_guide_has_every_key_and_no_other() {
    let rows = rows();
    let mut told: Vec<_> = rows.iter().map(|row| format!("{} {}", row.table, row.key)).collect();
    let mut known: Vec<_> =
        KEYS.iter().flat_map(|(table, keys)| keys.iter().map(move |key| format!("{table} {key}"))).collect();
    known.retain(|key| !WHOLE.contains(&key.as_str()));
    told.sort();
    known.sort();
    // A name, or a table in a list: the key is known in both forms.
    known.dedup();
    assert_eq!(told, known);
}

/// An example as a whole file: most say only what they are about.
fn whole(example: &str) -> String {
    let value = |name: &str| {
        let line = example.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
        line.map(|line| line.trim_end_matches('"'))
    };
    let mut before = String::new();
    if !example.contains("[[upstream]]") {
        let name = value("upstream").unwrap_or("api");
        before += &format!("[[upstream]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:8000\"\n");
    }
    let route = format!("[[route]]\npath = \"/\"\nupstream = \"{}\"\n", value("name").unwrap_or("api"));
    match (example.contains("[[route]]"), example.starts_with('[')) {
        (true, _) => before + example,
        (false, true) => format!("{example}{before}{route}"),
        // Lines of a route.
        (false, false) => format!("{before}{route}{example}"),
    }
}

#[test]
fn every_example_on_every_page_works() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide");
    let mut examples = 0;
    for page in std::fs::read_dir(folder).unwrap() {
        let page = page.unwrap().path();
        let text = std::fs::read_to_string(&page).unwrap();
        for part in text.split("```toml\n").skip(1) {
            let (example, _) = part.split_once("```").expect("every block ends");
            let config = read(&whole(example));
            assert!(config.is_ok(), "{}: {example}\n{config:?}", page.display());
            examples += 1;
        }
    }
    assert!(examples >= 15, "{examples}");
}
