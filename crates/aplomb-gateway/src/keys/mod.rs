//! Keys: who a caller is, by a key of ours or by a token that somebody we trust has signed.
//!
//! `shown` finds what a request carries, `keyring` what is known of a key, `token` what a signed token says;
//! `refusal` is every way in which that can end badly.

mod recent;

mod scopes;
pub(crate) use scopes::Scopes;

mod shown;
pub(crate) use shown::{Shown, find};

mod known;
pub(crate) use known::{KnownKey, hash};

mod refusal;
pub(crate) use refusal::Refused;

mod attempts;
pub(crate) use attempts::Attempts;

mod keyring;
pub(crate) use keyring::{Keyring, Looked};

mod signature;

mod jwks;

mod token;
pub(crate) use token::Issuers;

mod tally;
pub(crate) use tally::Tally;
