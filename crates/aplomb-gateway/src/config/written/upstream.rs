//! A row of `[[upstream]]` as written.

use std::path::PathBuf;

use toml::de::DeValue;

use crate::config::written::credential::read_credentials;
use crate::config::written::value::{bytes, line, name, patience, text, whole};
use crate::config::written::{At, Section, Spot, WrittenCredential};
use crate::config::{Allowance, AllowanceError, Base, Limits, ModelLimits, Timeouts};

/// What is said about an upstream; [`Upstream`](crate::config::Upstream) has the page of every key.
#[derive(Debug)]
pub(crate) struct WrittenUpstream {
    pub(crate) spot: Spot,
    pub(crate) name: Option<At<String>>,
    pub(crate) url: Option<At<Base>>,
    /// Whether there is a URL at all, right or wrong.
    pub(crate) has_url: bool,
    pub(crate) dialect: Option<At<String>>,
    pub(crate) credential: Option<At<WrittenCredential>>,
    pub(crate) more_keys: Vec<At<WrittenCredential>>,
    pub(crate) limits: Limits,
    pub(crate) model_limits: Vec<ModelLimits>,
    pub(crate) timeouts: Timeouts,
    pub(crate) hold_bytes: Option<At<u64>>,
    pub(crate) ca: Option<At<PathBuf>>,
    pub(crate) context: Option<u64>,
}

impl WrittenUpstream {
    /// Reads a row.
    pub(super) fn read(mut row: Section<'_>) -> Self {
        let mut credentials = read_credentials(&mut row).into_iter();
        let written = Self {
            spot: row.spot().clone(),
            name: row.required("name", "the name that routes call it by", name),
            url: row.take("url", |value| text(value)?.parse()),
            has_url: row.has("url"),
            dialect: row.take("dialect", line),
            credential: credentials.next(),
            more_keys: credentials.collect(),
            limits: row.section("limits").map(read_limits).unwrap_or_default(),
            model_limits: read_model_limits(&mut row),
            timeouts: row.section("timeouts").map(read_timeouts).unwrap_or_default(),
            hold_bytes: row.take("hold_bytes", bytes(0..=1 << 40)),
            ca: row.take("ca", |value| text(value).map(PathBuf::from)),
            context: row.take("context", whole(1..=1 << 40)).map(|at| at.value),
        };
        row.finish();
        written
    }
}

fn read_limits(mut table: Section<'_>) -> Limits {
    let limits = take_limits(&mut table);
    table.finish();
    limits
}

fn take_limits(table: &mut Section<'_>) -> Limits {
    let mut limits = Limits::default();
    let kinds = [
        ("requests", &mut limits.requests),
        ("tokens", &mut limits.tokens),
        ("input_tokens", &mut limits.input_tokens),
        ("output_tokens", &mut limits.output_tokens),
    ];
    for (key, allowances) in kinds {
        *allowances = read_allowances(table, key);
    }
    let concurrency = table.take("concurrency", whole(1..=1_000_000));
    limits.concurrency = concurrency.and_then(|at| at.value.try_into().ok());
    limits
}

/// One allowance, or a list: by the minute and by the day.
pub(super) fn read_allowances(table: &mut Section<'_>, key: &'static str) -> Vec<Allowance> {
    let allowance = |value: &DeValue<'_>| text(value)?.parse().map_err(|err: AllowanceError| err.to_string());
    match table.raw(key) {
        None => Vec::new(),
        Some(found) if !found.value.is_array() => {
            table.take(key, allowance).map(|at| at.value).into_iter().collect()
        }
        Some(_) => {
            let list = table.list(key, "[\"1000/min\", \"10000/day\"]");
            let read =
                |one: At<&DeValue<'_>>| allowance(one.value).map_err(|told| table.note(&one.spot, told)).ok();
            list.into_iter().filter_map(read).collect()
        }
    }
}

fn read_model_limits(row: &mut Section<'_>) -> Vec<ModelLimits> {
    let list = row.list("limit", "[{ model = \"llama-*\", requests = \"30/min\" }]");
    let read = |one| {
        let mut table =
            row.open(one, "expected a table such as `{ model = \"llama-*\", requests = \"30/min\" }`")?;
        let model = table.required("model", "the model, or a pattern such as `llama-*`", line);
        let limits = take_limits(&mut table);
        table.finish();
        Some(ModelLimits { model: model?.value, limits })
    };
    list.into_iter().filter_map(read).collect()
}

fn read_timeouts(mut table: Section<'_>) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let keys = [
        ("connect", &mut timeouts.connect),
        ("headers", &mut timeouts.headers),
        ("first_event", &mut timeouts.first_event),
        ("idle", &mut timeouts.idle),
    ];
    for (key, timeout) in keys {
        if let Some(at) = table.take(key, patience) {
            *timeout = at.value;
        }
    }
    table.finish();
    timeouts
}
