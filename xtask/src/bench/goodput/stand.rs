//! The programs of one row: a provider with a full bucket, and before it a gateway that has seen nothing yet.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::meter::{self, Cpu};
use super::super::place;
use super::super::server::Server;
use super::job::Credential;
use super::row::Through;
use crate::command::{program, told};
use crate::trouble::{Outcome, Trouble};

/// A provider, perhaps behind a gateway; both end when this is dropped.
pub(super) struct Stand {
    // First, so that it goes first: what it holds then is of no interest.
    gateway: Option<Server>,
    mock: Server,
}

impl Stand {
    /// Starts them anew.
    ///
    /// # Errors
    /// One of them does not start.
    pub(super) fn start(
        binary: &Path,
        folder: &Path,
        mock: &[String],
        through: Through,
        credential: Credential,
    ) -> Outcome<Self> {
        fs::create_dir_all(folder).map_err(|cause| Trouble::file(folder, &cause))?;
        let port = place::free_port()?;
        let mut provider = roomy(binary);
        provider.args(["mock", "openai", "--listen", &format!("127.0.0.1:{port}")]).args(mock);
        let mock = Server::start_unasked("mock", provider, port, folder)?;
        let gateway = match through {
            Through::Nothing => None,
            Through::Aplomb => Some(gateway(binary, folder, port, credential)?),
        };
        Ok(Self { gateway, mock })
    }

    /// What callers call.
    pub(super) fn front(&self) -> &Server {
        self.gateway.as_ref().unwrap_or(&self.mock)
    }

    /// The provider.
    pub(super) fn mock(&self) -> &Server {
        &self.mock
    }

    /// What the gateway has cost so far: seconds of processor time and MiB of memory.
    pub(super) fn gateway_cost(&self) -> Option<(f64, f64)> {
        let processes = self.gateway.as_ref()?.processes();
        Some((Cpu::of(processes).total.as_secs_f64(), meter::resident(processes)))
    }
}

fn gateway(binary: &Path, folder: &Path, behind: u16, credential: Credential) -> Outcome<Server> {
    let (listen, admin) = (place::free_port()?, place::free_port()?);
    let mut serve = program(binary);
    serve.arg("serve");
    match credential {
        // As it comes.
        Credential::Caller => {
            serve.args(["--dialect", "openai", "--upstream", &format!("http://127.0.0.1:{behind}")]);
        }
        Credential::Shared => {
            let file = folder.join("aplomb.toml");
            let text = format!(
                "[[upstream]]\nname = \"provider\"\nurl = \"http://127.0.0.1:{behind}\"\ndialect = \"openai\"\ncredential = {{ env = \"BENCH_KEY\" }}\n\n[[route]]\npath = \"/\"\nupstream = \"provider\"\n"
            );
            fs::write(&file, text).map_err(|cause| Trouble::file(&file, &cause))?;
            serve.arg("--config").arg(&file).env("BENCH_KEY", "sk-shared");
        }
    }
    serve.args(["--listen", &format!("127.0.0.1:{listen}"), "--admin", &format!("127.0.0.1:{admin}")]);
    serve.env("APLOMB_LOG", "error");
    Server::start_unasked("aplomb", serve, listen, folder)
}

/// A program that may open as many files as the system lets it; the gateway sees to that itself.
pub(super) fn roomy(binary: &Path) -> Command {
    let mut shell = program("sh");
    shell.args(["-c", r#"ulimit -n "$(ulimit -Hn)"; exec "$0" "$@""#]).arg(binary);
    shell
}

/// What is started, for the report's method.
pub(super) fn gateway_line() -> String {
    let mut serve = program("aplomb");
    serve.args(["serve", "--dialect", "openai", "--upstream", "http://127.0.0.1:PORT"]);
    told(&serve)
}
