//! Keys: by which a caller is known. Only the hash of one is kept.

use std::fmt;

use serde_json::{Value as Json, json};

use super::account::{self, Account, AccountId};
use super::audit::{self, By, PAGE};
use super::changes::{self, Changed};
use super::conn::{Conn, Row};
use super::error::{Refused, StoreError};
use super::handle::Store;
use super::job::Operation;
use super::moment::Moment;

/// A key that is to be kept.
#[derive(Clone)]
pub(crate) struct NewKey {
    /// The part that may be shown.
    pub(crate) id: String,
    /// SHA-256 of the whole.
    pub(crate) hash: [u8; 32],
    /// Whose it is: an account's id or name.
    pub(crate) account: String,
    /// What people call it.
    pub(crate) name: String,
    /// A tier of its own.
    pub(crate) tier: Option<String>,
    /// What it may be used for.
    pub(crate) scopes: Json,
    /// When it ends.
    pub(crate) expires: Option<Moment>,
}

/// A key as it is kept.
#[derive(Clone, PartialEq)]
pub(crate) struct Key {
    /// The part that may be shown.
    pub(crate) id: String,
    /// SHA-256 of the whole.
    pub(crate) hash: [u8; 32],
    /// Whose it is.
    pub(crate) account: AccountId,
    /// What people call it.
    pub(crate) name: String,
    /// A tier of its own.
    pub(crate) tier: Option<String>,
    /// What it may be used for.
    pub(crate) scopes: Json,
    /// When it was made.
    pub(crate) created: Moment,
    /// When it ends.
    pub(crate) expires: Option<Moment>,
    /// When it was taken back.
    pub(crate) revoked: Option<Moment>,
    /// When it was last used, to about a minute.
    pub(crate) last_used: Option<Moment>,
}

/// Without the hash: it is nobody's business.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} of {})", self.id, self.account)
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({} of {})", self.id, self.account)
    }
}

/// A key with the account that it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyWithAccount {
    /// The key.
    pub(crate) key: Key,
    /// Its account.
    pub(crate) account: Account,
}

/// The columns in the order that [`key`] reads.
macro_rules! columns {
    () => {
        "k.id, k.hash, k.account, k.name, k.tier, k.scopes, k.created, k.expires, k.revoked, k.last_used"
    };
}

/// How many columns those are.
const COLUMNS: usize = 10;

fn key(row: &Row) -> Result<Key, sqlx::Error> {
    let hash: &[u8] = row.take(1)?;
    let scopes: &str = row.take(5)?;
    Ok(Key {
        id: row.take(0)?,
        hash: hash.try_into().map_err(|_| sqlx::Error::Decode("a hash has 32 bytes".into()))?,
        account: AccountId::new(row.take(2)?),
        name: row.take(3)?,
        tier: row.take(4)?,
        scopes: serde_json::from_str(scopes).map_err(|error| sqlx::Error::Decode(error.into()))?,
        created: Moment(row.take(6)?),
        expires: row.take::<Option<i64>>(7)?.map(Moment),
        revoked: row.take::<Option<i64>>(8)?.map(Moment),
        last_used: row.take::<Option<i64>>(9)?.map(Moment),
    })
}

fn told(key: &Key) -> Json {
    let (expires, revoked) = (key.expires.map(|at| at.0), key.revoked.map(|at| at.0));
    json!({
        "account": key.account.as_str(), "name": key.name, "tier": key.tier, "scopes": key.scopes,
        "expires": expires, "revoked": revoked,
    })
}

struct Create {
    new: NewKey,
    by: By,
}

impl Operation for Create {
    type Answer = Result<Key, Refused>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Self::Answer, sqlx::Error> {
        const SQL: &str = "INSERT INTO keys (id, hash, account, name, tier, scopes, created, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
        let new = &self.new;
        let Some(owner) = account::find(conn, &new.account).await? else {
            return Ok(Err(Refused::NoAccount(new.account.clone())));
        };
        let scopes = new.scopes.to_string();
        let values = [
            new.id.as_str().into(),
            new.hash.as_slice().into(),
            owner.id.as_str().into(),
            new.name.as_str().into(),
            new.tier.as_deref().into(),
            scopes.as_str().into(),
            self.by.at.0.into(),
            new.expires.map(|at| at.0).into(),
        ];
        if conn.run(SQL, &values).await? == 0 {
            return Ok(Err(Refused::KeyTaken(new.id.clone())));
        }
        let NewKey { id, hash, name, tier, scopes, expires, .. } = new.clone();
        let (account, created) = (owner.id, self.by.at);
        let (revoked, last_used) = (None, None);
        let key = Key { id, hash, account, name, tier, scopes, created, expires, revoked, last_used };
        audit::write(conn, &self.by, "key.create", &key.id, (None, Some(&told(&key)))).await?;
        changes::note(conn, Changed::Key, &key.id, &self.by).await?;
        Ok(Ok(key))
    }
}

struct Find(String);

impl Operation for Find {
    type Answer = Option<KeyWithAccount>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Self::Answer, sqlx::Error> {
        find(conn, &self.0).await
    }
}

async fn find(conn: &mut Conn<'_>, id: &str) -> Result<Option<KeyWithAccount>, sqlx::Error> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        ", a.id, a.name, a.tier, a.balance, a.reserved, a.created, a.disabled \
         FROM keys k JOIN accounts a ON a.id = k.account WHERE k.id = $1"
    );
    let Some(row) = conn.one(SQL, &[id.into()]).await? else { return Ok(None) };
    Ok(Some(KeyWithAccount { key: key(&row)?, account: account::account(&row, COLUMNS)? }))
}

struct List {
    account: Option<String>,
    after: String,
}

impl Operation for List {
    type Answer = Vec<Key>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Vec<Key>, sqlx::Error> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM keys k WHERE k.id > $1 AND (CAST($2 AS TEXT) IS NULL OR k.account = $2) ORDER BY k.id LIMIT $3"
        );
        let values = [self.after.as_str().into(), self.account.as_deref().into(), PAGE.into()];
        conn.all(SQL, &values).await?.iter().map(key).collect()
    }
}

struct Revoke {
    id: String,
    by: By,
}

impl Operation for Revoke {
    type Answer = Result<Key, Refused>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Self::Answer, sqlx::Error> {
        const SQL: &str = "UPDATE keys SET revoked = $2 WHERE id = $1 AND revoked IS NULL";
        let Some(KeyWithAccount { key: before, .. }) = find(conn, &self.id).await? else {
            return Ok(Err(Refused::NoKey(self.id.clone())));
        };
        if conn.run(SQL, &[self.id.as_str().into(), self.by.at.0.into()]).await? == 0 {
            // It was already: that is what was asked for.
            return Ok(Ok(before));
        }
        let after = Key { revoked: Some(self.by.at), ..before.clone() };
        let (old, new) = (told(&before), told(&after));
        audit::write(conn, &self.by, "key.revoke", &self.id, (Some(&old), Some(&new))).await?;
        changes::note(conn, Changed::Key, &self.id, &self.by).await?;
        Ok(Ok(after))
    }
}

struct Touch(Vec<(String, Moment)>);

impl Operation for Touch {
    type Answer = ();

    async fn run(&self, conn: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        const SQL: &str =
            "UPDATE keys SET last_used = $2 WHERE id = $1 AND (last_used IS NULL OR last_used < $2)";
        for (id, at) in &self.0 {
            conn.run(SQL, &[id.as_str().into(), at.0.into()]).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Keeps a key.
    ///
    /// # Errors
    /// No such account, or an id that is taken; the store's trouble.
    pub(crate) async fn create_key(&self, new: NewKey, who: &str) -> Result<Key, StoreError> {
        let by = By { who: who.to_owned(), at: Moment::now() };
        Ok(self.ask(Create { new, by }).await??)
    }

    /// The key of that public id, with its account.
    ///
    /// # Errors
    /// The store's trouble.
    pub(crate) async fn find_key(&self, id: &str) -> Result<Option<KeyWithAccount>, StoreError> {
        self.ask(Find(id.to_owned())).await
    }

    /// The keys after that id, of one account or of all; a thousand at most.
    ///
    /// # Errors
    /// The store's trouble.
    pub(crate) async fn keys(
        &self,
        account: Option<&AccountId>,
        after: Option<&str>,
    ) -> Result<Vec<Key>, StoreError> {
        let account = account.map(|account| account.as_str().to_owned());
        self.ask(List { account, after: after.unwrap_or_default().to_owned() }).await
    }

    /// Takes a key back, for ever; one that was taken back already stays as it is.
    ///
    /// # Errors
    /// No such key; the store's trouble.
    pub(crate) async fn revoke_key(&self, id: &str, who: &str) -> Result<Key, StoreError> {
        let by = By { who: who.to_owned(), at: Moment::now() };
        Ok(self.ask(Revoke { id: id.to_owned(), by }).await??)
    }

    /// Notes when keys were last used; meant to be called about once a minute with all of them.
    ///
    /// # Errors
    /// The store's trouble.
    pub(crate) async fn touch_keys(&self, used: Vec<(String, Moment)>) -> Result<(), StoreError> {
        self.ask(Touch(used)).await
    }
}
