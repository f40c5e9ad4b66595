//! A server of our own where gateways count together in the tests, on a free port, gone when they are over.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::command::{self, program};
use crate::debian::{self, Need};
use crate::trouble::{Outcome, Trouble};

/// Valkey where there is one already, else what Debian has.
const REDIS: Need = Need {
    purpose: "testing limits that gateways count together",
    probe: &["sh", "-c", "command -v valkey-server || command -v redis-server"],
    packages: &["redis-server"],
};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs until this is dropped.
pub(crate) struct Redis {
    child: Child,
    /// Where it is.
    pub(crate) url: String,
}

/// Starts a server that keeps nothing on the disk.
///
/// # Errors
/// It can't be had or started.
pub(crate) fn start() -> Outcome<Redis> {
    debian::provide(&[REDIS])?;
    let valkey = command::works({
        let mut probe = program("valkey-server");
        probe.arg("--version");
        probe
    });
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let address =
        port.map_err(|cause| Trouble::new(format!("no port is free for a counting server: {cause}")))?;
    let mut server = program(if valkey { "valkey-server" } else { "redis-server" });
    server.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"]);
    server.arg("--port").arg(address.port().to_string()).stdout(Stdio::null());
    let child = server
        .spawn()
        .map_err(|cause| Trouble::new(format!("a counting server can't be started: {cause}")))?;
    let redis = Redis { child, url: format!("redis://{address}") };
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        if began.elapsed() > PATIENCE {
            return Err(Trouble::new("the counting server did not listen in time"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(redis)
}

impl Drop for Redis {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
