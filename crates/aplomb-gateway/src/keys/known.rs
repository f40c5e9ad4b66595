//! What is known of a key and of an account: as much of the store's rows as a request needs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use subtle::ConstantTimeEq as _;

use super::scopes::Scopes;
use crate::digest::sha256;
use crate::store::{Account, KeyWithAccount, Moment};

/// The SHA-256 of a key's whole text.
#[derive(Clone, Copy)]
pub(crate) struct Hash([u8; 32]);

impl Hash {
    /// What the store keeps.
    pub(crate) fn of_store(kept: [u8; 32]) -> Self {
        Self(kept)
    }

    /// As the store keeps it.
    pub(crate) fn bytes(self) -> [u8; 32] {
        self.0
    }

    /// Whether both are of the same key; how much of them is alike doesn't show in the time it takes.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// It tells nothing that anybody needs.
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash")
    }
}

/// The hash of a key.
///
/// A plain SHA-256 is enough: a secret has 160 random bits, so that there is no list of likely ones to try.
pub(crate) fn hash(text: &str) -> Hash {
    Hash(sha256(text.as_bytes()))
}

/// A key that the store has.
#[derive(Debug)]
pub(crate) struct KnownKey {
    /// The part that may be shown.
    pub(crate) id: Arc<str>,
    /// Of the whole.
    pub(crate) hash: Hash,
    /// Whose it is.
    pub(crate) account: KnownAccount,
    /// Its tier, else its account's.
    pub(crate) tier: Option<Arc<str>>,
    /// What it may be used for; `None`: this version can't read it, so nothing.
    pub(crate) scopes: Option<Arc<Scopes>>,
    /// When it ends.
    pub(crate) expires: Option<Moment>,
    /// It was taken back.
    pub(crate) revoked: bool,
    /// When it was last used since the store was told, in milliseconds since 1970; 0: not since.
    used: AtomicI64,
}

/// An account that the store has.
#[derive(Clone, Debug)]
pub(crate) struct KnownAccount {
    /// Its id.
    pub(crate) id: Arc<str>,
    /// Its tier, where it isn't the route's.
    pub(crate) tier: Option<Arc<str>>,
    /// It may do nothing.
    pub(crate) disabled: bool,
}

impl KnownAccount {
    pub(super) fn new(account: Account) -> Self {
        let Account { id, tier, disabled, .. } = account;
        Self { id: id.as_str().into(), tier: tier.map(Arc::from), disabled: disabled.is_some() }
    }
}

impl KnownKey {
    pub(super) fn new(found: KeyWithAccount) -> Self {
        let KeyWithAccount { key, account } = found;
        let account = KnownAccount::new(account);
        let scopes = Scopes::read(&key.scopes);
        if scopes.is_none() {
            tracing::error!(target: "aplomb::keys", key = key.id, "the key's scopes can't be read: it may do nothing");
        }
        Self {
            hash: Hash::of_store(key.hash),
            tier: key.tier.map(Arc::from).or_else(|| account.tier.clone()),
            id: key.id.into(),
            account,
            scopes: scopes.map(Arc::new),
            expires: key.expires,
            revoked: key.revoked.is_some(),
            used: AtomicI64::new(0),
        }
    }

    /// It was used.
    pub(crate) fn use_at(&self, now: Moment) {
        self.used.store(now.0, Ordering::Relaxed);
    }

    /// When it was last used, told once.
    pub(super) fn take_used(&self) -> Option<Moment> {
        let at = self.used.swap(0, Ordering::Relaxed);
        (at != 0).then_some(Moment(at))
    }

    /// Whether it is over now.
    pub(crate) fn has_ended(&self, now: Moment) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_has_the_same_hash() {
        assert!(hash("a").is(&hash("a")));
        for other in ["", "b", "aa", "A"] {
            assert!(!hash("a").is(&hash(other)), "{other}");
        }
        assert_eq!(format!("{:?}", hash("a")), "Hash");
        assert!(Hash::of_store(hash("a").bytes()).is(&hash("a")));
    }
}
