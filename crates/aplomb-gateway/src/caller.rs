//! Who asks, as far as anybody knows.

use std::sync::Arc;

use crate::config::Tier;
use crate::keys::Scopes;

/// Whoever sent a request. Nothing of it is secret.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// The account that pays.
    pub(crate) account: Option<Arc<str>>,
    /// The public id of its key.
    pub(crate) key: Option<Arc<str>>,
    /// The tier of the key or the account; absent: the route's own.
    pub(crate) tier: Option<Arc<Tier>>,
    /// What the key may be used for, where that depends on what isn't read yet.
    pub(crate) scopes: Option<Arc<Scopes>>,
}
