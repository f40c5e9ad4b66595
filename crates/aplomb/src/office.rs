//! Where `keys` and `accounts` ask: the admin port of a gateway that runs, or the store itself while none does.

mod duration;
mod money;
mod table;

pub(crate) use duration::end;
pub(crate) use money::{millionths, written};
pub(crate) use table::{facts, table, text};

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aplomb_gateway::config::{Config, StorePlace, Surroundings};
use aplomb_gateway::{Office, RemoteOffice, state_folder};
use clap::Args;
use http::Method;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::{dialects, say};

/// Where a gateway's admin port is unless somebody says otherwise.
const ADMIN: &str = "http://127.0.0.1:4101";

/// Names the admin port's token.
const VARIABLE: &str = "APLOMB_ADMIN_TOKEN";

/// What the help of both commands says about where they ask.
pub(crate) const WHERE: &str =
    "A gateway that runs is asked over its admin port; APLOMB_ADMIN_TOKEN or --token-file has its token.
While none runs, --config or --store opens the store itself.

Exit status: 0 done, 1 nobody could be asked, 2 refused.";

/// Where to ask, and how to tell the answer
#[derive(Args, Debug)]
pub(crate) struct Where {
    /// The admin port of a gateway that runs [default: http://127.0.0.1:4101]
    #[arg(long, value_name = "URL", global = true)]
    admin: Option<String>,
    /// A file that holds the admin port's token
    #[arg(long, value_name = "FILE", global = true, conflicts_with_all = ["config", "store"])]
    token_file: Option<PathBuf>,
    /// Open the store of this configuration, while no gateway runs
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "admin")]
    config: Option<PathBuf>,
    /// Open this store, while no gateway runs: sqlite:PATH or postgres://…
    #[arg(long, value_name = "URL", global = true, conflicts_with_all = ["admin", "config"])]
    store: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Why there is no answer to show.
pub(crate) enum Failed {
    /// Nobody could be asked.
    Unasked(String),
    /// What was asked for was refused.
    Refused(String),
}

impl Failed {
    /// Says it, and gives the exit status for it.
    pub(crate) fn tell(self) -> ExitCode {
        let (told, status) = match self {
            Self::Unasked(told) => (told, 1),
            Self::Refused(told) => (told, 2),
        };
        say::err(&format!("aplomb: {told}\n"));
        ExitCode::from(status)
    }
}

/// Somebody who answers.
pub(crate) struct Desk {
    runtime: Runtime,
    local: LocalSet,
    side: Side,
    who: String,
}

enum Side {
    Remote(RemoteOffice),
    Own { office: Office, config: Option<Box<Config>> },
}

impl Where {
    /// Finds who answers.
    pub(crate) fn open(&self) -> Result<Desk, Failed> {
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let who = env("USER")
            .or_else(|| env("LOGNAME"))
            .map_or_else(|| "command".to_owned(), |user| format!("command: {user}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|err| Failed::Unasked(format!("the system gives no event queue: {err}")))?;
        let side = match (&self.config, &self.store) {
            (None, None) => Side::Remote(self.remote(env, &who)?),
            (Some(file), _) => {
                let config = configuration(file)?;
                let place = config.store.clone().unwrap_or(StorePlace::File(None));
                Side::Own { office: own(&place)?, config: Some(Box::new(config)) }
            }
            (None, Some(url)) => {
                let place =
                    StorePlace::read(url).map_err(|told| Failed::Refused(format!("--store: {told}")))?;
                Side::Own { office: own(&place)?, config: None }
            }
        };
        Ok(Desk { runtime, local: LocalSet::new(), side, who })
    }

    fn remote(&self, env: impl Fn(&str) -> Option<String>, who: &str) -> Result<RemoteOffice, Failed> {
        let token = match &self.token_file {
            Some(file) => {
                let read = std::fs::read_to_string(file);
                read.map_err(|err| Failed::Refused(format!("--token-file: {}: {err}", file.display())))?
            }
            None => env(VARIABLE).ok_or_else(|| {
                Failed::Refused(format!(
                    "the admin port needs its token: set {VARIABLE}, or name a file that holds it by --token-file; \
                     while no gateway runs, open the store by --config or --store"
                ))
            })?,
        };
        let url = self.admin.as_deref().unwrap_or(ADMIN);
        RemoteOffice::new(url, &token, who).map_err(|err| Failed::Refused(err.to_string()))
    }
}

fn configuration(file: &Path) -> Result<Config, Failed> {
    let read =
        dialects::catalog(None).and_then(|catalog| Config::load(file, &Surroundings::of_process(&catalog)));
    read.map_err(|mistakes| {
        let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        Failed::Refused(lines.join("\n"))
    })
}

fn own(place: &StorePlace) -> Result<Office, Failed> {
    let state = state_folder(|name| std::env::var(name).ok());
    Office::open(place, state).map_err(|err| {
        let mut told = say::causes(&err);
        if told.contains("is used by another gateway") {
            told.push_str("; to ask the gateway that runs, leave out --config and --store");
        }
        Failed::Unasked(told)
    })
}

impl Desk {
    /// Asks one question.
    pub(crate) fn ask(&self, method: &Method, target: &str, body: Option<&Value>) -> Result<Value, Failed> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let asked = async {
            match &self.side {
                Side::Remote(remote) => {
                    let answer = remote.ask(method.clone(), target, body).await;
                    answer.map_err(|err| Failed::Unasked(err.to_string()))
                }
                Side::Own { office, config } => {
                    Ok(office.answer(config.as_deref(), &self.who, method, target, &body).await)
                }
            }
        };
        let answer = self.local.block_on(&self.runtime, asked)?;
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
        match (answer.status, body) {
            (200..=299, Some(body)) => Ok(body),
            (200..=299, None) => {
                Err(Failed::Unasked("the answer is no JSON; is that an admin port of Aplomb?".to_owned()))
            }
            (401, _) => Err(Failed::Unasked("the admin port doesn't take this token".to_owned())),
            (status, body) => {
                let said = |name: &str| body.as_ref()?.get(name)?.as_str().map(str::to_owned);
                let told = said("detail").or_else(|| said("title"));
                let told = told.unwrap_or_else(|| format!("the admin port answered {status}"));
                Err(if status >= 500 { Failed::Unasked(told) } else { Failed::Refused(told) })
            }
        }
    }

    /// Asks for every page of a list; `page` is the parameter that names the next one.
    pub(crate) fn all(&self, target: &str, page: &str) -> Result<Vec<Value>, Failed> {
        let mut rows = Vec::new();
        let mut next = String::new();
        loop {
            let mark = if target.contains('?') { '&' } else { '?' };
            let Value::Object(mut answer) =
                self.ask(&Method::GET, &format!("{target}{mark}{page}={next}"), None)?
            else {
                return Ok(rows);
            };
            if let Some(Value::Array(more)) = answer.remove("data") {
                rows.extend(more);
            }
            next = match answer.remove("next") {
                Some(Value::String(next)) => escaped(&next),
                Some(Value::Number(next)) => next.to_string(),
                _ => return Ok(rows),
            };
        }
    }
}

/// A name as a part of a path or query.
pub(crate) fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
