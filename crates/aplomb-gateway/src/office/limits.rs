//! The limits of callers as they stand, read only: they are changed in the configuration.

use std::sync::Arc;

use aplomb_core::Limit;
use futures_util::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::Asked;
use super::desk::{OfficeAnswer, PAGE, check_tier};
use super::trouble::Trouble;
use crate::config::Tier;
use crate::limits::{Counts, Down, Together};

/// How one limit stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitShown {
    /// What is counted: `requests`, `tokens`, `input_tokens`, `output_tokens` or `concurrency`.
    unit: String,
    /// In how many seconds; `null` for what is under way at once.
    window_s: Option<f64>,
    /// How much there is of it.
    limit: Option<u64>,
    /// How much of that is left.
    remaining: Option<u64>,
    /// In how many seconds it is whole again.
    reset_s: Option<f64>,
}

/// Somebody whose use is counted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubjectShown {
    /// By which tier.
    tier: String,
    /// Who: `key:ID`, `account:ID`, `address:IP`, `route:PATH`, or a foreign credential by its hash, `credential:HASH`.
    #[schema(example = "account:acc_0193d6f0a1b27c3d8e4f5a6b7c8d9e0f")]
    subject: String,
    /// Its limits, the one with the least left first.
    limits: Vec<LimitShown>,
}

/// A page of those whose use is counted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitPage {
    /// `together`: for all gateways. `here`: by this one, as no others are configured or the server can't be reached.
    counted: &'static str,
    /// Whoever used something that hasn't come back yet.
    data: Vec<SubjectShown>,
    /// What to give as `after` for the next page; `null`: this is the last.
    next: Option<String>,
}

impl From<&Limit> for LimitShown {
    fn from(limit: &Limit) -> Self {
        Self {
            unit: limit.unit.clone(),
            window_s: limit.window.map(|window| window.as_secs_f64()),
            limit: limit.limit,
            remaining: limit.remaining,
            reset_s: limit.reset.map(|reset| reset.as_secs_f64()),
        }
    }
}

/// Where callers' limits are counted, and by which tiers.
#[derive(Clone, Copy)]
pub(crate) struct Counted<'a> {
    /// In this process.
    pub(crate) here: &'a Counts,
    /// With other gateways, if there are any.
    pub(crate) together: Option<&'a Together>,
    /// As configured.
    pub(crate) tiers: &'a [Arc<Tier>],
}

/// Which of them are asked about.
struct Wish {
    tier: Option<String>,
    subject: Option<String>,
    after: Option<String>,
}

impl<'t> Counted<'t> {
    /// Answers a question about limits.
    pub(crate) async fn answer(&self, asked: &Asked<'_>) -> OfficeAnswer {
        list(self, asked).await.unwrap_or_else(|trouble| trouble.answer())
    }

    /// The tier and the subject that a name is made of, if they are wanted.
    fn read<'n>(&self, name: &'n str, wish: &Wish) -> Option<(&'t Arc<Tier>, &'n str)> {
        // Of two tiers whose names begin alike, the longer one is meant.
        let ours =
            self.tiers.iter().filter(|tier| wish.tier.as_ref().is_none_or(|wanted| *wanted == tier.name));
        let cut = |tier: &'t Arc<Tier>| Some((tier, of_tier(name, tier)?));
        let (tier, subject) = ours.filter_map(cut).max_by_key(|(tier, _)| tier.name.len())?;
        wish.subject.as_ref().is_none_or(|wanted| wanted == subject).then_some((tier, subject))
    }

    fn here(&self, wish: &Wish) -> LimitPage {
        let after = wish.after.as_deref().unwrap_or_default();
        let names = self.here.names(after, PAGE, |name| self.read(name, wish).is_some());
        let next = names.last().filter(|_| names.len() >= PAGE).cloned();
        let shown = |name: &String| {
            let (tier, subject) = self.read(name, wish)?;
            Some(SubjectShown::new(tier, subject, &self.here.limits(name, tier)))
        };
        LimitPage { counted: "here", data: names.iter().filter_map(shown).collect(), next }
    }

    async fn together(&self, server: &Together, wish: &Wish, cursor: u64) -> Result<LimitPage, Down> {
        let (names, next) = match &wish.subject {
            // Whoever is named isn't looked for among all.
            Some(subject) => (self.tiers.iter().map(|tier| format!("{}:{subject}", tier.name)).collect(), 0),
            None => server.names(cursor, PAGE).await?,
        };
        let wanted = names.iter().filter_map(|name| Some((name, self.read(name, wish)?)));
        let looks = wanted.map(|(name, (tier, subject))| async move {
            let (known, limits) = server.look(name, tier).await?;
            Ok(known.then(|| SubjectShown::new(tier, subject, &limits)))
        });
        let told: Result<Vec<_>, Down> = join_all(looks).await.into_iter().collect();
        let next = (next > 0).then(|| next.to_string());
        Ok(LimitPage { counted: "together", data: told?.into_iter().flatten().collect(), next })
    }
}

impl SubjectShown {
    fn new(tier: &Tier, subject: &str, limits: &[Limit]) -> Self {
        Self {
            tier: tier.name.clone(),
            subject: subject.to_owned(),
            limits: limits.iter().map(LimitShown::from).collect(),
        }
    }
}

fn of_tier<'n>(name: &'n str, tier: &Tier) -> Option<&'n str> {
    name.strip_prefix(tier.name.as_str())?.strip_prefix(':')
}

/// Show how callers' limits stand
#[utoipa::path(get, path = "/limits", operation_id = "list_limits", tag = "limits", params(
    ("tier" = Option<String>, Query, description = "Only those who are counted by this tier"),
    ("subject" = Option<String>, Query, description = "Only this one, such as `key:ID`"),
    ("after" = Option<String>, Query, description = "Where the page before ended: its `next`"),
), responses(
    (status = 200, description = "About a thousand of those whose use is counted", body = LimitPage),
    (status = 422, description = "A field that can't be as it is"),
))]
async fn list(counted: &Counted<'_>, asked: &Asked<'_>) -> Result<OfficeAnswer, Trouble> {
    match (asked.path.as_slice(), asked.method.as_str()) {
        ([_], "GET" | "HEAD") => {}
        ([_], _) => return Err(Trouble::method("GET, HEAD")),
        _ => return Err(Trouble::nothing("there is no such place; GET /openapi.json lists them")),
    }
    let wish =
        Wish { tier: asked.param("tier"), subject: asked.param("subject"), after: asked.param("after") };
    check_tier(counted.tiers, wish.tier.as_deref())?;
    if let Some(server) = counted.together {
        // Where the page before was counted here, its end is no cursor: the server's own are gone through from the first.
        let cursor = wish.after.as_ref().and_then(|after| after.parse().ok()).unwrap_or_default();
        if let Ok(page) = counted.together(server, &wish, cursor).await {
            return OfficeAnswer::json(200, &page);
        }
    }
    OfficeAnswer::json(200, &counted.here(&wish))
}
