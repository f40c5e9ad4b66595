//! Where requests go.

use std::sync::Arc;

use crate::config::resolve::Resolver;
use crate::config::resolve::protect::Common;
use crate::config::resolve::upstream::Named;
use crate::config::written::{At, WrittenEqual, WrittenFallback, WrittenRoute, nearest};
use crate::config::{Disclose, Equal, Fallback, Route, Server, Upstream};

impl Resolver<'_> {
    /// All of `[[route]]`; absent where one has mistakes.
    pub(super) fn routes(
        &self,
        written: Vec<WrittenRoute>,
        upstreams: &[Named],
        server: &Server,
        common: Common<'_>,
    ) -> Option<Vec<Arc<Route>>> {
        let mut paths: Vec<At<String>> = Vec::with_capacity(written.len());
        let mut routes = Vec::with_capacity(written.len());
        for one in written {
            if let Some(path) = &one.path {
                self.refuse_taken(path, paths.iter());
                paths.push(path.clone());
            }
            routes.push(self.route(one, upstreams, server, common));
        }
        routes.into_iter().collect()
    }

    fn route(
        &self,
        written: WrittenRoute,
        upstreams: &[Named],
        server: &Server,
        common: Common<'_>,
    ) -> Option<Arc<Route>> {
        let protect = self.protect(written.protect, common);
        let firsts: Vec<_> =
            written.upstream.iter().map(|one| self.named(&one.upstream, upstreams)).collect();
        let first = firsts.first().copied().flatten();
        let answer = written.answer.as_ref().map(|name| self.dialect(name));
        let replay_bytes = self.within(server.memory, written.replay_bytes, Route::REPLAY_BYTES);
        let spots: Vec<_> = written.fallback.iter().map(|one| one.upstream.spot.clone()).collect();
        let fallback: Vec<_> =
            written.fallback.into_iter().map(|one| self.fallback(one, first, upstreams)).collect();
        if let Some(first) = first {
            for (fallback, spot) in fallback.iter().zip(&spots) {
                self.refuse_leak(first, fallback.as_ref().map(|fallback| &*fallback.upstream), spot);
            }
            for (equal, one) in firsts.iter().zip(&written.upstream).skip(1) {
                self.refuse_leak(first, equal.map(|equal| &**equal), &one.upstream.spot);
            }
        }
        let weight = written.upstream.first().map_or(1, |one| one.weight);
        let equal = |(upstream, one): (&Option<&Arc<Upstream>>, &WrittenEqual)| {
            Some(Equal { upstream: Arc::clone((*upstream)?), weight: one.weight })
        };
        let equals = firsts.iter().zip(&written.upstream).skip(1).map(equal).collect::<Option<Vec<_>>>()?;
        let upstream = Arc::clone(first?);
        let fallback = fallback.into_iter().collect::<Option<Vec<_>>>()?;
        let credentials = || {
            let equals = equals.iter().map(|one| &one.upstream);
            std::iter::once(&upstream).chain(equals).chain(fallback.iter().map(|one| &one.upstream))
        };
        let disclose = Disclose::default_for(credentials().map(|one| &one.credential));
        let route = Route {
            path: written.path?.value,
            answer: match answer {
                Some(named) => Some(named?.name.clone()),
                None => upstream.dialect.clone(),
            },
            upstream,
            weight,
            equals,
            fallback,
            open: written.open,
            retry: written.retry,
            queue: written.queue,
            hedge: written.hedge,
            disclose: written.disclose.unwrap_or(disclose),
            trail: written.trail.unwrap_or_default(),
            shared_quota: written.shared_quota.unwrap_or_default(),
            stream: written.stream.unwrap_or_default(),
            keepalive: written.keepalive.unwrap_or_default(),
            replay_bytes,
            protect,
        };
        self.refuse_gift(&route, &written.spot, server);
        Some(Arc::new(route))
    }

    fn fallback(
        &self,
        written: WrittenFallback,
        first: Option<&Arc<Upstream>>,
        upstreams: &[Named],
    ) -> Option<Fallback> {
        let upstream = self.named(&written.upstream, upstreams)?;
        if written.model.is_none() && first.is_some_and(|first| first.name == upstream.name) {
            let told = "this is the route's own upstream; name another `model`, or raise `retry.attempts`";
            self.page.note(&written.upstream.spot, told);
        }
        Some(Fallback { upstream: Arc::clone(upstream), model: written.model, context: written.context })
    }

    /// The upstream of that name. An unknown one is noted; one with mistakes has its notes already.
    fn named<'u>(&self, name: &At<String>, upstreams: &'u [Named]) -> Option<&'u Arc<Upstream>> {
        let names = || upstreams.iter().filter_map(|(name, _)| Some(name.as_ref()?.value.as_str()));
        if let Some((_, upstream)) =
            upstreams.iter().find(|(own, _)| own.as_ref().is_some_and(|own| own.value == name.value))
        {
            return upstream.as_ref();
        }
        let hint = match nearest(&name.value, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if upstreams.is_empty() => "there is no [[upstream]]".to_owned(),
            None => format!("known are `{}`", names().collect::<Vec<_>>().join("`, `")),
        };
        self.page.note(&name.spot, format!("no upstream is called `{}`; {hint}", name.value));
        None
    }
}
