//! A row of `[[upstream]]` as written.

use std::path::PathBuf;

use crate::config::written::value::{bytes, line, name, patience, text};
use crate::config::written::{At, Section, Spot, later};
use crate::config::{Base, Timeouts};

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
    pub(crate) timeouts: Timeouts,
    pub(crate) hold_bytes: Option<At<u64>>,
    pub(crate) ca: Option<At<PathBuf>>,
}

/// What is said about an upstream's credential.
#[derive(Clone, Debug)]
pub(crate) enum WrittenCredential {
    /// `"caller"`.
    Caller,
    /// `"none"`.
    Nothing,
    /// `{ env = "NAME" }`.
    Env {
        /// The variable's name.
        variable: At<String>,
        /// The header, if another one than the dialect's.
        header: Option<At<String>>,
        /// What stands before the key, if something else than in the dialect.
        prefix: Option<String>,
    },
}

impl WrittenUpstream {
    /// Reads a row.
    pub(super) fn read(mut row: Section<'_>) -> Self {
        let written = Self {
            spot: row.spot().clone(),
            name: row.required("name", "the name that routes call it by", name),
            url: row.take("url", |value| text(value)?.parse()),
            has_url: row.has("url"),
            dialect: row.take("dialect", line),
            credential: read_credential(&mut row),
            timeouts: row.section("timeouts").map(read_timeouts).unwrap_or_default(),
            hold_bytes: row.take("hold_bytes", bytes(0..=1 << 40)),
            ca: row.take("ca", |value| text(value).map(PathBuf::from)),
        };
        row.refuse(later::UPSTREAM);
        row.finish();
        written
    }
}

fn read_credential(row: &mut Section<'_>) -> Option<At<WrittenCredential>> {
    let found = row.raw("credential")?;
    let spot = found.spot.clone();
    if found.value.is_array() {
        row.note(&spot, "a list of credentials is not available in this version; give one");
        return None;
    }
    match found.value.as_str() {
        Some("caller") => return Some(At { value: WrittenCredential::Caller, spot }),
        Some("none") => return Some(At { value: WrittenCredential::Nothing, spot }),
        _ => {}
    }
    let wrong = "a credential doesn't stand in the file itself; write `{ env = \"NAME\" }`, `\"caller\"` or `\"none\"`";
    let mut table = row.open(found, wrong)?;
    let comes_later = later::CREDENTIAL.iter().any(|later| table.has(later.key));
    table.refuse(later::CREDENTIAL);
    let variable = if comes_later {
        table.take("env", line)
    } else {
        table.required("env", "the environment variable that holds the key", line)
    };
    let header = table.take("header", line);
    let prefix = table.take("prefix", |value| {
        value.as_str().map(str::to_owned).ok_or_else(|| "expected text in quotes".to_owned())
    });
    table.finish();
    let value = WrittenCredential::Env { variable: variable?, header, prefix: prefix.map(|at| at.value) };
    Some(At { value, spot })
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
