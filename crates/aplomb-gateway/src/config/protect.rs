//! What stands before an API: who may call it, how much, with what, and at which price.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use crate::config::Tier;
use crate::validate::Rules;

/// What a route asks of its callers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protect {
    /// Whether callers need keys of ours.
    pub keys: Keys,
    /// Whose signed tokens are taken as well as keys.
    pub jwt: Option<Jwt>,
    /// The tier of callers that have none of their own.
    pub tier: Option<Arc<Tier>>,
    /// What requests must look like.
    pub validate: Option<Arc<Rules>>,
    /// What an idempotency key does.
    pub idempotency: Idempotency,
    /// For how long equal requests of a caller without idempotency keys count as one; zero: never.
    pub dedupe: Duration,
    /// What is paid.
    pub price: Price,
    /// What happens while the store can't be reached.
    pub on_store_down: OnStoreDown,
}

impl Protect {
    /// Whether callers may ask how they stand: there is something to tell.
    pub fn tells_state(&self) -> bool {
        self.keys == Keys::Required || self.tier.is_some()
    }

    /// Whether anything of it needs the store.
    pub fn needs_store(&self) -> bool {
        self.keys == Keys::Required
            || self.idempotency.mode != IdempotencyMode::Off
            || !self.dedupe.is_zero()
            || !self.price.is_free()
    }
}

/// Whether callers need keys of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// Callers bring what the upstream asks for, or nothing.
    #[default]
    None,
    /// A key of ours, or a token where `jwt` says whose.
    Required,
}

/// Whose signed tokens are taken as well as keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// Where the signing keys are: an `https://` URL of a JWKS document, or `http://` on this machine.
    pub jwks: String,
    /// Who must have issued a token.
    pub issuer: String,
    /// For whom it must be.
    pub audience: String,
    /// The claim that names the account.
    pub account: String,
    /// The claim that names the tier, if there is one in it.
    pub tier: String,
}

/// What an idempotency key does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Whether keys count.
    pub mode: IdempotencyMode,
    /// Methods whose requests may be kept; by default `POST` and `PATCH`, the others are idempotent by themselves.
    pub methods: Vec<Method>,
    /// How long an answer is kept.
    pub ttl: Duration,
    /// The largest answer that is kept, in bytes; of a larger one only that it happened.
    pub record: u64,
    /// What a second request gets whose first has an unknown outcome.
    pub on_unknown: OnUnknown,
    /// What a second request gets while the first runs.
    pub while_running: WhileRunning,
}

impl Default for Idempotency {
    fn default() -> Self {
        Self {
            mode: IdempotencyMode::Off,
            methods: vec![Method::POST, Method::PATCH],
            ttl: Duration::from_secs(24 * 60 * 60),
            record: 1 << 20,
            on_unknown: OnUnknown::default(),
            while_running: WhileRunning::default(),
        }
    }
}

/// Whether idempotency keys count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdempotencyMode {
    /// A key passes through to the upstream and means nothing here.
    #[default]
    Off,
    /// A request with a key is done once.
    Optional,
    /// A request without a key is refused.
    Required,
}

/// What a second request gets whose first has an unknown outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// The first one's failure, with `aplomb-outcome: unknown`.
    #[default]
    Replay,
    /// It is sent.
    Run,
}

/// What a second request gets while the first runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhileRunning {
    /// 409 with `retry-after`.
    #[default]
    Conflict,
    /// It waits for the first one's answer.
    Wait,
}

/// What a request costs, in millionths of whatever the owner counts in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// What every model costs that isn't named below.
    pub base: Cost,
    /// Models with prices of their own: the first that fits.
    pub models: Vec<ModelPrice>,
}

impl Price {
    /// Whether nothing costs anything.
    pub fn is_free(&self) -> bool {
        self.base == Cost::default() && self.models.iter().all(|model| model.cost == Cost::default())
    }

    /// Whether tokens cost anything.
    pub fn counts_tokens(&self) -> bool {
        let counts = |cost: &Cost| cost.token_in > 0 || cost.token_out > 0;
        counts(&self.base) || self.models.iter().any(|model| counts(&model.cost))
    }

    /// What a request for this model costs.
    pub fn of(&self, model: Option<&str>) -> Cost {
        let named = model.and_then(|model| self.models.iter().find(|price| price.is_for(model)));
        named.map_or(self.base, |price| price.cost)
    }
}

/// Prices in micro-units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Of a request.
    pub request: u64,
    /// Of a token of the request.
    pub token_in: u64,
    /// Of a token of the answer.
    pub token_out: u64,
}

/// What some models cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPrice {
    /// Which: a name, in which `*` stands for anything.
    pub model: String,
    /// What they cost.
    pub cost: Cost,
}

impl ModelPrice {
    fn is_for(&self, model: &str) -> bool {
        crate::config::fits(&self.model, model)
    }
}

/// What happens to a request that needs the store while it can't be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreDown {
    /// It goes on with what this gateway remembers: keys that it knows, limits of its own, no promise of replays.
    #[default]
    Local,
    /// It goes on as if nothing were asked of it.
    Open,
    /// It is refused with 503.
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_price_that_fits_a_model_counts() {
        let cost = |request| Cost { request, ..Cost::default() };
        let model = |model: &str, request| ModelPrice { model: model.to_owned(), cost: cost(request) };
        let price = Price { base: cost(1), models: vec![model("llama-*", 2), model("*", 3)] };
        let of = |model| price.of(model).request;
        assert_eq!((of(None), of(Some("llama-3")), of(Some("gpt"))), (1, 2, 3));
        assert!(!price.is_free() && Price::default().is_free());
    }
}
