//! `[tier.NAME]`, `[store]` and `[shared]` as written.

use toml::de::DeValue;

use crate::config::store::shared_url;
use crate::config::written::upstream::read_allowances;
use crate::config::written::value::{choice, text, wait, whole};
use crate::config::written::{At, Section};
use crate::config::{CountedBy, LimitFields, SharedMode, SharedPlace, StorePlace, Tier};

const SCOPES: [(&str, CountedBy); 4] = [
    ("key", CountedBy::Key),
    ("account", CountedBy::Account),
    ("address", CountedBy::Address),
    ("route", CountedBy::Route),
];

const FIELDS: [(&str, LimitFields); 3] =
    [("dialect", LimitFields::Dialect), ("ietf", LimitFields::Ietf), ("both", LimitFields::Both)];

/// All tiers, in the order of their names.
pub(super) fn read_tiers(mut tables: Section<'_>) -> Vec<At<Tier>> {
    let tiers = tables.tables().into_iter().map(|(name, table)| read_tier(name, table)).collect();
    tables.finish();
    tiers
}

fn read_tier(name: String, mut table: Section<'_>) -> At<Tier> {
    let spot = table.spot().clone();
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_plain) {
        table.note(&spot, "a tier is named with `A-Z a-z 0-9 - _`, up to 64 of them");
    }
    let tier = Tier {
        name,
        per: read_scopes(&mut table),
        requests: read_allowances(&mut table, "requests"),
        tokens: read_allowances(&mut table, "tokens"),
        input_tokens: read_allowances(&mut table, "input_tokens"),
        output_tokens: read_allowances(&mut table, "output_tokens"),
        concurrency: table.take("concurrency", whole(1..=1_000_000)).and_then(|at| at.value.try_into().ok()),
        daily: table.take("daily", whole(1..=1 << 40)).map(|at| at.value),
        jitter: table.take("jitter", wait).map(|at| at.value).unwrap_or_default(),
        fields: table.take("fields", choice(&FIELDS)).map(|at| at.value).unwrap_or_default(),
    };
    table.finish();
    At { value: tier, spot }
}

/// A word, or a list of them.
fn read_scopes(table: &mut Section<'_>) -> Vec<CountedBy> {
    match table.raw("per") {
        None => vec![CountedBy::default()],
        Some(found) if !found.value.is_array() => {
            table.take("per", choice(&SCOPES)).map(|at| at.value).into_iter().collect()
        }
        Some(found) => {
            let list = table.list("per", "[\"key\", \"account\"]");
            if list.is_empty() {
                table.note(&found.spot, "expected one or more of `key`, `account`, `address`, `route`");
            }
            list.into_iter()
                .filter_map(|one| choice(&SCOPES)(one.value).map_err(|told| table.note(&one.spot, told)).ok())
                .collect()
        }
    }
}

/// `[store]`.
pub(super) fn read_store(mut table: Section<'_>) -> Option<At<StorePlace>> {
    let place = |value: &DeValue<'_>| StorePlace::read(text(value)?);
    let url = table.required("url", "`sqlite:`, `sqlite:PATH` or `postgres://…`", place);
    table.finish();
    url
}

/// `[shared]`.
pub(super) fn read_shared(mut table: Section<'_>) -> Option<SharedPlace> {
    let modes = [("exact", SharedMode::Exact), ("lease", SharedMode::Lease)];
    let url = table.required("url", "`redis://HOST:6379`", |value| shared_url(text(value)?));
    let mode = table.take("mode", choice(&modes)).map(|at| at.value).unwrap_or_default();
    table.finish();
    Some(SharedPlace { url: url?.value, mode })
}
