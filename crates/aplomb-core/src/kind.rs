//! What can happen: the closed list of kinds, whose fault each is, and what to do next.
//!
//! The facts about a kind are rows of `spec/kinds.toml`; this file only gives them types.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Every one, in the order of the data file.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in data files, headers, logs and JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The one with this name, if there is one.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// What happened. Decided from meaning, not from the status.
    Kind {
        /// The request is malformed, or asks for what the API does not offer.
        InvalidRequest = "invalid_request",
        /// Prompt and answer do not fit into the model's context.
        ContextLength = "context_length",
        /// A safety rule refused the request or its answer.
        ContentBlocked = "content_blocked",
        /// The credential is missing, malformed, unknown, expired or revoked.
        Authentication = "authentication",
        /// No balance or no valid payment method.
        PaymentRequired = "payment_required",
        /// The credential may not do this.
        Permission = "permission",
        /// Path, model or resource does not exist.
        NotFound = "not_found",
        /// The path exists, but not with this method.
        MethodNotAllowed = "method_not_allowed",
        /// None of the formats asked for can be produced.
        NotAcceptable = "not_acceptable",
        /// The API gave up waiting.
        Timeout = "timeout",
        /// The request contradicts the state of the resource or another request.
        Conflict = "conflict",
        /// The request alone is too large, in bytes or in tokens.
        PayloadTooLarge = "payload_too_large",
        /// The body's type or encoding is not read here.
        UnsupportedMediaType = "unsupported_media_type",
        /// Some values are missing or wrong.
        Validation = "validation",
        /// Something that the request refers to failed.
        DependencyFailed = "dependency_failed",
        /// Too much in the present window; it opens again by itself.
        RateLimit = "rate_limit",
        /// A quota that only money, a plan or a new period brings back.
        QuotaExhausted = "quota_exhausted",
        /// Cancelled before it was answered.
        Cancelled = "cancelled",
        /// The API failed unexpectedly.
        Internal = "internal",
        /// Known, but not offered.
        NotImplemented = "not_implemented",
        /// No answer, or no usable one, from the server behind.
        BadGateway = "bad_gateway",
        /// Not ready: maintenance, restart, loading.
        Unavailable = "unavailable",
        /// More work than the API can do now.
        Overloaded = "overloaded",
        /// No answer in time from the server behind.
        GatewayTimeout = "gateway_timeout",
        /// A failure that says nothing more about itself.
        Unknown = "unknown",
    }
}

names! {
    /// Whose fault a failure is.
    Fault {
        /// The request, its credential, its account or its pace.
        Caller = "caller",
        /// Aplomb's own limits, keys or balance.
        Policy = "policy",
        /// Our bug, our configuration or our credential.
        Gateway = "gateway",
        /// The API that was asked.
        Upstream = "upstream",
        /// What lies between us and it.
        Network = "network",
    }
}

names! {
    /// What to do next.
    Advice {
        /// Send the same request again, later.
        Retry = "retry",
        /// Send the same request to another upstream.
        RetryElsewhere = "retry_elsewhere",
        /// Change the request.
        FixRequest = "fix_request",
        /// Present another credential.
        Authenticate = "authenticate",
        /// Top up or add a payment method.
        Pay = "pay",
        /// Wait for the next period, or raise the quota.
        WaitForQuota = "wait_for_quota",
        /// Nothing that the caller can do helps.
        GiveUp = "give_up",
    }
}

names! {
    /// Whether another upstream may help.
    Fallback {
        /// Any may.
        Always = "always",
        /// Only one that isn't declared to have no larger context.
        Larger = "larger",
        /// None: it would refuse too, or must not be asked.
        Never = "never",
    }
}

/// A row of `kinds.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KindFacts {
    /// The status where no dialect says otherwise.
    pub status: u16,
    /// Whose fault by default.
    pub fault: Fault,
    /// What to do next by default.
    pub advice: Advice,
    /// The same request, unchanged, may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// A retry is paced as a throttled one.
    #[serde(default)]
    pub throttle: bool,
    /// Nothing was done upstream.
    #[serde(default)]
    pub refused: bool,
    /// Whether another upstream may help.
    pub fallback: Fallback,
    /// A short name for people.
    pub title: String,
    /// What it means, for a developer.
    pub meaning: String,
    /// What a developer can do.
    pub remedy: String,
    /// A sentence to show an end user.
    pub user: String,
}

/// The rows of `kinds.toml`; its `[[sign]]` rows are read by `spec::sign`.
#[derive(Deserialize)]
struct KindsFile {
    kind: BTreeMap<Kind, KindFacts>,
}

static FACTS: LazyLock<BTreeMap<Kind, KindFacts>> = LazyLock::new(|| {
    let file: KindsFile =
        toml::from_str(include_str!("../spec/kinds.toml")).expect("kinds.toml was checked when building");
    file.kind
});

impl Kind {
    /// The kind's row.
    pub fn facts(self) -> &'static KindFacts {
        FACTS.get(&self).expect("a test holds a row for every kind")
    }

    /// The kind that a status stands for where nothing else is known.
    ///
    /// Another 4xx is an invalid request, another 5xx unknown; `None` for what is no failure.
    pub fn from_status(status: u16) -> Option<Self> {
        Some(match status {
            401 => Self::Authentication,
            402 => Self::PaymentRequired,
            403 => Self::Permission,
            404 | 410 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            406 => Self::NotAcceptable,
            408 => Self::Timeout,
            409 => Self::Conflict,
            413 => Self::PayloadTooLarge,
            415 => Self::UnsupportedMediaType,
            422 => Self::Validation,
            424 => Self::DependencyFailed,
            429 => Self::RateLimit,
            499 => Self::Cancelled,
            500 => Self::Internal,
            501 => Self::NotImplemented,
            502 => Self::BadGateway,
            503 => Self::Unavailable,
            504 => Self::GatewayTimeout,
            529 => Self::Overloaded,
            other if (400..500).contains(&other) => Self::InvalidRequest,
            other if (500..600).contains(&other) => Self::Unknown,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_row_and_every_row_a_kind() {
        assert_eq!(FACTS.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(*kind));
            assert!((400..600).contains(&kind.facts().status), "{kind}");
        }
    }

    #[test]
    fn what_may_be_retried_is_what_the_design_lists() {
        let retryable: Vec<_> = Kind::ALL.iter().filter(|kind| kind.facts().retryable).copied().collect();
        assert_eq!(
            retryable,
            [
                Kind::Timeout,
                Kind::RateLimit,
                Kind::Internal,
                Kind::BadGateway,
                Kind::Unavailable,
                Kind::Overloaded,
                Kind::GatewayTimeout,
                Kind::Unknown,
            ]
        );
    }
}
