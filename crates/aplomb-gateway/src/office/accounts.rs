//! Accounts: made, listed, shown, changed. None is ever removed: its ledger stays for whoever asks about money.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::asked::Asked;
use super::desk::{Desk, OfficeAnswer, PAGE};
use super::time;
use super::trouble::Trouble;
use crate::store::{Account, AccountId, AccountUpdate};

/// An account that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountWish {
    /// What people call it; no two have the same.
    #[schema(example = "acme")]
    name: String,
    /// Its tier; absent: the route's.
    tier: Option<String>,
}

/// What is to be changed; what isn't named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountChange {
    /// Another name.
    name: Option<String>,
    /// Another tier; `null`: the route's.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    tier: Option<Option<String>>,
    /// Whether it may do nothing from now on.
    disabled: Option<bool>,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountShown {
    /// Its id.
    #[schema(example = "acc_0193d6f0a1b27c3d8e4f5a6b7c8d9e0f")]
    id: String,
    /// What people call it.
    name: String,
    /// `active` or `disabled`.
    status: &'static str,
    /// Its tier; `null`: the route's.
    tier: Option<String>,
    /// What it has, in millionths.
    balance: i64,
    /// What of that is put aside for requests under way, in millionths.
    reserved: i64,
    /// When it was made.
    created: String,
    /// Since when it may do nothing.
    disabled: Option<String>,
}

/// A page of accounts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountPage {
    /// The accounts, in order of their making.
    data: Vec<AccountShown>,
    /// What to give as `after` for the next page; `null`: this is the last.
    next: Option<String>,
}

impl From<Account> for AccountShown {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.as_str().to_owned(),
            name: account.name,
            status: if account.disabled.is_some() { "disabled" } else { "active" },
            tier: account.tier,
            balance: account.balance,
            reserved: account.reserved,
            created: time::written(account.created),
            disabled: account.disabled.map(time::written),
        }
    }
}

/// Make an account
#[utoipa::path(post, path = "/accounts", operation_id = "create_account", tag = "accounts", request_body = AccountWish, responses(
    (status = 201, description = "The account", body = AccountShown),
    (status = 409, description = "Another account has this name"),
    (status = 422, description = "A field that can't be as it is"),
))]
pub(super) async fn create(desk: &Desk<'_>, asked: &Asked<'_>) -> Result<OfficeAnswer, Trouble> {
    let wish: AccountWish = asked.body()?;
    desk.check_tier(wish.tier.as_deref())?;
    let account = desk.store.create_account(&wish.name, wish.tier.as_deref(), asked.who).await?;
    OfficeAnswer::json(201, &AccountShown::from(account))
}

/// List accounts
#[utoipa::path(get, path = "/accounts", operation_id = "list_accounts", tag = "accounts", params(
    ("after" = Option<String>, Query, description = "Only those after this id"),
), responses((status = 200, description = "At most a thousand accounts", body = AccountPage)))]
pub(super) async fn list(desk: &Desk<'_>, asked: &Asked<'_>) -> Result<OfficeAnswer, Trouble> {
    let after = asked.param("after").map(|id| AccountId::new(&id));
    let accounts = desk.store.accounts(after.as_ref()).await?;
    let last = accounts.last().filter(|_| accounts.len() >= PAGE);
    let next = last.map(|account| account.id.as_str().to_owned());
    OfficeAnswer::json(200, &AccountPage { data: accounts.into_iter().map(Into::into).collect(), next })
}

/// Show an account
#[utoipa::path(get, path = "/accounts/{account}", operation_id = "show_account", tag = "accounts", params(
    ("account" = String, Path, description = "Its id or name"),
), responses(
    (status = 200, description = "The account", body = AccountShown),
    (status = 404, description = "No such account"),
))]
pub(super) async fn show(desk: &Desk<'_>, known: &str) -> Result<OfficeAnswer, Trouble> {
    OfficeAnswer::json(200, &AccountShown::from(desk.account(known).await?))
}

/// Change an account's name or tier, or disable it
#[utoipa::path(patch, path = "/accounts/{account}", operation_id = "change_account", tag = "accounts", params(
    ("account" = String, Path, description = "Its id or name"),
), request_body = AccountChange, responses(
    (status = 200, description = "The account as it is now", body = AccountShown),
    (status = 404, description = "No such account"),
    (status = 409, description = "Another account has this name"),
    (status = 422, description = "A field that can't be as it is"),
))]
pub(super) async fn change(desk: &Desk<'_>, asked: &Asked<'_>, known: &str) -> Result<OfficeAnswer, Trouble> {
    let AccountChange { name, tier, disabled } = asked.body()?;
    desk.check_tier(tier.as_ref().and_then(Option::as_deref))?;
    let update = AccountUpdate { name, tier, disabled };
    let account = desk.store.update_account(known, update, asked.who).await?;
    OfficeAnswer::json(200, &AccountShown::from(account))
}

/// A field that is there, be it `null`.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_taken_away_by_null_and_stays_where_it_isnt_named() {
        let change = |text: &str| serde_json::from_str::<AccountChange>(text).unwrap().tier;
        assert_eq!(change("{}"), None);
        assert_eq!(change("{\"tier\": null}"), Some(None));
        assert_eq!(change("{\"tier\": \"gold\"}"), Some(Some("gold".to_owned())));
    }
}
