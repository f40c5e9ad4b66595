//! Tiers, as the configuration has them: they are changed there.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::desk::OfficeAnswer;
use super::trouble::Trouble;
use crate::config::{Allowance, Tier};

/// A tier.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TierShown {
    /// Its name.
    name: String,
    /// Requests, such as `60/min burst 10`.
    requests: Vec<String>,
    /// Tokens, in and out together.
    tokens: Vec<String>,
    /// Tokens of requests.
    input_tokens: Vec<String>,
    /// Tokens of answers.
    output_tokens: Vec<String>,
    /// Requests under way at once.
    concurrency: Option<u32>,
    /// Requests in a day, from midnight to midnight UTC.
    daily: Option<u64>,
}

/// All tiers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TierList {
    /// In the order of the file.
    data: Vec<TierShown>,
}

impl From<&Arc<Tier>> for TierShown {
    fn from(tier: &Arc<Tier>) -> Self {
        let written = |list: &[Allowance]| list.iter().map(ToString::to_string).collect();
        Self {
            name: tier.name.clone(),
            requests: written(&tier.requests),
            tokens: written(&tier.tokens),
            input_tokens: written(&tier.input_tokens),
            output_tokens: written(&tier.output_tokens),
            concurrency: tier.concurrency,
            daily: tier.daily,
        }
    }
}

/// List tiers, as configured
#[utoipa::path(get, path = "/tiers", operation_id = "list_tiers", tag = "tiers", responses((status = 200, description = "All tiers", body = TierList)))]
pub(super) fn list(tiers: &[Arc<Tier>]) -> Result<OfficeAnswer, Trouble> {
    OfficeAnswer::json(200, &TierList { data: tiers.iter().map(Into::into).collect() })
}
