//! How a failure is told inside a stream: as the event by which the caller's own API would tell it.

use std::sync::Arc;

use aplomb_core::dialect::render_event;
use aplomb_core::spec::{Endpoint, StreamForm};
use aplomb_core::{Dialect, Failure};
use bytes::Bytes;
use http::Method;

use crate::config::{Disclose, SharedQuota};
use crate::credential::Present;
use crate::forward;
use crate::id::RequestId;
use crate::problem;
use crate::setup::Target;
use crate::stage::plan::Plan;

/// Everything that is needed to tell of a failure once the plan is gone.
pub(crate) struct Teller {
    answer: &'static Dialect,
    form: Option<&'static StreamForm>,
    id: RequestId,
    /// The key of ours, if it is one of ours.
    key: Option<Arc<Present>>,
    ours: bool,
    /// What must not be logged.
    secrets: Vec<String>,
    as_unavailable: bool,
    disclose: Disclose,
    names: [String; 2],
    /// The upstream's own error events may pass: they are in the caller's dialect, and nothing is to be hidden.
    passes: bool,
}

impl Teller {
    /// In the answer dialect's form for this path, else its form of the same name, else its first, else plain SSE.
    pub(crate) fn new(
        plan: &Plan,
        target: &Target,
        endpoint: Option<&Endpoint>,
        upstream: Option<&'static StreamForm>,
    ) -> Self {
        let answer = plan.answer_dialect(target.dialect);
        let form = own_form(answer, &plan.received.method, &plan.received.rest)
            .or_else(|| {
                let same = target.dialect.is_some_and(|dialect| dialect.name == answer.name);
                answer.stream(endpoint.filter(|_| same)?.stream.as_deref()?)
            })
            .or_else(|| answer.stream(&upstream?.name))
            .or_else(|| answer.streams.first());
        let route = &plan.way().route;
        let key = target.own.as_ref().and_then(|own| own.present());
        let ours = target.own.is_some();
        let same = target.dialect.is_some_and(|dialect| dialect.name == answer.name);
        Self {
            answer,
            form,
            id: plan.received.id.clone(),
            passes: same && !ours && route.disclose == Disclose::Full,
            key,
            ours,
            secrets: forward::secrets(plan, target),
            as_unavailable: route.shared_quota == SharedQuota::Unavailable,
            disclose: route.disclose,
            names: [target.upstream.name.clone(), target.upstream.url.host.clone()],
        }
    }

    /// The event that tells of a failure.
    pub(crate) fn tell(&self, failure: &Failure) -> Bytes {
        let mut told = failure.clone();
        for secret in self.key.iter().flat_map(|key| &key.secrets) {
            problem::hide_key(&mut told, secret.expose());
        }
        if self.ours {
            problem::on_our_credential(&mut told, self.disclose, self.as_unavailable);
        }
        problem::withhold(&mut told, self.disclose, &[&self.names[0], &self.names[1]]);
        Bytes::from(render_event(self.answer, self.form, &told, Some(&*self.id)).0)
    }

    /// One that hides nothing.
    #[cfg(test)]
    pub(crate) fn plain(answer: &'static Dialect) -> Self {
        Self {
            answer,
            form: answer.streams.first(),
            id: RequestId::new(uuid::Uuid::nil()),
            key: None,
            ours: false,
            secrets: Vec::new(),
            as_unavailable: false,
            disclose: Disclose::Full,
            names: Default::default(),
            passes: true,
        }
    }

    /// Whether the upstream's own error events may pass.
    pub(crate) fn passes(&self) -> bool {
        self.passes
    }

    /// Takes out of a failure what must not be logged.
    pub(crate) fn hide_secrets(&self, failure: &mut Failure) {
        self.secrets.iter().for_each(|secret| problem::hide_key(failure, secret));
    }
}

/// The form of the stream that a dialect has at a path.
pub(crate) fn own_form(
    dialect: &'static Dialect,
    method: &Method,
    rest: &str,
) -> Option<&'static StreamForm> {
    dialect.stream(dialect.endpoint(method.as_str(), rest)?.stream.as_deref()?)
}
