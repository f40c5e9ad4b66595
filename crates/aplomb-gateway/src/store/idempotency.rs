//! Idempotency: who does a request under a key, and the answer that everybody else who asks under it gets.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::conn::{Conn, Row};
use super::error::StoreError;
use super::handle::Store;
use super::job::{Job, Operation, Sure};
use super::moment::Moment;
use super::reservation::{self, Reservation, Settle};

/// Somebody wants to do a request under a key.
#[derive(Clone, Debug)]
pub(crate) struct Claiming {
    /// Whose key it is.
    pub(crate) scope: String,
    /// The key.
    pub(crate) key: String,
    /// SHA-256 of what is asked for.
    pub(crate) fingerprint: [u8; 32],
    /// For how long its answer is kept.
    pub(crate) ttl: Duration,
    /// Whether to do it again when nobody knows how it went before.
    pub(crate) again_if_unknown: bool,
    /// Now.
    pub(crate) at: Moment,
}

/// The right to do a request under a key: until it is ended, everybody else waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    scope: String,
    key: String,
    /// Names this run.
    token: String,
}

/// What a claim came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// It is ours to do.
    Mine(Claim),
    /// Somebody does it.
    Running {
        /// Since when.
        since: Moment,
    },
    /// It was done, and this was the answer; absent if it was too large to keep.
    Finished(Option<Record>),
    /// It may have been done; this was heard of it, if anything was.
    Unknown(Option<Record>),
    /// Another request was made under this key.
    OtherPayload,
}

/// An answer that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its status.
    pub(crate) status: u16,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body, whole.
    pub(crate) body: Bytes,
}

struct Begin {
    claiming: Claiming,
    token: String,
    gateway: String,
}

impl Begin {
    fn claim(&self) -> Claim {
        let Claiming { scope, key, .. } = &self.claiming;
        Claim { scope: scope.clone(), key: key.clone(), token: self.token.clone() }
    }

    fn heard(&self, row: &Row) -> Result<Claimed, sqlx::Error> {
        let fingerprint: &[u8] = row.take(0)?;
        if fingerprint != self.claiming.fingerprint {
            return Ok(Claimed::OtherPayload);
        }
        let state: &str = row.take(1)?;
        match state {
            "running" => Ok(Claimed::Running { since: Moment(row.take(2)?) }),
            "finished" => Ok(Claimed::Finished(record(row)?)),
            _ => Ok(Claimed::Unknown(record(row)?)),
        }
    }
}

impl Operation for Begin {
    type Answer = Claimed;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Claimed, sqlx::Error> {
        // What is over its time is as good as gone, whether it was swept or not.
        const CLAIM: &str = "INSERT INTO idempotency \
             (scope, key, fingerprint, state, token, gateway, since, expires) \
             VALUES ($1, $2, $3, 'running', $4, $5, $6, $7) \
             ON CONFLICT (scope, key) DO UPDATE SET fingerprint = excluded.fingerprint, state = 'running', \
             token = excluded.token, gateway = excluded.gateway, since = excluded.since, \
             expires = excluded.expires, status = NULL, headers = NULL, body = NULL \
             WHERE idempotency.expires <= excluded.since OR ($8 = 1 AND idempotency.state = 'unknown' \
             AND idempotency.fingerprint = excluded.fingerprint)";
        const LOOK: &str = "SELECT fingerprint, state, since, status, headers, body FROM idempotency \
             WHERE scope = $1 AND key = $2";
        let Claiming { scope, key, fingerprint, ttl, again_if_unknown, at } = &self.claiming;
        let values = [
            scope.as_str().into(),
            key.as_str().into(),
            fingerprint.as_slice().into(),
            self.token.as_str().into(),
            self.gateway.as_str().into(),
            at.0.into(),
            at.after(*ttl).0.into(),
            i64::from(*again_if_unknown).into(),
        ];
        // Between the two statements another gateway may let go of the key: then it is free after all.
        for _ in 0..3 {
            if conn.run(CLAIM, &values).await? == 1 {
                return Ok(Claimed::Mine(self.claim()));
            }
            if let Some(row) = conn.one(LOOK, &values[..2]).await? {
                return self.heard(&row);
            }
        }
        Ok(Claimed::Running { since: *at })
    }

    fn undo(&self) -> Option<Box<dyn Job>> {
        Some(Sure::job(Forget(self.claim())))
    }
}

fn record(row: &Row) -> Result<Option<Record>, sqlx::Error> {
    let Some(status) = row.take::<Option<i64>>(3)? else { return Ok(None) };
    let headers: Option<&str> = row.take(4)?;
    let body: Option<&[u8]> = row.take(5)?;
    Ok(Some(Record {
        status: u16::try_from(status).unwrap_or(500),
        headers: headers_of(headers.unwrap_or("[]")),
        body: Bytes::copy_from_slice(body.unwrap_or_default()),
    }))
}

/// Headers as JSON: a list of pairs, each byte of a value as one character, so that nothing is lost.
fn text_of(headers: &HeaderMap) -> String {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        let value: String = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
        serde_json::Value::from(vec![name.as_str().to_owned(), value])
    };
    serde_json::Value::from(headers.iter().map(pair).collect::<Vec<_>>()).to_string()
}

/// Reads them back; what can't be read is left out.
fn headers_of(text: &str) -> HeaderMap {
    let pairs: Vec<(String, String)> = serde_json::from_str(text).unwrap_or_default();
    let pair = |(name, value): &(String, String)| {
        let bytes: Option<Vec<u8>> =
            value.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
        Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(&bytes?).ok()?))
    };
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs.iter().filter_map(pair) {
        headers.append(name, value);
    }
    headers
}

/// How a claim ends.
struct Finish {
    claim: Claim,
    state: &'static str,
    record: Option<Record>,
    settle: Option<Settle>,
}

impl Operation for Finish {
    type Answer = ();

    async fn run(&self, conn: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        // `unknown` too: another gateway may have taken this one for dead.
        const SQL: &str = "UPDATE idempotency SET state = $4, status = $5, headers = $6, body = $7 \
             WHERE scope = $1 AND key = $2 AND token = $3 AND state <> 'finished'";
        let headers = self.record.as_ref().map(|record| text_of(&record.headers));
        let values = [
            self.claim.scope.as_str().into(),
            self.claim.key.as_str().into(),
            self.claim.token.as_str().into(),
            self.state.into(),
            self.record.as_ref().map(|record| i64::from(record.status)).into(),
            headers.as_deref().into(),
            super::conn::Value::Bytes(self.record.as_ref().map(|record| &*record.body)),
        ];
        conn.run(SQL, &values).await?;
        match &self.settle {
            Some(settle) => reservation::settle(conn, settle).await,
            None => Ok(()),
        }
    }
}

/// A claim that never came to anything.
struct Forget(Claim);

impl Operation for Forget {
    type Answer = ();

    async fn run(&self, conn: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        const SQL: &str = "DELETE FROM idempotency \
             WHERE scope = $1 AND key = $2 AND token = $3 AND state <> 'finished'";
        let Claim { scope, key, token } = &self.0;
        conn.run(SQL, &[scope.as_str().into(), key.as_str().into(), token.as_str().into()]).await.map(drop)
    }
}

/// How many records one sweep takes: a transaction stays short.
const PORTION: i64 = 500;

/// Removes what is over its time.
pub(super) struct Sweep(pub(super) Moment);

impl Operation for Sweep {
    /// Whether there may be more.
    type Answer = bool;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
        const SQL: &str = "DELETE FROM idempotency WHERE (scope, key) IN \
             (SELECT scope, key FROM idempotency WHERE expires <= $1 ORDER BY expires LIMIT $2)";
        const CHANGES: &str = "DELETE FROM changes WHERE n <= (SELECT n FROM last_change) - $1";
        conn.run(CHANGES, &[super::changes::KEPT.into()]).await?;
        let gone = conn.run(SQL, &[self.0.0.into(), PORTION.into()]).await?;
        Ok(gone >= PORTION.unsigned_abs())
    }
}

impl Store {
    /// Claims the right to do a request.
    ///
    /// # Errors
    /// The store's trouble.
    pub(crate) async fn claim(&self, claiming: Claiming) -> Result<Claimed, StoreError> {
        let token = uuid::Uuid::now_v7().simple().to_string();
        self.ask(Begin { claiming, token, gateway: self.gateway().to_owned() }).await
    }

    /// Keeps the answer and settles the money, both or neither. When this is over, it outlives everything.
    ///
    /// # Errors
    /// The store's trouble; then it is done as soon as it is over.
    pub(crate) async fn finish(
        &self,
        claim: Claim,
        record: Option<Record>,
        money: Option<(Reservation, i64)>,
    ) -> Result<(), StoreError> {
        self.end(claim, "finished", record, money).await
    }

    /// Leaves it open how it went: an upstream may have acted, and this was heard of it.
    ///
    /// # Errors
    /// The store's trouble; then it is done as soon as it is over.
    pub(crate) async fn leave_unknown(
        &self,
        claim: Claim,
        record: Option<Record>,
        money: Option<(Reservation, i64)>,
    ) -> Result<(), StoreError> {
        self.end(claim, "unknown", record, money).await
    }

    /// The same where nobody can wait for it.
    pub(crate) fn abandon(&self, claim: Claim, money: Option<(Reservation, i64)>) {
        self.see_to(ending(claim, "unknown", None, money));
    }

    /// Gives the key back as if it had never been claimed: nothing was sent, or nothing came of it.
    pub(crate) fn forget(&self, claim: Claim) {
        self.see_to(Forget(claim));
    }

    /// The same, awaited.
    ///
    /// # Errors
    /// The store's trouble; then it is done as soon as it is over.
    pub(crate) async fn forgotten(&self, claim: Claim) -> Result<(), StoreError> {
        self.ask_surely(Forget(claim)).await
    }

    async fn end(
        &self,
        claim: Claim,
        state: &'static str,
        record: Option<Record>,
        money: Option<(Reservation, i64)>,
    ) -> Result<(), StoreError> {
        self.ask_surely(ending(claim, state, record, money)).await
    }
}

fn ending(
    claim: Claim,
    state: &'static str,
    record: Option<Record>,
    money: Option<(Reservation, i64)>,
) -> Finish {
    let settle =
        money.map(|(reservation, amount)| Settle { reservation, amount: amount.max(0), at: Moment::now() });
    Finish { claim, state, record, settle }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were() {
        let mut headers = HeaderMap::new();
        headers.append("x-one", HeaderValue::from_static("a \"b\" \\ c"));
        headers.append("x-one", HeaderValue::from_bytes(b"caf\xe9\xff").unwrap());
        headers.append("content-type", HeaderValue::from_static("text/event-stream"));
        assert_eq!(headers_of(&text_of(&headers)), headers);
        assert_eq!(headers_of("[[\"bad name\", \"x\"], [\"x-ok\", \"\u{400}\"]]"), HeaderMap::new());
        assert_eq!(headers_of("spoilt"), HeaderMap::new());
    }
}
