//! Whom the gateway asks.

use std::sync::Arc;

use aplomb_core::Dialect;

use crate::config::resolve::Resolver;
use crate::config::resolved::{at_host, with_kept_path};
use crate::config::written::{At, WrittenUpstream};
use crate::config::{Base, Credential, Server, Upstream};

/// An upstream with the name that it was given; absent where it has mistakes.
pub(super) type Named = (Option<At<String>>, Option<Arc<Upstream>>);

impl<'a> Resolver<'a> {
    /// All of `[[upstream]]`.
    pub(super) fn upstreams(&self, written: Vec<WrittenUpstream>, server: &Server) -> Vec<Named> {
        let mut named: Vec<Named> = Vec::with_capacity(written.len());
        for one in written {
            let name = one.name.clone();
            if let Some(name) = &name {
                self.refuse_taken(name, named.iter().filter_map(|(taken, _)| taken.as_ref()));
            }
            named.push((name, self.upstream(one, server)));
        }
        named
    }

    /// Notes that a name or a path was given before.
    pub(super) fn refuse_taken<'n>(&self, new: &At<String>, taken: impl Iterator<Item = &'n At<String>>) {
        let mut taken = taken;
        if let Some(first) = taken.find(|first| first.value == new.value) {
            let line = self.page.place(&first.spot).line;
            self.page.note(&new.spot, format!("`{}` is taken already, in line {line}", new.value));
        }
    }

    fn upstream(&self, written: WrittenUpstream, server: &Server) -> Option<Arc<Upstream>> {
        let named = written.dialect.as_ref().filter(|name| name.value != "auto");
        let dialect = named.and_then(|name| self.dialect(name));
        let url = self.url(&written, named.is_some(), dialect);
        let dialect = match (named, &url) {
            (None, Some(url)) => at_host(self.around.catalog, &url.host),
            _ => dialect,
        };
        let credential = match written.credential {
            None => Some(Credential::Caller),
            Some(at) => self.credential(at, dialect),
        };
        let more_keys: Option<Vec<_>> = written
            .more_keys
            .into_iter()
            .map(|at| self.credential(at, dialect).and_then(|one| one.ours().cloned()))
            .collect();
        let hold_bytes = self.within(server.memory, written.hold_bytes, Upstream::HOLD_BYTES);
        let ca = written.ca.map(|path| self.file(path));
        Some(Arc::new(Upstream {
            name: written.name?.value,
            url: with_kept_path(url?, dialect),
            dialect: dialect.map(|dialect| dialect.name.clone()),
            credential: credential?,
            more_keys: more_keys?,
            limits: written.limits,
            model_limits: written.model_limits,
            timeouts: written.timeouts,
            hold_bytes,
            ca,
            context: written.context,
        }))
    }

    /// The URL that is written, or the dialect's own.
    fn url(&self, written: &WrittenUpstream, names_dialect: bool, dialect: Option<&Dialect>) -> Option<Base> {
        if written.has_url {
            return written.url.as_ref().map(|at| at.value.clone());
        }
        let mut spot = written.spot.clone();
        spot.key.push_str(" url");
        let told = match (names_dialect, dialect) {
            (true, None) => return None,
            (_, Some(Dialect { base_url: Some(base_url), name, .. })) => match base_url.parse() {
                Ok(url) => return Some(url),
                Err(told) => format!("the base_url of the dialect `{name}`: {told}"),
            },
            (_, Some(dialect)) => {
                format!("missing; the dialect `{}` has no base URL of its own", dialect.name)
            }
            (false, None) => match written.name.as_ref().and_then(|at| self.around.catalog.get(&at.value)) {
                Some(same) => format!("missing; give a `url`, or `dialect = \"{}\"`", same.name),
                None => "missing; give a `url`, or a `dialect` that has one".to_owned(),
            },
        };
        self.page.note(&spot, told);
        None
    }
}
