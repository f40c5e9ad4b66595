//! What the numbers should be, and whether they are.

use super::row::{Row, Through};

/// Something that every way through Aplomb should reach.
pub(super) struct Goal {
    /// As the report says it.
    pub(super) text: &'static str,
    /// The number that counts, from one row beside all rows of its job; `NaN` where the goal says nothing.
    pub(super) value: fn(&Row, &[Row]) -> f64,
    /// Where it should lie.
    pub(super) bound: Bound,
}

/// Where a number should lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    /// At this or below.
    AtMost(f64),
    /// At this or above.
    AtLeast(f64),
}

impl Goal {
    /// Every caller got every answer.
    pub(super) fn lost_nothing() -> Self {
        Self {
            text: "nothing lost",
            value: |row, _| row.number("lost") + non_negative(row, "flood_lost"),
            bound: Bound::AtMost(0.0),
        }
    }

    /// A line of the table of goals for each row that it is about.
    pub(super) fn lines(&self, job: &str, rows: &[Row]) -> Vec<String> {
        let ours = rows.iter().filter(|row| row.way.through == Through::Aplomb);
        let measured = ours.map(|row| (row, (self.value)(row, rows)));
        let about = measured.filter(|(_, value)| !value.is_nan());
        about
            .map(|(row, value)| {
                let judged = if self.reached(value) { "reached" } else { "**missed**" };
                format!("| {job} | {} | {} | {} | {judged} |", row.way.name(), self.text, shown(value))
            })
            .collect()
    }

    fn reached(&self, value: f64) -> bool {
        match self.bound {
            Bound::AtMost(most) => value <= most,
            Bound::AtLeast(least) => value >= least,
        }
    }
}

/// Whole numbers as such, others with three digits: goals differ in the second.
fn shown(value: f64) -> String {
    if value.is_infinite() {
        return "never".to_owned();
    }
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

fn non_negative(row: &Row, name: &str) -> f64 {
    let value = row.number(name);
    if value.is_nan() { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::row::Way;
    use super::*;

    fn row(through: Through, numbers: serde_json::Value) -> Row {
        Row { way: Way::new(through, 2), numbers: numbers.as_object().unwrap().clone() }
    }

    #[test]
    fn a_goal_is_about_aplomb_and_says_reached_or_missed() {
        let rows = [
            row(Through::Nothing, json!({ "lost": 714 })),
            row(Through::Aplomb, json!({ "lost": 0 })),
            row(Through::Aplomb, json!({ "lost": 3, "flood_lost": 1 })),
        ];
        assert_eq!(
            Goal::lost_nothing().lines("hints", &rows),
            [
                "| hints | Aplomb | nothing lost | 0 | reached |",
                "| hints | Aplomb | nothing lost | 4 | **missed** |",
            ]
        );
    }

    #[test]
    fn a_number_that_is_not_there_is_not_judged() {
        let speed = Goal { text: "fast", value: |row, _| row.number("speed"), bound: Bound::AtLeast(0.98) };
        assert!(speed.lines("hints", &[row(Through::Aplomb, json!({}))]).is_empty());
        let lines = speed.lines("hints", &[row(Through::Aplomb, json!({ "speed": 0.981 }))]);
        assert_eq!(lines, ["| hints | Aplomb | fast | 0.981 | reached |"]);
    }
}
