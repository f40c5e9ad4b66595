//! Accounts: who pays, in which tier.

use std::fmt;
use std::sync::Arc;

use serde_json::json;

use super::audit::{self, By, PAGE};
use super::changes::{self, Changed};
use super::conn::{Conn, Row};
use super::error::{Refused, StoreError};
use super::handle::Store;
use super::job::Operation;
use super::moment::Moment;

/// What an account is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AccountId(Arc<str>);

impl AccountId {
    /// That id.
    pub(crate) fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// A new one.
    fn make() -> Self {
        Self(format!("acc_{}", uuid::Uuid::now_v7().simple()).into())
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Somebody who calls: keys, a tier and a balance belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Its id.
    pub(crate) id: AccountId,
    /// What people call it; no two have the same.
    pub(crate) name: String,
    /// Its tier, where it isn't the route's.
    pub(crate) tier: Option<String>,
    /// What it has, in micro-units: the sum of its ledger.
    pub(crate) balance: i64,
    /// What of that is put aside for requests under way, in micro-units.
    pub(crate) reserved: i64,
    /// Since when it is there.
    pub(crate) created: Moment,
    /// Since when it may do nothing.
    pub(crate) disabled: Option<Moment>,
}

/// The columns in the order that [`account`] reads.
macro_rules! columns {
    () => {
        "id, name, tier, balance, reserved, created, disabled"
    };
}

/// Reads an account whose columns begin at this place.
pub(super) fn account(row: &Row, at: usize) -> Result<Account, sqlx::Error> {
    Ok(Account {
        id: AccountId::new(row.take(at)?),
        name: row.take(at + 1)?,
        tier: row.take(at + 2)?,
        balance: row.take(at + 3)?,
        reserved: row.take(at + 4)?,
        created: Moment(row.take(at + 5)?),
        disabled: row.take::<Option<i64>>(at + 6)?.map(Moment),
    })
}

/// The account that goes by this id or name.
pub(super) async fn find(conn: &mut Conn<'_>, known: &str) -> Result<Option<Account>, sqlx::Error> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM accounts WHERE id = $1 OR name = $1");
    conn.one(SQL, &[known.into()]).await?.map(|row| account(&row, 0)).transpose()
}

fn told(account: &Account) -> serde_json::Value {
    json!({ "name": account.name, "tier": account.tier, "disabled": account.disabled.is_some() })
}

fn is_name(name: &str) -> bool {
    let length = name.chars().count();
    (1..=128).contains(&length) && !name.chars().any(char::is_control) && !name.starts_with("acc_")
}

struct Create {
    account: Account,
    by: By,
}

impl Operation for Create {
    type Answer = Result<Account, Refused>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Self::Answer, sqlx::Error> {
        const SQL: &str = "INSERT INTO accounts (id, name, tier, created) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) DO NOTHING";
        let Account { id, name, tier, created, .. } = &self.account;
        let values = [id.as_str().into(), name.as_str().into(), tier.as_deref().into(), created.0.into()];
        if conn.run(SQL, &values).await? == 0 {
            return Ok(Err(Refused::NameTaken(name.clone())));
        }
        let after = told(&self.account);
        audit::write(conn, &self.by, "account.create", id.as_str(), (None, Some(&after))).await?;
        changes::note(conn, Changed::Account, id.as_str(), &self.by).await?;
        Ok(Ok(self.account.clone()))
    }
}

/// What is to be changed of an account; what isn't named stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountUpdate {
    /// Another name.
    pub(crate) name: Option<String>,
    /// Another tier; `Some(None)`: the route's.
    pub(crate) tier: Option<Option<String>>,
    /// Whether it may do nothing from now on.
    pub(crate) disabled: Option<bool>,
}

struct Update {
    known: String,
    update: AccountUpdate,
    by: By,
}

impl Operation for Update {
    type Answer = Result<Account, Refused>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Self::Answer, sqlx::Error> {
        const TAKEN: &str = "SELECT 1 FROM accounts WHERE name = $1 AND id <> $2";
        const SQL: &str = "UPDATE accounts SET name = $2, tier = $3, disabled = $4 WHERE id = $1";
        let Some(before) = find(conn, &self.known).await? else {
            return Ok(Err(Refused::NoAccount(self.known.clone())));
        };
        let mut after = before.clone();
        if let Some(name) = &self.update.name {
            if conn.one(TAKEN, &[name.as_str().into(), before.id.as_str().into()]).await?.is_some() {
                return Ok(Err(Refused::NameTaken(name.clone())));
            }
            after.name.clone_from(name);
        }
        if let Some(tier) = &self.update.tier {
            after.tier.clone_from(tier);
        }
        if let Some(disabled) = self.update.disabled {
            after.disabled = disabled.then(|| before.disabled.unwrap_or(self.by.at));
        }
        let values = [
            after.id.as_str().into(),
            after.name.as_str().into(),
            after.tier.as_deref().into(),
            after.disabled.map(|at| at.0).into(),
        ];
        conn.run(SQL, &values).await?;
        let (old, new) = (told(&before), told(&after));
        audit::write(conn, &self.by, "account.update", after.id.as_str(), (Some(&old), Some(&new))).await?;
        changes::note(conn, Changed::Account, after.id.as_str(), &self.by).await?;
        Ok(Ok(after))
    }
}

struct Find(String);

impl Operation for Find {
    type Answer = Option<Account>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Option<Account>, sqlx::Error> {
        find(conn, &self.0).await
    }
}

struct List(String);

impl Operation for List {
    type Answer = Vec<Account>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Vec<Account>, sqlx::Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM accounts WHERE id > $1 ORDER BY id LIMIT $2");
        let rows = conn.all(SQL, &[self.0.as_str().into(), PAGE.into()]).await?;
        rows.iter().map(|row| account(row, 0)).collect()
    }
}

impl Store {
    /// Makes an account with nothing in it.
    ///
    /// # Errors
    /// A name that can't be or is taken; the store's trouble.
    pub(crate) async fn create_account(
        &self,
        name: &str,
        tier: Option<&str>,
        who: &str,
    ) -> Result<Account, StoreError> {
        if !is_name(name) {
            return Err(Refused::BadName.into());
        }
        let by = By { who: who.to_owned(), at: Moment::now() };
        let account = Account {
            id: AccountId::make(),
            name: name.to_owned(),
            tier: tier.map(str::to_owned),
            balance: 0,
            reserved: 0,
            created: by.at,
            disabled: None,
        };
        Ok(self.ask(Create { account, by }).await??)
    }

    /// Changes an account, found by id or name.
    ///
    /// # Errors
    /// No such account, or a name that can't be or is taken; the store's trouble.
    pub(crate) async fn update_account(
        &self,
        known: &str,
        update: AccountUpdate,
        who: &str,
    ) -> Result<Account, StoreError> {
        if update.name.as_deref().is_some_and(|name| !is_name(name)) {
            return Err(Refused::BadName.into());
        }
        let by = By { who: who.to_owned(), at: Moment::now() };
        Ok(self.ask(Update { known: known.to_owned(), update, by }).await??)
    }

    /// The account of that id or name.
    ///
    /// # Errors
    /// The store's trouble.
    pub(crate) async fn account(&self, known: &str) -> Result<Option<Account>, StoreError> {
        self.ask(Find(known.to_owned())).await
    }

    /// The accounts after that id, in order of their making; a thousand at most.
    ///
    /// # Errors
    /// The store's trouble.
    pub(crate) async fn accounts(&self, after: Option<&AccountId>) -> Result<Vec<Account>, StoreError> {
        self.ask(List(after.map_or("", AccountId::as_str).to_owned())).await
    }
}
