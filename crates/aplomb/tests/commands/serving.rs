//! The built binary as a gateway, on ports that the system gives it: nobody else can take them before it does.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

/// A gateway, until it is dropped; then it is killed, and has time for nothing.
pub(crate) struct Serving {
    child: Child,
    /// Where callers are served.
    pub(crate) address: SocketAddr,
    /// Where its admin port is.
    pub(crate) admin: SocketAddr,
}

impl Serving {
    /// Starts with a file of this folder, two workers, and no variable but these; what it says stands in `aplomb.log`.
    pub(crate) fn start(folder: &Path, file: &str, variables: &[(&str, &str)]) -> Self {
        let log = folder.join("aplomb.log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_aplomb"))
            .args(["serve", "--config", file, "--workers", "2"])
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .current_dir(folder)
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let began = Instant::now();
        loop {
            let said = fs::read_to_string(&log).unwrap();
            if let Some((address, admin)) = addresses(&said) {
                return Self { child, address, admin };
            }
            let lives = child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(30);
            assert!(lives, "it does not serve: {said}");
            park_timeout(Duration::from_millis(2));
        }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Both addresses, once the banner was written.
fn addresses(said: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line = said.lines().find(|line| line.contains(" serves http://"))?;
    let mut urls = line.split("http://").skip(1).map(|url| url.trim_end_matches(", health on "));
    Some((urls.next()?.parse().ok()?, urls.next()?.parse().ok()?))
}
