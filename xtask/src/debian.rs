//! Programs that come as Debian packages: used if they are here, installed if we may, asked for otherwise.

use crate::command::{self, program};
use crate::trouble::{Outcome, Trouble};

/// A program and the package that brings it.
pub(crate) struct Need {
    /// What it is needed for, to say so.
    pub(crate) purpose: &'static str,
    /// Whether it is here: a command that succeeds if so.
    pub(crate) probe: &'static [&'static str],
    /// The Debian packages that bring it.
    pub(crate) packages: &'static [&'static str],
}

/// Makes every need met, through `apt-get` where it may.
///
/// # Errors
/// Something is missing and can't be installed: the trouble says which packages to install.
pub(crate) fn provide(needs: &[Need]) -> Outcome {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.met()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        println!("xtask: {} needs {}", need.purpose, need.packages.join(" "));
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    install(&packages)?;
    match missing.iter().find(|need| !need.met()) {
        None => Ok(()),
        Some(need) => Err(Trouble::new(format!(
            "`{}` still fails after installing {}",
            need.probe.join(" "),
            need.packages.join(" ")
        ))),
    }
}

impl Need {
    fn met(&self) -> bool {
        let Some((name, words)) = self.probe.split_first() else { return true };
        let mut probe = program(name);
        probe.args(words);
        command::works(probe)
    }
}

fn install(packages: &[&str]) -> Outcome {
    let line = format!("apt-get install --yes --no-install-recommends {}", packages.join(" "));
    let mut whoami = program("id");
    whoami.arg("-u");
    let root = command::read(whoami).is_ok_and(|id| id.trim() == "0");
    let mut apt = program("apt-get");
    apt.arg("--version");
    if !root || !command::works(apt) {
        return Err(Trouble::new(format!(
            "please install what is missing (on Debian: sudo {line}) and try again"
        )));
    }
    let mut update = program("apt-get");
    update.args(["update", "--quiet"]).env("DEBIAN_FRONTEND", "noninteractive");
    // A stale list may still hold the package: let the installation itself be the judge.
    if let Err(trouble) = command::run(update) {
        println!("xtask: {trouble}; trying with the package list that is here");
    }
    let mut install = program("apt-get");
    install.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    command::run(install)
}
