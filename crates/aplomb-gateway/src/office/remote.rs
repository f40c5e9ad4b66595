//! The office of a gateway that runs elsewhere, asked over its admin port.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use super::desk::OfficeAnswer;
use crate::net::{Body, Origin, OriginError, Patience, Pool, PoolSettings};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long connecting may take of that.
const CONNECT: Duration = Duration::from_secs(5);

/// The most bytes of an answer: a page of a thousand changes, each with what was there before and after.
const LARGEST: usize = 16 << 20;

/// Who asks, for the audit table.
pub(crate) const WHO: HeaderName = HeaderName::from_static("aplomb-who");

/// An admin port.
pub struct RemoteOffice {
    origin: Origin,
    pool: Pool,
    token: HeaderValue,
    who: HeaderValue,
}

/// Why an admin port can't be asked.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Its URL.
    #[error("the admin port's URL can't be used: {0}")]
    Url(#[from] OriginError),
    /// The token can't stand in a header.
    #[error("the token has characters that no token has; is the file the right one?")]
    Token,
    /// Nobody answers there.
    #[error("the admin port at {0} can't be reached: {1}")]
    Unreached(String, String),
    /// The answer broke off or never came.
    #[error("the admin port at {0} gave no whole answer")]
    Unanswered(String),
}

impl RemoteOffice {
    /// An admin port at this URL, such as `http://127.0.0.1:4101`; whatever stands behind the port is left out.
    ///
    /// # Errors
    /// The URL or the token can't be used.
    pub fn new(url: &str, token: &str, who: &str) -> Result<Self, RemoteError> {
        let url: Uri = url.parse().map_err(|_| OriginError::Host)?;
        let origin = Origin::of(&url)?;
        let mut token =
            HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(|_| RemoteError::Token)?;
        token.set_sensitive(true);
        let who = HeaderValue::try_from(who).unwrap_or(HeaderValue::from_static("command"));
        Ok(Self { origin, pool: Pool::new(PoolSettings::default()), token, who })
    }

    /// Asks one question; within a `LocalSet`.
    ///
    /// # Errors
    /// There is no whole answer.
    pub async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Vec<u8>,
    ) -> Result<OfficeAnswer, RemoteError> {
        let at = || self.origin.authority().to_string();
        let mut request = Request::new(if body.is_empty() { Body::empty() } else { Body::full(body) });
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().map_err(|_| RemoteError::Unanswered(at()))?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.token.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(WHO, self.who.clone());
        let patience = Patience { connect: CONNECT, headers: PATIENCE };
        let sent = self.pool.send(&self.origin, request, patience).await;
        let answer = sent.map_err(|error| RemoteError::Unreached(at(), error.to_string()))?;
        let (head, body) = answer.into_parts();
        let whole = timeout(PATIENCE, Limited::new(body, LARGEST).collect()).await;
        let body = whole.ok().and_then(Result::ok).ok_or_else(|| RemoteError::Unanswered(at()))?;
        let body = body.to_bytes().to_vec();
        Ok(OfficeAnswer { status: head.status.as_u16(), content_type: "application/json", body, allow: None })
    }
}
