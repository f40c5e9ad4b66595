//! A permit: one call under way in its lane, given back when it is over, whatever happens to it.

use std::cell::Cell as Flag;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aplomb_core::dialect::Usage;
use aplomb_core::lane::{Cost, Heard, Pass};
use aplomb_core::{Failure, Limit};

use super::cell::Cell;

/// Bytes that make up a token, about: enough for a reservation, or where an answer doesn't say what it took.
pub(crate) const BYTES_PER_TOKEN: u64 = 4;

/// Leave to send one request. Dropped without a word it counts as given up by its caller.
#[derive(Debug)]
pub(crate) struct Permit {
    cell: Arc<Cell>,
    pass: Pass,
    /// How long it was waited for.
    waited: Duration,
    actual: Option<Cost>,
    /// What the answer's head told of limits.
    limits: Vec<Limit>,
    /// Whether it came, for who watches.
    begun: Option<Rc<Flag<bool>>>,
}

impl Permit {
    /// In a box, because it goes through many hands.
    pub(super) fn new(cell: Arc<Cell>, pass: Pass, waited: Duration) -> Box<Self> {
        Box::new(Self { cell, pass, waited, actual: None, limits: Vec::new(), begun: None })
    }

    /// Its lane.
    pub(crate) fn cell(&self) -> &Arc<Cell> {
        &self.cell
    }

    /// How long it was waited for.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// Its place in the order of arrival, for when it comes back.
    pub(crate) fn number(&self) -> u64 {
        self.pass.number
    }

    /// The answer's head came, and told of these limits.
    pub(crate) fn head(&mut self, limits: Vec<Limit>) {
        self.pass.first_byte = Some(self.cell.now());
        self.limits = limits;
        if let Some(begun) = &self.begun {
            begun.set(true);
        }
    }

    /// Whether the answer's head came, told while the call is under way.
    pub(crate) fn watch(&mut self) -> Rc<Flag<bool>> {
        Rc::clone(self.begun.get_or_insert_default())
    }

    /// It is a retry that the budgets paid for.
    pub(crate) fn retried(&mut self, throttled: bool) {
        self.pass.retried(throttled);
    }

    /// What came of it, and the failure if it is one.
    pub(crate) fn hear(&mut self, heard: Heard, failure: Option<&Failure>, random: f64) {
        self.cell.hear(&mut self.pass, heard, &self.limits, failure, random);
    }

    /// Whether it was refused by chance, as it seems: then its lane holds nobody back.
    pub(crate) fn is_by_chance(&self) -> bool {
        self.pass.by_chance
    }

    /// Whether tokens are what its quota counts.
    pub(crate) fn counts_tokens(&self) -> bool {
        self.cell.counts_tokens()
    }

    /// Its answer is over: what it took stands in place of what was reserved.
    ///
    /// Without a usage it is settled by the bytes that were delivered.
    pub(crate) fn settle(mut self: Box<Self>, usage: Option<Usage>, delivered: u64) {
        if !self.counts_tokens() {
            return;
        }
        let input = self.pass.cost.input;
        self.actual = Some(match usage {
            Some(Usage { input: None, output: None, total }) => {
                Cost { input: total.unwrap_or(input), output: 0 }
            }
            Some(usage) => {
                Cost { input: usage.input.unwrap_or(input), output: usage.output.unwrap_or_default() }
            }
            None => Cost { input, output: delivered.div_ceil(BYTES_PER_TOKEN) },
        });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.cell.end(&self.pass, self.actual);
    }
}
