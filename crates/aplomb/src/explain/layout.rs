//! Laying out text for a terminal: labels in a column, words wrapped, nothing that could command the terminal.

use anstyle::{AnsiColor, Style};

/// The widest a line gets: long lines are hard to read.
const WIDEST: usize = 80;
/// Where the text beside a label begins.
const COLUMN: usize = 16;

/// The style of labels.
pub(super) const LABEL: Style = AnsiColor::Cyan.on_default();
/// The style of the headline.
pub(super) const HEADLINE: Style = Style::new().bold();

/// The width to lay out for: the terminal's as the shell tells it, within reason.
pub(super) fn terminal_width() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    told.map_or(WIDEST, |columns: usize| columns.clamp(40, WIDEST))
}

/// A label and its text beside it, as many lines as it needs.
pub(super) fn row(label: &str, text: &str, width: usize) -> String {
    let lines = wrapped(text, width.saturating_sub(COLUMN));
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        let label = if i == 0 { label } else { "" };
        let styled = if label.is_empty() { String::new() } else { format!("{LABEL}{label}{LABEL:#}") };
        let gap = " ".repeat(COLUMN.saturating_sub(label.chars().count()));
        out.push_str(format!("{styled}{gap}{line}").trim_end());
        out.push('\n');
    }
    out
}

/// Text between margins of two spaces.
pub(super) fn paragraph(text: &str, width: usize) -> String {
    wrapped(text, width.saturating_sub(4))
        .iter()
        .map(|line| format!("  {line}").trim_end().to_owned() + "\n")
        .collect()
}

/// Lines no longer than `width`, except for words that are.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut current = String::new();
        for word in line.split_whitespace() {
            let length = current.chars().count();
            if length > 0 && length + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut current));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        lines.push(current);
    }
    lines
}

/// Text from outside, made harmless for a terminal and no longer than a page.
pub(super) fn tame(text: &str) -> String {
    const LONGEST: usize = 2_000;
    let mut tame: String = text
        .chars()
        .take(LONGEST)
        .map(|c| if c == '\n' || !(c.is_control() || is_reordering(c)) { c } else { ' ' })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        tame.push('…');
    }
    tame
}

/// Characters that change the order in which others are shown.
fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_longer_ones_stand_alone() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a https://a.very.long/address b", 8), ["a", "https://a.very.long/address", "b"]);
        assert_eq!(wrapped("one\n\ntwo", 80), ["one", "", "two"]);
    }

    #[test]
    fn nothing_from_outside_commands_the_terminal() {
        assert_eq!(tame("a\u{1b}[31mb\u{202e}c\nd"), "a [31mb c\nd");
        assert_eq!(tame(&"x".repeat(5_000)).chars().count(), 2_001);
    }
}
