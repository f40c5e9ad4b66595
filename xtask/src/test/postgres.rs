//! A PostgreSQL of our own for the tests: a cluster on a free port, gone when they are over.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, program, target};
use crate::debian::{self, Need};
use crate::trouble::{Outcome, Trouble};

/// Debian keeps a version's programs in a folder of their own, outside of the path.
const POSTGRES: Need = Need {
    purpose: "testing the store over PostgreSQL",
    probe: &["sh", "-c", "ls /usr/lib/postgresql/*/bin/initdb || command -v initdb"],
    packages: &["postgresql"],
};

/// The user that Debian's package makes: PostgreSQL refuses to run as root.
const USER: &str = "postgres";

/// A server that runs until this is dropped.
pub(crate) struct Postgres {
    folder: PathBuf,
    bin: PathBuf,
    as_root: bool,
    /// Where it is.
    pub(crate) url: String,
}

/// Starts a server.
///
/// # Errors
/// It can't be had or started.
pub(crate) fn start() -> Outcome<Postgres> {
    debian::provide(&[POSTGRES])?;
    let mut whoami = program("id");
    whoami.arg("-u");
    let as_root = command::read(whoami).is_ok_and(|id| id.trim() == "0");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let port = port.map_err(|cause| Trouble::new(format!("no port is free for PostgreSQL: {cause}")))?.port();
    let folder = folder(as_root, port)?;
    let url = format!("postgres://aplomb@127.0.0.1:{port}/postgres");
    let postgres = Postgres { folder, bin: bin()?, as_root, url };
    let data = postgres.folder.join("data");
    let mut init = postgres.program("initdb");
    init.arg("-D").arg(&data).args(["-U", "aplomb", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
    command::read(init)?;
    let mut start = postgres.program("pg_ctl");
    // Nothing here outlives the tests, so that nothing needs to be on the disk.
    let options = format!(
        "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=400"
    );
    start.arg("-D").arg(&data).args(["-w", "-s", "-o", &options]);
    start.arg("-l").arg(postgres.folder.join("log")).arg("start");
    // Its output would be held open by the server that stays behind.
    command::run(start)?;
    Ok(postgres)
}

impl Postgres {
    fn program(&self, name: &str) -> Command {
        let path = self.bin.join(name);
        let mut command = if self.as_root { program("runuser") } else { program(&path) };
        if self.as_root {
            command.args(["-u", USER, "--"]).arg(path);
        }
        command.current_dir(&self.folder);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        stop.arg("-D").arg(self.folder.join("data")).args(["-w", "-s", "-m", "immediate", "stop"]);
        command::works(stop);
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where the programs are; of several versions the newest.
fn bin() -> Outcome<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    found.sort();
    if let Some((_, bin)) = found.pop() {
        return Ok(bin);
    }
    let mut which = program("sh");
    which.args(["-c", "command -v initdb"]);
    let path = PathBuf::from(command::read(which)?.trim());
    path.parent()
        .map(Path::to_owned)
        .ok_or_else(|| Trouble::new("`initdb` is nowhere to be found".to_owned()))
}

/// A folder that the server's user can reach: in `target/`, or among the temporary files where that is closed to it.
fn folder(as_root: bool, port: u16) -> Outcome<PathBuf> {
    let name = format!("postgres-{port}");
    let mut folder = target().join(&name);
    fs::create_dir_all(&folder).map_err(|cause| Trouble::file(&folder, &cause))?;
    if !as_root {
        return Ok(folder);
    }
    let mut reach = program("runuser");
    reach.args(["-u", USER, "--", "test", "-x"]).arg(&folder);
    if !command::works(reach) {
        _ = fs::remove_dir(&folder);
        folder = std::env::temp_dir().join(format!("aplomb-{name}"));
        fs::create_dir_all(&folder).map_err(|cause| Trouble::file(&folder, &cause))?;
    }
    let mut give = program("chown");
    give.arg(USER).arg(&folder);
    command::run(give)?;
    Ok(folder)
}
