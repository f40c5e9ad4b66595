//! Money: what a request is likely to cost, put aside before it is sent, and what it did cost when it is over.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aplomb_core::Dialect;
use aplomb_core::dialect::Usage;
use bytes::Bytes;

use crate::config::Cost;
use crate::lanes::BYTES_PER_TOKEN;
use crate::store::{AccountId, Reservation, Store};

/// How many tokens an answer is taken to have whose request doesn't say: what the larger models give at most unless
/// they are asked for more. It only bounds by how much an account may be overdrawn.
const OUTPUT: u64 = 4096;

/// How many accounts are remembered for when the store can't be reached: some megabytes.
const REMEMBERED: usize = 50_000;

/// What a request costs, as far as that is known before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Estimate {
    /// The prices.
    pub(crate) cost: Cost,
    /// Tokens of the request.
    pub(crate) input: u64,
    /// The most tokens that its answer may have.
    pub(crate) output: u64,
}

/// How much of an answer was delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Bytes of its body.
    pub(crate) bytes: u64,
    /// Events in it, if it is a stream of them.
    pub(crate) events: u64,
}

impl Delivered {
    /// So much more of it.
    pub(crate) fn add(&mut self, data: &[u8], is_events: bool) {
        self.bytes += data.len() as u64;
        if is_events {
            self.events += memchr::memmem::find_iter(data, b"\n\n").count() as u64;
        }
    }
}

impl Estimate {
    /// For a request with this body.
    pub(crate) fn new(cost: Cost, dialect: Option<&Dialect>, body: Option<&Bytes>) -> Self {
        let input = body.map_or(0, |body| (body.len() as u64).div_ceil(BYTES_PER_TOKEN));
        let output = match cost.token_out {
            0 => 0,
            _ => dialect.zip(body).and_then(|(dialect, body)| most_output(dialect, body)).unwrap_or(OUTPUT),
        };
        Self { cost, input, output }
    }

    /// The most that it is likely to cost, in micro-units.
    pub(crate) fn most(&self) -> i64 {
        self.sum(self.input, self.output)
    }

    /// What it did cost, in micro-units: by the usage that its answer tells, else by what was delivered of it.
    ///
    /// An event of a stream is about a token; of anything else, four bytes are.
    pub(crate) fn actual(&self, usage: Option<Usage>, delivered: Delivered) -> i64 {
        let counted = match delivered {
            Delivered { events: 0, bytes } => bytes.div_ceil(BYTES_PER_TOKEN),
            Delivered { events, .. } => events,
        };
        match usage {
            // Which of them were the answer's isn't told: the dearer ones are not assumed.
            Some(Usage { input: None, output: None, total: Some(total) }) => self.sum(total, 0),
            Some(usage) => self.sum(usage.input.unwrap_or(self.input), usage.output.unwrap_or(counted)),
            None => self.sum(self.input, counted.min(self.output)),
        }
    }

    fn sum(&self, input: u64, output: u64) -> i64 {
        let Cost { request, token_in, token_out } = self.cost;
        let sum = request
            .saturating_add(token_in.saturating_mul(input))
            .saturating_add(token_out.saturating_mul(output));
        // Far from the largest number, so that no sum of sums comes near it.
        i64::try_from(sum).unwrap_or(i64::MAX).min(1 << 50)
    }
}

/// How many tokens a request allows its answer.
fn most_output(dialect: &Dialect, body: &Bytes) -> Option<u64> {
    let names = |name: &String| memchr::memmem::find(body, name.as_bytes()).is_some();
    if !dialect.most_output.iter().any(|path| path.parts().last().is_some_and(names)) {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    dialect.most_output.iter().find_map(|path| path.first(&value)?.as_u64())
}

/// Money that was put aside for a request. Dropped, it is given back.
#[derive(Debug)]
pub(crate) struct Money {
    store: Store,
    reservation: Option<Reservation>,
    estimate: Estimate,
}

impl Money {
    /// What was put aside.
    pub(crate) fn new(store: Store, reservation: Reservation, estimate: Estimate) -> Self {
        Self { store, reservation: Some(reservation), estimate }
    }

    /// The reservation and the charge that it becomes, for who settles it with something else.
    pub(crate) fn charge(mut self, usage: Option<Usage>, delivered: Delivered) -> Option<(Reservation, i64)> {
        let amount = self.estimate.actual(usage, delivered);
        Some((self.reservation.take()?, amount))
    }

    /// Charges what was delivered, as soon as the store takes it.
    pub(crate) fn settle(self, usage: Option<Usage>, delivered: Delivered) {
        let store = self.store.clone();
        if let Some((reservation, amount)) = self.charge(usage, delivered) {
            store.settle(reservation, amount);
        }
    }
}

impl Drop for Money {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.store.release(reservation);
        }
    }
}

/// What accounts had when the store was last asked, for when it can't be reached.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<HashMap<AccountId, i64>>);

impl Remembered {
    /// The account has this much, beside what is put aside.
    pub(crate) fn note(&self, account: &AccountId, left: i64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = known.get_mut(account) {
            *old = left;
        } else if known.len() < REMEMBERED {
            known.insert(account.clone(), left);
        }
    }

    /// Takes from what is remembered; how much that is if it isn't enough, nothing if nothing is remembered.
    pub(crate) fn take(&self, account: &AccountId, amount: i64) -> Result<(), Option<i64>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = known.get_mut(account).ok_or(None)?;
        if *left < amount {
            return Err(Some(*left));
        }
        *left -= amount;
        Ok(())
    }
}

/// Micro-units as a person writes them: `1.5`, `0.000004`, `-3`.
pub(crate) fn shown(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (whole, rest) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let rest = format!("{rest:06}");
    format!("{sign}{whole}.{}", rest.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost = Cost { request: 100, token_in: 2, token_out: 10 };

    fn estimate(body: &'static str) -> Estimate {
        let openai = aplomb_core::catalog().get("openai");
        Estimate::new(COST, openai, Some(&Bytes::from_static(body.as_bytes())))
    }

    #[test]
    fn an_estimate_takes_the_answer_s_bound_from_the_request() {
        let told = estimate(r#"{"max_tokens": 50, "a": 1}"#);
        assert_eq!((told.input, told.output, told.most()), (7, 50, 100 + 14 + 500));
        assert_eq!(estimate(r#"{"max_tokens": null, "max_completion_tokens": 9}"#).output, 9);
        assert_eq!(estimate("{}").output, OUTPUT);
        let free = Cost { token_out: 0, ..COST };
        assert_eq!(Estimate::new(free, None, None).most(), 100);
    }

    #[test]
    fn what_was_delivered_is_charged_by_its_usage_or_by_its_size() {
        let told = estimate(r#"{"max_tokens": 50, "a": 1}"#);
        let usage = Usage { input: Some(3), output: Some(4), total: None };
        let delivered = Delivered { bytes: 4000, events: 0 };
        assert_eq!(told.actual(Some(usage), delivered), 100 + 6 + 40);
        assert_eq!(told.actual(Some(Usage { total: Some(5), ..Usage::default() }), delivered), 110);
        assert_eq!(told.actual(None, Delivered { bytes: 41, events: 0 }), 100 + 14 + 110);
        assert_eq!(told.actual(None, delivered), 100 + 14 + 500, "no more than was asked for");
        assert_eq!(told.actual(None, Delivered { bytes: 4000, events: 3 }), 100 + 14 + 30);
        let mut counted = Delivered::default();
        counted.add(b"data: 1\n\ndata: 2\n\n", true);
        counted.add(b"plain", false);
        assert_eq!(counted, Delivered { bytes: 23, events: 2 });
    }

    #[test]
    fn no_price_is_so_high_that_it_turns_round() {
        let dear = Cost { request: u64::MAX, token_in: u64::MAX, token_out: u64::MAX };
        let most = Estimate { cost: dear, input: u64::MAX, output: 2 }.most();
        assert_eq!(most, 1 << 50);
    }

    #[test]
    fn micro_units_are_shown_as_people_write_them() {
        let all = [0, 1, -1_500_000, 20_000_000, 1_234_560].map(shown);
        assert_eq!(all, ["0", "0.000001", "-1.5", "20", "1.23456"]);
    }

    #[test]
    fn what_is_remembered_is_spent_once() {
        let (known, ada) = (Remembered::default(), AccountId::new("ada"));
        assert_eq!(known.take(&ada, 1), Err(None));
        known.note(&ada, 10);
        assert_eq!(known.take(&ada, 7), Ok(()));
        assert_eq!(known.take(&ada, 7), Err(Some(3)));
    }
}
