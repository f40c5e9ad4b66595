//! The setup that a request begins with and keeps: the configuration, with everything found in it that routing needs.

use std::collections::HashMap;
use std::sync::Arc;

use aplomb_core::{Catalog, Dialect};
use http::{HeaderMap, HeaderName, Uri};

use crate::config::{Config, Hop, Keys, NoRoute, Route, Upstream};
use crate::credential::{Credentials, KeyError, Own};
use crate::metrics::{RouteMeter, UpstreamMeter};
use crate::names::NameSet;
use crate::net::{Origin, OriginError, Trust, TrustError, TrustedProxies};

/// A configuration, resolved against dialects and origins; replaced as a whole at a reload.
#[derive(Debug)]
pub(crate) struct Setup {
    /// What was configured.
    pub(crate) config: Config,
    /// All dialects.
    pub(crate) catalog: &'static Catalog,
    /// Every header that carries a credential in some dialect.
    pub(crate) credential_headers: NameSet,
    /// By which header and prefix callers of which dialect send their credential, the highest rank first.
    pub(crate) credential_ways: Vec<CredentialWay>,
    /// Every query parameter that does.
    pub(crate) credential_params: Vec<&'static str>,
    /// By which header each dialect that has one names a request.
    request_id_headers: Vec<(&'static str, HeaderName)>,
    /// The dialect in which every route answers, if it is one and the same.
    common: Option<&'static Dialect>,
    /// Whose word about callers' addresses counts.
    pub(crate) proxies: Arc<TrustedProxies>,
    /// Found by the route that they are of.
    ways: Vec<Arc<Way>>,
    /// What is counted of requests without a route.
    pub(crate) unrouted: Arc<RouteMeter>,
}

/// How callers of a dialect send their credential.
#[derive(Debug)]
pub(crate) struct CredentialWay {
    header: HeaderName,
    prefix: &'static str,
    dialect: &'static Dialect,
}

/// A route with its upstreams resolved.
#[derive(Debug)]
pub(crate) struct Way {
    /// As configured.
    pub(crate) route: Arc<Route>,
    /// Whom to ask, in order; those of one rank stand together.
    pub(crate) targets: Vec<Target>,
    /// The dialect of failures, when the route or its upstream names one.
    pub(crate) answer: Option<&'static Dialect>,
    /// What is counted of its requests.
    pub(crate) meter: Arc<RouteMeter>,
}

/// One upstream of a route, with one credential.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Its name, for the trail.
    pub(crate) name: Arc<str>,
    /// As configured.
    pub(crate) upstream: Arc<Upstream>,
    /// Where it is.
    pub(crate) origin: Origin,
    /// What it speaks, when that is known.
    pub(crate) dialect: Option<&'static Dialect>,
    /// The model to name instead of the caller's.
    pub(crate) model: Option<String>,
    /// How many tokens fit, if declared.
    pub(crate) context: Option<u64>,
    /// The caller's own credential passes through.
    pub(crate) is_callers: bool,
    /// The credential of ours that it is asked with.
    pub(crate) own: Option<Arc<Own>>,
    /// Which of the upstream's credentials that is.
    pub(crate) slot: u64,
    /// Those of a lower rank are asked first.
    pub(crate) rank: usize,
    /// How much of its rank's load it takes.
    pub(crate) weight: u32,
    /// The headers by which its answers tell of limits.
    pub(crate) limit_headers: NameSet,
    /// What is counted of attempts there.
    pub(crate) meter: Arc<UpstreamMeter>,
}

impl Way {
    /// Where the targets of a rank stand; empty when there is none of that rank.
    pub(crate) fn rank(&self, rank: usize) -> std::ops::Range<usize> {
        let start = self.targets.partition_point(|target| target.rank < rank);
        start..self.targets.partition_point(|target| target.rank <= rank)
    }
}

/// Why a configuration can't be served.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An upstream's URL.
    #[error("upstream `{name}`: {source}")]
    Origin {
        /// The upstream's name.
        name: String,
        /// What is wrong with its URL.
        source: OriginError,
    },
    /// An upstream's extra certificate authorities.
    #[error("upstream `{name}`: {source}")]
    Trust {
        /// The upstream's name.
        name: String,
        /// What is wrong with the file.
        source: TrustError,
    },
    /// A credential of ours.
    #[error("upstream `{name}`: {source}")]
    Key {
        /// The upstream's name.
        name: String,
        /// What is wrong with it.
        source: KeyError,
    },
}

impl Setup {
    /// Resolves a configuration; what was there `before` goes on counting.
    ///
    /// # Errors
    /// The first upstream that can't be reached as it is configured.
    pub(crate) fn new(
        config: Config,
        catalog: &'static Catalog,
        credentials: &Credentials,
        before: Option<&Self>,
    ) -> Result<Self, SetupError> {
        let mut ways = Vec::new();
        let meters = upstream_meters(&config, before);
        for route in config.routes.iter() {
            let targets = route
                .hops()
                .map(|hop| targets(hop, catalog, credentials, &meters))
                .collect::<Result<Vec<_>, _>>()?
                .concat();
            let named = route.answer.as_deref().and_then(|name| catalog.get(name));
            let answer = named.or_else(|| targets.first().and_then(|target: &Target| target.dialect));
            let old = before.and_then(|before| before.ways.iter().find(|way| way.route.path == route.path));
            let meter = old.map(|way| Arc::clone(&way.meter)).unwrap_or_default();
            let way = Way { route: Arc::clone(route), targets, answer, meter };
            ways.push(Arc::new(way));
        }
        let auths = || catalog.dialects().filter_map(|dialect| dialect.auth.as_ref());
        let credential_headers: NameSet = auths()
            .flat_map(|auth| std::iter::once(&auth.header).chain(&auth.also))
            .filter_map(|name| name.parse().ok())
            .chain([http::header::AUTHORIZATION, http::header::COOKIE, http::header::PROXY_AUTHORIZATION])
            .collect();
        let mut credential_params: Vec<&'static str> =
            auths().filter_map(|auth| auth.query.as_deref()).collect();
        credential_params.push("key");
        credential_params.sort_unstable();
        credential_params.dedup();
        let credential_ways = credential_ways(catalog);
        let request_id_headers = catalog
            .dialects()
            .filter_map(|dialect| {
                let header = dialect.request_id_headers.first()?.parse().ok()?;
                Some((dialect.name.as_str(), header))
            })
            .collect();
        let common = common(ways.iter().map(|way| way.answer));
        let proxies = Arc::new(TrustedProxies::new(config.server.trusted_proxies.clone()));
        Ok(Self {
            config,
            catalog,
            credential_headers,
            credential_ways,
            credential_params,
            request_id_headers,
            common,
            proxies,
            ways,
            unrouted: before.map(|before| Arc::clone(&before.unrouted)).unwrap_or_default(),
        })
    }

    /// The header by which a dialect names a request.
    pub(crate) fn request_id_header(&self, dialect: &Dialect) -> Option<&HeaderName> {
        let known = self.request_id_headers.iter().find(|(name, _)| *name == dialect.name);
        known.map(|(_, header)| header)
    }

    /// The dialect whose way of sending credentials a request uses; of several the one of highest rank.
    fn by_credential(&self, headers: &HeaderMap) -> Option<&'static Dialect> {
        let uses = |way: &&CredentialWay| {
            headers.get(&way.header).is_some_and(|value| value.as_bytes().starts_with(way.prefix.as_bytes()))
        };
        self.credential_ways.iter().find(uses).map(|way| way.dialect)
    }

    /// Every route.
    pub(crate) fn ways(&self) -> &[Arc<Way>] {
        &self.ways
    }

    /// Every target of every route.
    pub(crate) fn targets(&self) -> Vec<&Target> {
        self.ways.iter().flat_map(|way| &way.targets).collect()
    }

    /// The dialect for a request that belongs to no route: the one whose credential header was used, else what every
    /// route answers in.
    ///
    /// A dialect that every route answers in comes first where the credential fits it too, and where its contract is
    /// closed: that one promises that no other status is ever seen here.
    pub(crate) fn without_route(&self, headers: &HeaderMap) -> Option<&'static Dialect> {
        let fits = |dialect: &&'static Dialect| {
            let auth = dialect.auth.as_ref();
            auth.and_then(|auth| Some((headers.get(&auth.header)?, auth)))
                .is_some_and(|(value, auth)| value.as_bytes().starts_with(auth.prefix.as_bytes()))
        };
        let first = self.common.filter(|common| common.closed || fits(common));
        first.or_else(|| self.by_credential(headers)).or(self.common)
    }

    /// The dialect for a request of which not even the head could be read.
    pub(crate) fn unread(&self) -> Option<&'static Dialect> {
        self.common
    }

    /// The route by which a caller hears of itself who asks behind none: the first that asks for keys, else the first
    /// that counts.
    pub(crate) fn for_state(&self) -> Option<&Arc<Way>> {
        let mut counting = self.ways.iter().filter(|way| way.route.protect.tells_state());
        let keyed = counting.clone().find(|way| way.route.protect.keys == Keys::Required);
        keyed.or_else(|| counting.next())
    }

    /// The route of a path, and what lies behind its prefix.
    ///
    /// # Errors
    /// No route, or a path that is refused.
    pub(crate) fn find<'p>(&self, path: &'p str) -> Result<(&Arc<Way>, &'p str), NoRoute> {
        let found = self.config.routes.find(path)?;
        let way =
            self.ways.iter().find(|way| Arc::ptr_eq(&way.route, found.route)).ok_or(NoRoute::Unknown)?;
        Ok((way, found.rest))
    }
}

/// The dialect that all have in common.
fn common(mut answers: impl Iterator<Item = Option<&'static Dialect>>) -> Option<&'static Dialect> {
    let first = answers.next()??;
    answers.all(|other| other.is_some_and(|other| other.name == first.name)).then_some(first)
}

/// One way for each header and prefix: the dialect of highest rank has it.
fn credential_ways(catalog: &'static Catalog) -> Vec<CredentialWay> {
    let mut dialects: Vec<&'static Dialect> = catalog.dialects().collect();
    dialects.sort_by_key(|dialect| std::cmp::Reverse(dialect.detect.rank));
    let mut ways: Vec<CredentialWay> = Vec::new();
    for dialect in dialects {
        let Some(auth) = &dialect.auth else { continue };
        let Ok(header) = auth.header.parse::<HeaderName>() else { continue };
        if !ways.iter().any(|way| way.header == header && way.prefix == auth.prefix) {
            ways.push(CredentialWay { header, prefix: &auth.prefix, dialect });
        }
    }
    ways
}

/// What is counted of each upstream, by its name.
type UpstreamMeters = HashMap<String, Arc<UpstreamMeter>>;

fn upstream_meters(config: &Config, before: Option<&Setup>) -> UpstreamMeters {
    let old = before.map(Setup::targets).unwrap_or_default();
    let meter = |name: &str| {
        let old = old.iter().find(|target| &*target.name == name);
        old.map(|target| Arc::clone(&target.meter)).unwrap_or_default()
    };
    config.upstreams.iter().map(|upstream| (upstream.name.clone(), meter(&upstream.name))).collect()
}

/// An upstream with each of its credentials.
fn targets(
    hop: Hop<'_>,
    catalog: &'static Catalog,
    credentials: &Credentials,
    meters: &UpstreamMeters,
) -> Result<Vec<Target>, SetupError> {
    let upstream = Arc::clone(hop.upstream);
    let url: Uri = upstream
        .url
        .origin()
        .parse()
        .map_err(|_| SetupError::Origin { name: upstream.name.clone(), source: OriginError::Host })?;
    let origin =
        Origin::of(&url).map_err(|source| SetupError::Origin { name: upstream.name.clone(), source })?;
    if let Some(file) = &upstream.ca {
        // Read once more by every worker's pool; here only to refuse a bad file before anything is served.
        Trust::with_file(file).map_err(|source| SetupError::Trust { name: upstream.name.clone(), source })?;
    }
    let dialect = upstream.dialect.as_deref().and_then(|name| catalog.get(name));
    let name: Arc<str> = Arc::from(upstream.name.as_str());
    let rows = dialect.into_iter().flat_map(|dialect| &dialect.limits);
    let names = rows.filter_map(|row| row.remaining.as_deref().or(row.limit.as_deref()));
    let limit_headers: NameSet =
        names.chain(["ratelimit", "x-ratelimit-remaining"]).filter_map(|name| name.parse().ok()).collect();
    let meter = meters.get(&upstream.name).cloned().unwrap_or_default();
    let mut own = Vec::with_capacity(1 + upstream.more_keys.len());
    for key in upstream.credential.ours().into_iter().chain(&upstream.more_keys) {
        let found = credentials.find(&name, key);
        own.push(Some(found.map_err(|source| SetupError::Key { name: upstream.name.clone(), source })?));
    }
    if own.is_empty() {
        own.push(None);
    }
    let one = |(slot, own)| Target {
        name: Arc::clone(&name),
        upstream: Arc::clone(&upstream),
        origin: origin.clone(),
        dialect,
        model: hop.model.map(str::to_owned),
        context: hop.context,
        is_callers: upstream.credential.is_callers(),
        own,
        slot,
        rank: hop.rank,
        weight: hop.weight,
        limit_headers: limit_headers.clone(),
        meter: Arc::clone(&meter),
    };
    Ok((0..).zip(own).map(one).collect())
}
