//! Where a run takes place: which processors, which ports, which folder, and what the machine is.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::meter;
use crate::command::{self, program, target};
use crate::debian::{self, Need};
use crate::trouble::{Outcome, Trouble};

const NEEDS: &[Need] = &[
    Need { purpose: "the upstream and the peer", probe: &["nginx", "-v"], packages: &["nginx-light"] },
    // `wrk -v` ends with status 1 after saying its version: ask for its presence only.
    Need { purpose: "load over HTTP/1.1", probe: &["sh", "-c", "command -v wrk"], packages: &["wrk"] },
    Need { purpose: "load over HTTP/2", probe: &["h2load", "--version"], packages: &["nghttp2-client"] },
    Need { purpose: "pinning to processors", probe: &["taskset", "--version"], packages: &["util-linux"] },
];

/// More than this share of the machine busy with other things makes a measurement worth little.
const QUIET: f64 = 0.12;

/// The processors of one arrangement, as taskset writes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cores {
    /// For the proxy.
    pub(super) proxy: &'static str,
    /// For the load and the upstream.
    pub(super) load: &'static str,
    /// How many the proxy has, and how many workers it is given.
    pub(super) count: usize,
}

impl Cores {
    /// The proxy alone on one, load and upstream together on another.
    pub(super) const ONE: Self = Self { proxy: "0", load: "1", count: 1 };

    /// Two for the proxy; on a machine with two in all, the load shares them.
    pub(super) fn two() -> Self {
        let load = if processors() >= 4 { "2,3" } else { "0,1" };
        Self { proxy: "0,1", load, count: 2 }
    }
}

/// How many processors there are.
pub(super) fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Makes the programs available and gives an empty folder to work in.
///
/// # Errors
/// A program is missing, or there is only one processor.
pub(super) fn prepare() -> Outcome<PathBuf> {
    debian::provide(NEEDS)?;
    if processors() < 2 {
        return Err(Trouble::new("the bench needs two processors: one for the proxy, one for the load"));
    }
    let folder = target().join("bench");
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|cause| Trouble::file(&folder, &cause))?;
    Ok(folder)
}

/// A program on these processors.
pub(super) fn pinned(cores: &str, name: &Path) -> Command {
    let mut command = program("taskset");
    command.args(["--cpu-list", cores]).arg(name);
    command
}

/// A port of 127.0.0.1 that was free a moment ago.
///
/// # Errors
/// There is none.
pub(super) fn free_port() -> Outcome<u16> {
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(|cause| Trouble::new(format!("no free port: {cause}")))
}

/// Waits until the machine has nothing else to do, at most this long, and gives the busy share that it saw last.
pub(super) fn wait_until_quiet(patience: Duration) -> f64 {
    let started = Instant::now();
    loop {
        let before = meter::machine();
        thread::sleep(Duration::from_millis(400));
        let after = meter::machine();
        let busy = (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64;
        if busy < QUIET || started.elapsed() > patience {
            return busy;
        }
    }
}

/// What the numbers hold for: names and versions, each a line.
pub(super) fn versions(aplomb: Option<&Path>) -> Vec<(String, String)> {
    let mut lines = machine_and_code();
    lines.extend([
        ("nginx (upstream and peer)".to_owned(), first_line("nginx -v 2>&1")),
        ("wrk".to_owned(), first_line("wrk -v 2>&1")),
        ("h2load".to_owned(), first_line("h2load --version")),
    ]);
    if let Some(binary) = aplomb {
        lines.push(("aplomb".to_owned(), first_line(&format!("'{}' --version", binary.display()))));
    }
    lines
}

/// The machine, the compiler and the commit.
pub(super) fn machine_and_code() -> Vec<(String, String)> {
    vec![
        ("machine".to_owned(), machine()),
        ("rustc".to_owned(), first_line("rustc --version")),
        ("commit".to_owned(), first_line("git describe --always --dirty --abbrev=10")),
    ]
}

/// Today's date in UTC, as `2026-01-31`.
pub(super) fn today() -> String {
    first_line("date -u +%F")
}

fn machine() -> String {
    let model = first_line("grep -m1 'model name' /proc/cpuinfo | cut -d: -f2");
    format!("{} processors, {}, Linux {}", processors(), model.trim(), first_line("uname -r"))
}

fn first_line(script: &str) -> String {
    let mut shell = program("sh");
    // The status of the last command counts, and some of these end badly after having said what they are.
    shell.args(["-c", &format!("{script} || true")]);
    let said = command::read(shell).unwrap_or_default();
    said.lines().next().unwrap_or("unknown").trim().to_owned()
}
