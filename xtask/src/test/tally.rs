//! Reading a runner's closing line: how many passed, how many did not.

use std::fmt;
use std::ops::AddAssign;
use std::sync::LazyLock;

use regex::Regex;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Ended well.
    pub(super) passed: u64,
    /// Ended badly, timed out, or could not even start.
    pub(super) failed: u64,
}

/// The closing lines of nextest, `cargo test` and pytest.
static CLOSING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:Summary \[.*\] \d+(?:/\d+)? tests? run:|test result: |=*\s*\d+ (?:passed|failed|error|skipped|deselected|no tests))")
        .expect("a valid expression")
});
static COUNT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(\d+) (passed|failed|timed out|exec failed|errors?)\b").expect("a valid expression")
});
static COLOUR: LazyLock<Regex> = LazyLock::new(|| Regex::new("\x1b\\[[0-9;]*m").expect("a valid expression"));

impl Tally {
    /// What this line says, if it is a closing line.
    pub(super) fn of(line: &str) -> Option<Self> {
        let line = COLOUR.replace_all(line, "");
        let line = line.trim();
        if !CLOSING.is_match(line) {
            return None;
        }
        let mut tally = Self::default();
        for found in COUNT.captures_iter(line) {
            let count = found[1].parse().unwrap_or(0);
            match &found[2] {
                "passed" => tally.passed += count,
                _ => tally.failed += count,
            }
        }
        Some(tally)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (u64, u64) {
        let tally = Tally::of(line).unwrap_or_else(|| panic!("not read as a closing line: {line}"));
        (tally.passed, tally.failed)
    }

    #[test]
    fn every_runner_s_closing_line_is_understood() {
        assert_eq!(read("     Summary [   0.006s] 17 tests run: 17 passed, 0 skipped"), (17, 0));
        assert_eq!(
            read("Summary [ 9s] 9/12 tests run: 6 passed (1 slow), 2 failed, 1 timed out, 3 skipped"),
            (6, 3)
        );
        assert_eq!(read("Summary [ 0.1s] 1 test run: 1 passed, 0 skipped"), (1, 0));
        assert_eq!(
            read("test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out"),
            (3, 1)
        );
        assert_eq!(read("======= 1 failed, 3 passed, 2 errors in 0.12s ======="), (3, 3));
        assert_eq!(read("240 passed, 3 warnings in 35.10s (0:00:35)"), (240, 0));
        assert_eq!(read("\u{1b}[32m\u{1b}[1m4 passed\u{1b}[0m\u{1b}[32m in 0.01s\u{1b}[0m"), (4, 0));
    }

    #[test]
    fn a_line_that_only_speaks_of_tests_is_no_closing_line() {
        for line in
            ["running 3 tests", "the job says 3 passed", "PASS [ 0.1s] aplomb-core::waits", "test a ... ok"]
        {
            assert_eq!(Tally::of(line), None, "{line}");
        }
    }

    #[test]
    fn totals_are_one_plain_line() {
        let mut total = Tally { passed: 3, failed: 1 };
        total += Tally { passed: 2, failed: 0 };
        assert_eq!(total.to_string(), "5 passed, 1 failed");
    }
}
