//! Leave to make a request: what was taken for it, given back or settled when it is over.

use std::sync::Arc;

use aplomb_core::Limit;
use aplomb_core::dialect::Usage;
use aplomb_core::lane::Cost;

use super::{Ask, Counts, Subject};
use crate::config::Tier;

/// What was taken for a request. Dropped, its place among those under way is free again.
#[derive(Debug)]
pub(crate) struct Admission {
    counts: Arc<Counts>,
    subjects: Vec<Subject>,
    tier: Arc<Tier>,
    asked: Cost,
    /// How the limits stood when it was given, the one with the least left first.
    pub(crate) limits: Vec<Limit>,
}

impl Admission {
    pub(crate) fn new(
        counts: Arc<Counts>,
        subjects: Vec<Subject>,
        tier: Arc<Tier>,
        asked: Cost,
        limits: Vec<Limit>,
    ) -> Self {
        Self { counts, subjects, tier, asked, limits }
    }

    /// The tier that it was given by.
    pub(crate) fn tier(&self) -> &Tier {
        &self.tier
    }

    /// The request took so many tokens.
    pub(crate) fn settle(&self, usage: Usage) {
        if !self.tier.counts_tokens() {
            return;
        }
        let took = match usage {
            Usage { input: None, output: None, total } => {
                Cost { input: total.unwrap_or_default(), output: 0 }
            }
            Usage { input, output, .. } => {
                Cost { input: input.unwrap_or(self.asked.input), output: output.unwrap_or_default() }
            }
        };
        self.counts.settle(Ask { subjects: &self.subjects, tier: &self.tier, cost: self.asked }, took);
    }

    /// Nothing was asked of an upstream: its tokens are given back, the request itself counts.
    pub(crate) fn unused(&self) {
        if self.tier.counts_tokens() {
            let ask = Ask { subjects: &self.subjects, tier: &self.tier, cost: self.asked };
            self.counts.settle(ask, Cost::default());
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.counts.end(&self.subjects);
    }
}
