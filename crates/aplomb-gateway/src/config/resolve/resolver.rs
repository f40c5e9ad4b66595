//! What every part of resolving needs at hand.

use std::path::{Path, PathBuf};

use aplomb_core::Dialect;

use crate::config::written::{At, Page};
use crate::config::{Surroundings, resolved, units};

/// The page for mistakes and the world outside of the file.
#[derive(Clone, Copy)]
pub(super) struct Resolver<'a> {
    /// Where mistakes are noted.
    pub(super) page: &'a Page<'a>,
    /// What may be asked.
    pub(super) around: &'a Surroundings<'a>,
    /// The folder of the file: relative paths begin there, wherever the gateway is started from.
    pub(super) folder: &'a Path,
}

impl<'a> Resolver<'a> {
    /// A file that must be readable; one that isn't is noted.
    pub(super) fn file(&self, path: At<PathBuf>) -> PathBuf {
        let full = self.folder.join(&path.value);
        if let Err(told) = (self.around.readable)(&full) {
            self.page.note(&path.spot, format!("can't read {}: {told}", full.display()));
        }
        full
    }

    /// A dialect by its name; an unknown one is noted.
    pub(super) fn dialect(&self, name: &At<String>) -> Option<&'a Dialect> {
        resolved::known(self.around.catalog, &name.value)
            .map_err(|told| self.page.note(&name.spot, told))
            .ok()
    }

    /// A size that must fit into the memory for bodies.
    pub(super) fn within(&self, memory: u64, size: Option<At<u64>>, default: usize) -> usize {
        let Some(size) = size else {
            return default.min(usize::try_from(memory).unwrap_or(usize::MAX));
        };
        if size.value > memory {
            let told = format!("more than `memory` of [server], which is {}", units::show_size(memory));
            self.page.note(&size.spot, told);
        }
        usize::try_from(size.value).unwrap_or(usize::MAX)
    }
}
