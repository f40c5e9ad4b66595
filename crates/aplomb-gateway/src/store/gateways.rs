//! Which gateways share the store, which of them live, and what becomes of the work of one that died.
//!
//! No clocks are compared: a gateway lives as long as its number grows.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::conn::Conn;
use super::job::Operation;
use super::moment::Moment;

/// How long a number may stand still before its gateway counts as dead: six beats, so that a slow server kills nobody.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many reservations are given back in one transaction.
const PORTION: i64 = 1000;

/// Says that this gateway lives; the others and their numbers.
pub(super) struct Beat {
    pub(super) gateway: String,
    pub(super) beat: i64,
    pub(super) at: Moment,
}

impl Operation for Beat {
    type Answer = Vec<(String, i64)>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Self::Answer, sqlx::Error> {
        const BEAT: &str = "INSERT INTO gateways (id, beat, started, seen) VALUES ($1, $2, $3, $3) \
             ON CONFLICT (id) DO UPDATE SET beat = excluded.beat, seen = excluded.seen";
        // One that was recovered may still have written something since.
        const OTHERS: &str = "SELECT id, beat FROM gateways WHERE id <> $1 \
             UNION SELECT gateway, 0 FROM reservations WHERE gateway NOT IN (SELECT id FROM gateways) \
             UNION SELECT gateway, 0 FROM idempotency \
             WHERE state = 'running' AND gateway NOT IN (SELECT id FROM gateways)";
        conn.run(BEAT, &[self.gateway.as_str().into(), self.beat.into(), self.at.0.into()]).await?;
        let rows = conn.all(OTHERS, &[self.gateway.as_str().into()]).await?;
        rows.iter().map(|row| Ok((row.take(0)?, row.take(1)?))).collect()
    }
}

/// What was left by a gateway that died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Reservations given back.
    pub(super) reservations: u64,
    /// Requests under a key of which nobody knows how they went.
    pub(super) unknown: u64,
    /// There may be more.
    pub(super) more: bool,
}

impl Left {
    /// Says so, if there is something to say.
    pub(super) fn tell(&self, gateway: &str) {
        let Self { reservations, unknown, .. } = self;
        if *reservations > 0 || *unknown > 0 {
            let what = "a gateway ended without warning: its reservations are given back, and nobody knows how its \
                        requests under keys went";
            tracing::warn!(target: "aplomb::store", gateway, reservations, unknown, "{what}");
        }
    }
}

/// Gives back what a gateway had put aside, and notes that nobody knows how its requests under keys went.
///
/// Nothing of an answer is known to have been delivered: what was, was settled together with the record of it, or
/// right after. So the caller's money is given back rather than taken for nothing.
pub(super) struct Recover(pub(super) String);

impl Operation for Recover {
    type Answer = Left;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Left, sqlx::Error> {
        const TAKE: &str = "DELETE FROM reservations WHERE id IN \
             (SELECT id FROM reservations WHERE gateway = $1 LIMIT $2) RETURNING account, amount";
        const GIVE: &str = "UPDATE accounts SET reserved = reserved - $2 WHERE id = $1";
        const UNKNOWN: &str =
            "UPDATE idempotency SET state = 'unknown' WHERE gateway = $1 AND state = 'running'";
        const GONE: &str = "DELETE FROM gateways WHERE id = $1";
        let rows = conn.all(TAKE, &[self.0.as_str().into(), PORTION.into()]).await?;
        // In the order of accounts, so that two who recover at once wait for each other and not in a circle.
        let mut sums = BTreeMap::<String, i64>::new();
        for row in &rows {
            *sums.entry(row.take(0)?).or_default() += row.take::<i64>(1)?;
        }
        for (account, sum) in sums {
            conn.run(GIVE, &[account.as_str().into(), sum.into()]).await?;
        }
        let reservations = rows.len() as u64;
        if reservations >= PORTION.unsigned_abs() {
            return Ok(Left { reservations, unknown: 0, more: true });
        }
        let unknown = conn.run(UNKNOWN, &[self.0.as_str().into()]).await?;
        conn.run(GONE, &[self.0.as_str().into()]).await?;
        Ok(Left { reservations, unknown, more: false })
    }
}

/// Who of the others lives, as far as can be seen from here.
#[derive(Debug, Default)]
pub(super) struct Watch(HashMap<String, (i64, Instant)>);

impl Watch {
    /// Looks at the others' numbers; who is dead by now.
    pub(super) fn look(&mut self, others: Vec<(String, i64)>, now: Instant) -> Vec<String> {
        self.0.retain(|id, _| others.iter().any(|(other, _)| other == id));
        let mut dead = Vec::new();
        for (id, beat) in others {
            let (last, since) = self.0.entry(id.clone()).or_insert((beat, now));
            if *last != beat {
                (*last, *since) = (beat, now);
            } else if now.saturating_duration_since(*since) >= PATIENCE {
                dead.push(id);
            }
        }
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_dead_once_its_number_stood_still_for_half_a_minute() {
        let (mut watch, begin) = (Watch::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let one = |beat| vec![("one".to_owned(), beat)];
        assert!(watch.look(one(7), at(0)).is_empty());
        assert!(watch.look(one(7), at(29)).is_empty());
        assert!(watch.look(one(8), at(30)).is_empty(), "it beats");
        assert!(watch.look(one(8), at(59)).is_empty());
        assert_eq!(watch.look(one(8), at(60)), ["one"]);
        assert!(watch.look(Vec::new(), at(61)).is_empty(), "it is gone");
    }
}
