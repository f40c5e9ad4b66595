//! A server of the bench: started on its processors, ready before it is used, ended with the bench.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::meter;
use super::wire::Wire;
use crate::command::{program, told, works};
use crate::trouble::{Outcome, Trouble};

/// How long a server may take to answer its first request.
const START: Duration = Duration::from_secs(10);

/// A running server; it ends when this is dropped.
pub(super) struct Server {
    /// What the report calls it.
    pub(super) name: &'static str,
    /// Where it listens for HTTP/1.1.
    pub(super) address: SocketAddr,
    /// Where it listens for HTTP/2 without TLS.
    pub(super) http2: SocketAddr,
    child: Child,
    processes: Vec<u32>,
}

impl Server {
    /// Starts it and waits until it answers; what it says goes to a file.
    ///
    /// # Errors
    /// It ends at once, or does not answer in time.
    pub(super) fn start(
        name: &'static str,
        command: Command,
        ports: (u16, u16),
        folder: &Path,
    ) -> Outcome<Self> {
        Self::start_until(answers, name, command, ports, folder)
    }

    /// Starts it and waits until it listens: the first request that it sees is the job's own.
    ///
    /// # Errors
    /// It ends at once, or does not listen in time.
    pub(super) fn start_unasked(
        name: &'static str,
        command: Command,
        port: u16,
        folder: &Path,
    ) -> Outcome<Self> {
        Self::start_until(listens, name, command, (port, port), folder)
    }

    fn start_until(
        ready: fn(SocketAddr) -> bool,
        name: &'static str,
        mut command: Command,
        ports: (u16, u16),
        folder: &Path,
    ) -> Outcome<Self> {
        let line = told(&command);
        let log = folder.join(format!("{name}.log"));
        let (out, err) = File::create(&log)
            .and_then(|file| Ok((file.try_clone()?, file)))
            .map_err(|cause| Trouble::file(&log, &cause))?;
        let child = command
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(err))
            .spawn()
            .map_err(|cause| Trouble::new(format!("`{line}` could not be run: {cause}")))?;
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server =
            Self { name, address: at(ports.0), http2: at(ports.1), child, processes: Vec::new() };
        server.wait(ready).map_err(|why| Trouble::new(format!("`{line}` {why}; see {}", log.display())))?;
        server.processes = meter::family(server.child.id());
        Ok(server)
    }

    /// It and its workers.
    pub(super) fn processes(&self) -> &[u32] {
        &self.processes
    }

    fn wait(&mut self, ready: fn(SocketAddr) -> bool) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < START {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended at once ({status})"));
            }
            if ready(self.address) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err("does not answer".to_owned())
    }
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

fn answers(address: SocketAddr) -> bool {
    let asked = Wire::connect(address).and_then(|mut wire| {
        wire.ask("/v1/chat/completions", &super::wire::question())?;
        wire.head()
    });
    asked.is_ok_and(|(status, _)| status == 200)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Politely, so that a master takes its workers with it.
        let mut kill = program("kill");
        kill.args(["-TERM", &self.child.id().to_string()]);
        if works(kill) {
            let started = Instant::now();
            while started.elapsed() < Duration::from_secs(3) {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
