//! What is done to a request: what it names, or else what outage, limits and chance have for it.

use std::time::Duration;

use aplomb_core::{Kind, Limit};

use super::asked::Asked;
use super::bucket::{Admission, Limits};
use super::scenario::{Act, Behaviour, Scenario, ScenarioError};
use super::turns::Turns;
use super::{MockSettings, answer, dice};

/// Everything that a mock remembers from one request to the next, apart from its log.
#[derive(Debug)]
pub(super) struct Memory {
    limits: Limits,
    sequences: Turns,
    attempts: Turns,
    /// When it began, or began anew.
    since: Duration,
}

/// What is done to one request.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) act: Act,
    /// How many times this request has come.
    pub(super) attempt: u32,
    /// The limits after it.
    pub(super) limits: Vec<Limit>,
    /// The mock's latency counts: it was not refused at the door.
    pub(super) entered: bool,
}

impl Memory {
    pub(super) fn new(settings: &MockSettings) -> Self {
        let limits = Limits::new(settings.limit, settings.burst, settings.tokens_limit);
        Self { limits, sequences: Turns::default(), attempts: Turns::default(), since: Duration::ZERO }
    }

    /// Forgets sequences and attempts, and has the outage come anew; the limits stay as they are.
    pub(super) fn clear(&mut self, now: Duration) {
        self.since = now;
        self.sequences.clear();
        self.attempts.clear();
    }

    /// Decides; `now` is the time since the mock's start.
    pub(super) fn choose(&mut self, settings: &MockSettings, asked: &Asked, now: Duration) -> Chosen {
        let attempt = match &asked.key {
            Some(key) => self.attempts.take(key, now),
            None => self.attempts.take((asked.method.as_str(), &asked.path, &asked.body), now),
        };
        let (act, entered) = match &asked.scenario {
            Some(text) => (self.named(text, asked, now).unwrap_or_else(|error| complaint(&error)), true),
            None => self.unnamed(settings, asked, attempt.number, now),
        };
        Chosen { act, attempt: attempt.number, limits: self.limits.told(), entered }
    }

    fn named(&mut self, text: &str, asked: &Asked, now: Duration) -> Result<Act, ScenarioError> {
        let scenario: Scenario = text.parse()?;
        let turn = self.sequences.take((text, &asked.key, &asked.model), now);
        let act = scenario.act(turn.number);
        if let Behaviour::Outage(length, _) = &act.behaviour
            && now >= turn.first + *length
        {
            return Ok(Act::ok());
        }
        Ok(act.clone())
    }

    fn unnamed(
        &mut self,
        settings: &MockSettings,
        asked: &Asked,
        attempt: u32,
        now: Duration,
    ) -> (Act, bool) {
        let passed = now.saturating_sub(self.since);
        let down = settings.outage.as_ref().filter(|outage| (outage.from..outage.until).contains(&passed));
        if let Some(outage) = down {
            return (outage.act.clone(), false);
        }
        match self.limits.admit(answer::tokens(asked.body.len()), now) {
            Admission::Pass => {}
            Admission::Wait(wait) => {
                // Whole seconds, as most APIs tell it; the exact time stands in the limit's own headers.
                let told = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
                return (Act::refuse(Kind::RateLimit, Some(told)), false);
            }
            Admission::TooLarge => return (Act::refuse(Kind::PayloadTooLarge, None), false),
        }
        let mut drawn = dice::draw(settings.seed, (&asked.key, &asked.path, &asked.body, attempt));
        for rate in &settings.fail {
            if drawn < rate.share {
                return (rate.act.clone(), true);
            }
            drawn -= rate.share;
        }
        (Act::ok(), true)
    }
}

/// A scenario that can't be read is the caller's mistake, told in the dialect's own words.
fn complaint(error: &ScenarioError) -> Act {
    let mut act = Act::refuse(Kind::InvalidRequest, None);
    act.said.message = Some(error.to_string());
    act.said.param = Some("mock-scenario".to_owned());
    act
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock::Rate;
    use bytes::Bytes;
    use http::Request;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings() -> MockSettings {
        MockSettings::new(aplomb_core::catalog().get("openai").unwrap())
    }

    fn asked(scenario: Option<&str>, key: &str, body: &'static str) -> Asked {
        let mut request = Request::post("/v1/chat/completions").header("mock-key", key);
        if let Some(scenario) = scenario {
            request = request.header("mock-scenario", scenario);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Asked::read(settings().dialect, parts, Bytes::from_static(body.as_bytes()))
    }

    fn told(memory: &mut Memory, settings: &MockSettings, asked: &Asked, now: Duration) -> String {
        memory.choose(settings, asked, now).act.to_string()
    }

    #[test]
    fn a_sequence_goes_on_for_its_own_key_only() {
        let settings = settings();
        let mut memory = Memory::new(&settings);
        let (a, b) = (asked(Some("503,ok"), "a", ""), asked(Some("503,ok"), "b", ""));
        assert_eq!(told(&mut memory, &settings, &a, SECOND), "503");
        assert_eq!(told(&mut memory, &settings, &b, SECOND), "503");
        assert_eq!(told(&mut memory, &settings, &a, SECOND), "ok");
        assert_eq!(memory.choose(&settings, &a, SECOND).attempt, 3);
        memory.clear(SECOND);
        assert_eq!(told(&mut memory, &settings, &a, SECOND), "503");
    }

    #[test]
    fn an_outage_that_a_request_asks_for_begins_with_it() {
        let settings = settings();
        let mut memory = Memory::new(&settings);
        let down = asked(Some("outage:10s"), "a", "");
        assert_eq!(told(&mut memory, &settings, &down, SECOND), "outage:10s");
        assert_eq!(told(&mut memory, &settings, &down, SECOND * 10), "outage:10s");
        assert_eq!(told(&mut memory, &settings, &down, SECOND * 11), "ok");
    }

    #[test]
    fn outage_comes_before_limits_and_limits_before_chance() {
        let mut settings = settings();
        settings.outage = Some("5s..6s".parse().unwrap());
        settings.limit = Some(Rate::per_second(1));
        settings.fail = vec!["404:100%".parse().unwrap()];
        let mut memory = Memory::new(&settings);
        let any = asked(None, "a", "");
        assert_eq!(told(&mut memory, &settings, &any, Duration::ZERO), "404");
        assert_eq!(told(&mut memory, &settings, &any, Duration::ZERO), "rate_limit");
        assert_eq!(told(&mut memory, &settings, &any, SECOND * 5), "unavailable");
        assert_eq!(told(&mut memory, &settings, &any, SECOND * 6), "404");
        let named = asked(Some("ok"), "a", "");
        assert_eq!(told(&mut memory, &settings, &named, SECOND * 5), "ok");
        memory.clear(SECOND * 10);
        assert_eq!(told(&mut memory, &settings, &any, SECOND * 10), "404");
        assert_eq!(told(&mut memory, &settings, &any, SECOND * 15), "unavailable");
    }

    #[test]
    fn chance_hits_its_share_and_repeats_with_the_seed() {
        let mut settings = settings();
        settings.fail = vec!["503:10%".parse().unwrap(), "cut:3:10%".parse().unwrap()];
        let run = |settings: &MockSettings| {
            let mut memory = Memory::new(settings);
            let any = asked(None, "a", "x");
            (0..1_000).map(|_| told(&mut memory, settings, &any, SECOND)).collect::<Vec<_>>()
        };
        let acts = run(&settings);
        assert_eq!(acts, run(&settings));
        for name in ["503", "cut:3"] {
            let share = acts.iter().filter(|act| *act == name).count();
            assert!((70..130).contains(&share), "{name}: {share}");
        }
    }

    #[test]
    fn an_unknown_scenario_is_a_bad_request_that_names_the_nearest() {
        let settings = settings();
        let chosen = Memory::new(&settings).choose(&settings, &asked(Some("rate_limt"), "a", ""), SECOND);
        assert!(chosen.act.said.message.unwrap().contains("did you mean `rate_limit`?"));
    }
}
