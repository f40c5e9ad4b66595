//! Leave to make a request: what was taken for it, given back or settled when it is over.

use std::sync::Arc;

use aplomb_core::Limit;
use aplomb_core::dialect::Usage;
use aplomb_core::lane::Cost;

use super::{Ask, Counts, Subject, Together};
use crate::config::Tier;
use crate::id::RequestId;

/// What was taken for a request. Dropped, its place among those under way is free again.
pub(crate) struct Admission {
    place: Place,
    taken: Option<Taken>,
    /// How the limits stood when it was given, the one with the least left first.
    pub(crate) limits: Vec<Limit>,
}

/// Where it was counted.
pub(crate) enum Place {
    /// In this process.
    Here(Arc<Counts>),
    /// Together with other gateways.
    There(Together, RequestId),
}

/// From whom, and how much.
pub(crate) struct Taken {
    /// From whom.
    pub(crate) subjects: Vec<Subject>,
    /// By which limits.
    pub(crate) tier: Arc<Tier>,
    /// How much was asked for.
    pub(crate) asked: Cost,
}

impl Admission {
    pub(crate) fn new(place: Place, taken: Taken, limits: Vec<Limit>) -> Self {
        Self { place, taken: Some(taken), limits }
    }

    /// The tier that it was given by.
    pub(crate) fn tier(&self) -> Option<&Tier> {
        self.taken.as_ref().map(|taken| &*taken.tier)
    }

    /// The request is over: it took so many tokens.
    pub(crate) fn settle(&mut self, usage: Usage) {
        let Some(asked) = self.taken.as_ref().map(|taken| taken.asked) else { return };
        self.over(match usage {
            Usage { input: None, output: None, total } => {
                Cost { input: total.unwrap_or_default(), output: 0 }
            }
            Usage { input, output, .. } => {
                Cost { input: input.unwrap_or(asked.input), output: output.unwrap_or_default() }
            }
        });
    }

    /// The request is over, and nothing was asked of an upstream: its tokens are given back, the request counts.
    pub(crate) fn unused(&mut self) {
        self.over(Cost::default());
    }

    fn over(&mut self, took: Cost) {
        let Some(Taken { subjects, tier, asked }) = self.taken.take() else { return };
        match &self.place {
            Place::Here(counts) => {
                counts.settle(Ask { subjects: &subjects, tier: &tier, cost: asked }, took);
                counts.end(&subjects);
            }
            Place::There(together, id) => {
                let (together, id) = (together.clone(), id.clone());
                // Nobody waits for it, and it outlives the request.
                tokio::task::spawn_local(async move {
                    together.settle(Ask { subjects: &subjects, tier: &tier, cost: asked }, took, &id).await;
                });
            }
        }
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What was asked for stands: nobody knows better.
impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(asked) = self.taken.as_ref().map(|taken| taken.asked) {
            self.over(asked);
        }
    }
}
