//! The two halves side by side, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::half::Half;

/// How many examples of what callers were told are shown.
const EXAMPLES: usize = 6;

/// The table, and examples of what callers were told.
pub(super) fn text(calls: usize, direct: &Half, through: &Half) -> String {
    let mut out = format!("\n{calls} calls                              direct   through Aplomb\n");
    let mut row = |name: &str, left: String, right: String| {
        // Writing to a string can't fail.
        let _ = writeln!(out, "  {name:<32} {left:>8} {right:>16}");
    };
    let mut count = |name, left: usize, right: usize| row(name, left.to_string(), right.to_string());
    count("right answers", direct.right, through.right);
    count("refused by the API, told so", direct.refused, through.refused);
    count("broken off, told so", direct.broken_off, through.broken_off);
    count("given up", direct.given_up, through.given_up);
    count("wrong: garbled or cut short", direct.wrong, through.wrong);
    row("requests per right answer", ratio(direct), ratio(through));
    row("time", seconds(direct), seconds(through));
    examples(&mut out, "direct", direct);
    examples(&mut out, "through Aplomb", through);
    out
}

/// The object of `--json`.
pub(super) fn json(calls: usize, direct: &Half, through: &Half) -> Value {
    json!({"calls": calls, "direct": direct.to_json(), "through": through.to_json(), "honest": through.is_honest()})
}

fn ratio(half: &Half) -> String {
    format!("{:.2}", half.requests_per_answer())
}

fn seconds(half: &Half) -> String {
    format!("{:.1} s", half.time.as_secs_f64())
}

fn examples(out: &mut String, way: &str, half: &Half) {
    let mut told: Vec<_> = half.told.iter().collect();
    told.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let _ = writeln!(out, "\nwhat callers were told {way}:");
    for (text, count) in told.iter().take(EXAMPLES) {
        let _ = writeln!(out, "  {count:>4} × {text}");
    }
    if told.len() > EXAMPLES {
        let rest: usize = told[EXAMPLES..].iter().map(|(_, count)| **count).sum();
        let _ = writeln!(out, "  {rest:>4} × something else");
    }
    if told.is_empty() {
        out.push_str("  nothing but right answers\n");
    }
}
