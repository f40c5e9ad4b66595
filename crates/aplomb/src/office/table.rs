//! Tables and lists of facts for a terminal, in which nothing that was stored can command it.

use serde_json::Value;

/// Rows under their names; a column is as wide as its widest.
pub(crate) fn table<const N: usize>(names: [&str; N], rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|at| {
        rows.iter().map(|row| row[at].chars().count()).chain([names[at].len()]).max().unwrap_or(0)
    });
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    let mut out = line(names);
    for row in rows {
        out.push_str(&line(std::array::from_fn(|at| row[at].as_str())));
    }
    out
}

/// Names and values, one to a line; what isn't there is left out.
pub(crate) fn facts(facts: &[(&str, Option<String>)]) -> String {
    let there = || facts.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let width = there().map(|(name, _)| name.len()).max().unwrap_or(0);
    there().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect()
}

/// A member of an answer as text; `null` and what isn't there are none.
pub(crate) fn text(answer: &Value, name: &str) -> Option<String> {
    match answer.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(tame(text)),
        other => Some(tame(&other.to_string())),
    }
}

/// What could command a terminal is shown as what it is not.
fn tame(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["a".to_owned(), "long".to_owned()], ["bbb".to_owned(), String::new()]];
        assert_eq!(table(["id", "x"], &rows), "id   x\na    long\nbbb\n");
        assert_eq!(
            facts(&[("id", Some("1".to_owned())), ("tier", None), ("name", Some("n".to_owned()))]),
            "id    1\nname  n\n"
        );
    }

    #[test]
    fn what_was_stored_commands_no_terminal() {
        assert_eq!(text(&json!({"note": "a\u{1b}[2Jb"}), "note").as_deref(), Some("a\u{fffd}[2Jb"));
        assert_eq!(
            (text(&json!({"n": 7}), "n"), text(&json!({"n": null}), "n")),
            (Some("7".to_owned()), None)
        );
    }
}
