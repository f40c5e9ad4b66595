//! The world: callers, clients and a provider on a virtual clock, one event after the other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use aplomb_core::lane::{Asked, Call, Cost, Heard, Pass, Polled, Priority};

use super::client::{Gateway, Policy};
use super::provider::{Provider, Reply};
use super::random::Random;
use super::tally::Tally;

/// What callers want.
#[derive(Clone, Debug)]
pub(super) enum Load {
    /// So many calls in all, by so many workers, each with the next call when one is over.
    Pool { calls: usize, workers: usize },
    /// So many workers that never run out of calls, until a moment.
    Endless { workers: usize, until: f64 },
    /// So many calls a second for so many seconds, whatever becomes of them.
    Arrivals { per_second: f64, seconds: f64 },
}

/// What is simulated.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) policy: Policy,
    /// How many clients there are: processes on their own, or gateways.
    pub(super) clients: usize,
    pub(super) provider: Provider,
    pub(super) load: Load,
    /// Tokens of a call, from and to.
    pub(super) tokens: (f64, f64),
    /// How long a caller waits for its call to begin.
    pub(super) patience: f64,
    /// How long an attempt may take, in seconds.
    pub(super) timeout: f64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive(usize),
    Again(usize),
    Reach(usize, u32),
    Answer(usize, u32),
    Silence(usize, u32),
    Poll(usize),
}

#[derive(Debug)]
struct Job {
    client: usize,
    caller: u64,
    arrived: Duration,
    cost: Cost,
    number: Option<u64>,
    sends: u32,
    /// It was refused for a limit when it was last heard of.
    throttled: bool,
    running: Option<(Option<Pass>, Option<Reply>)>,
}

/// Everything at one moment.
struct World {
    setup: Setup,
    gateways: Vec<Gateway>,
    jobs: Vec<Job>,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    order: u64,
    random: Random,
    tally: Tally,
}

/// Lets it run to the end.
pub(super) fn run(setup: Setup, seed: u64) -> Tally {
    let gateways = if setup.policy == Policy::Aplomb { setup.clients } else { 0 };
    let mut world = World {
        gateways: std::iter::repeat_with(Gateway::new).take(gateways).collect(),
        jobs: Vec::new(),
        events: BinaryHeap::new(),
        order: 0,
        random: Random::new(seed),
        tally: Tally::new(setup.clients),
        setup,
    };
    world.begin();
    while let Some(Reverse((now, _, event))) = world.events.pop() {
        if now > LONGEST {
            break;
        }
        world.happens(now, event);
    }
    world.tally
}

/// No job takes longer; what is open then is neither done nor lost.
const LONGEST: Duration = Duration::from_secs(3_600);

impl World {
    fn begin(&mut self) {
        match self.setup.load.clone() {
            Load::Pool { workers, calls } => (0..workers.min(calls)).for_each(|one| self.arrives(one, 0.0)),
            Load::Endless { workers, .. } => {
                for worker in 0..workers {
                    let at = self.random.next() * 0.1;
                    self.arrives(worker, at);
                }
            }
            Load::Arrivals { per_second, seconds } => {
                let calls = (per_second * seconds) as usize;
                (0..calls).for_each(|one| self.arrives(one, one as f64 / per_second));
            }
        }
    }

    /// The next call of a caller.
    fn arrives(&mut self, caller: usize, at: f64) {
        let at = Duration::from_secs_f64(at);
        let (low, high) = self.setup.tokens;
        let tokens = self.random.between(low, high) as u64;
        self.jobs.push(Job {
            client: caller % self.setup.clients,
            caller: caller as u64,
            arrived: at,
            cost: Cost { input: tokens / 2, output: tokens - tokens / 2 },
            number: None,
            sends: 0,
            throttled: false,
            running: None,
        });
        self.at(at, Event::Arrive(self.jobs.len() - 1));
    }

    fn at(&mut self, when: Duration, event: Event) {
        self.order += 1;
        self.events.push(Reverse((when, self.order, event)));
    }

    fn happens(&mut self, now: Duration, event: Event) {
        let client = match event {
            Event::Arrive(job) | Event::Again(job) => {
                self.begins(job, now);
                self.jobs[job].client
            }
            Event::Reach(job, send) => return self.reaches(job, send, now),
            Event::Answer(job, send) => self.hears(job, send, false, now),
            Event::Silence(job, send) => self.hears(job, send, true, now),
            Event::Poll(client) => {
                self.gateways[client].wake = None;
                client
            }
        };
        self.poll(client, now);
    }

    fn begins(&mut self, job: usize, now: Duration) {
        let this = &self.jobs[job];
        let Some(gateway) = self.gateways.get_mut(this.client) else { return self.sends(job, None, now) };
        let call = Call {
            number: this.number,
            caller: this.caller,
            priority: Priority::Interactive,
            cost: this.cost,
            deadline: this.arrived + Duration::from_secs_f64(self.setup.patience),
            sends: this.sends,
            last: this.sends >= ATTEMPTS - 1,
        };
        match gateway.lane.ask(now, &call, None, self.random.next()) {
            Asked::Go(pass) => self.sends(job, Some(pass), now),
            Asked::Wait(entry) => {
                gateway.waiting.insert(entry.number, job);
                self.jobs[job].number = Some(entry.number);
            }
            Asked::Refuse(_) => self.over(job, false, now),
        }
    }

    fn sends(&mut self, job: usize, mut pass: Option<Pass>, now: Duration) {
        let this = &mut self.jobs[job];
        if let Some(pass) = &mut pass {
            this.number = Some(pass.number);
            if this.sends > 0 {
                pass.retried(this.throttled);
            }
        }
        this.sends += 1;
        this.running = Some((pass, None));
        let (way, send) = (self.random.between(WAY.0, WAY.1), this.sends);
        self.at(now + Duration::from_secs_f64(way), Event::Reach(job, send));
        self.at(now + Duration::from_secs_f64(self.setup.timeout), Event::Silence(job, send));
    }

    /// A call comes to the provider.
    fn reaches(&mut self, job: usize, send: u32, now: Duration) {
        let this = &mut self.jobs[job];
        let reply = self.setup.provider.call(now.as_secs_f64(), this.cost, &mut self.random);
        self.tally.sent(this.client, now, reply.heard);
        let Some((_, answer)) = this.running.as_mut().filter(|_| this.sends == send) else { return };
        let after = Duration::from_secs_f64(reply.after + self.random.between(WAY.0, WAY.1));
        *answer = Some(reply);
        self.at(now + after, Event::Answer(job, send));
    }

    /// Something, or nothing in time, is heard of a call.
    fn hears(&mut self, job: usize, send: u32, silence: bool, now: Duration) -> usize {
        let this = &mut self.jobs[job];
        let (client, sends) = (this.client, this.sends);
        let Some((pass, reply)) = this.running.take_if(|_| sends == send) else { return client };
        let reply = reply.filter(|_| !silence).unwrap_or_else(Reply::none);
        let heard = reply.heard;
        this.throttled = matches!(heard, Heard::Limited { .. });
        let again = match pass {
            None => self.setup.policy.delay(sends, heard, &mut self.random),
            Some(mut pass) => {
                self.gateways[client].lane.tell(&pass, &reply.told, now);

                self.through_lane(client, &mut pass, heard, sends, now).filter(|_| !silence)
            }
        };
        match again {
            _ if heard == Heard::Answer => self.over(job, true, now),
            Some(delay) => self.at(now + Duration::from_secs_f64(delay), Event::Again(job)),
            None => self.over(job, false, now),
        }
        client
    }

    /// Tells the lane; gives the delay before the next attempt, if there is one.
    fn through_lane(
        &mut self,
        client: usize,
        pass: &mut Pass,
        heard: Heard,
        sends: u32,
        now: Duration,
    ) -> Option<f64> {
        let lane = &mut self.gateways[client].lane;
        lane.hear(pass, heard, now, self.random.next());
        lane.end(pass, None, None, now);
        let throttled = matches!(heard, Heard::Limited { .. });
        if heard == Heard::Answer || sends >= ATTEMPTS || !lane.spend(throttled) {
            return None;
        }
        // A refusal holds the lane; after anything else a call keeps away a while by itself.
        let longest = match throttled {
            true if !pass.by_chance => 0.0,
            true => 1.0,
            false => 0.05,
        };
        Some(self.random.next() * longest * 2f64.powi(sends as i32 - 1))
    }

    fn over(&mut self, job: usize, done: bool, now: Duration) {
        let this = &self.jobs[job];
        self.tally.over(this.client, this.arrived, now, done, this.cost);
        let next = self.jobs.len();
        let caller = usize::try_from(this.caller).unwrap_or(0);
        match self.setup.load {
            Load::Pool { calls, .. } if next < calls => self.arrives(caller, now.as_secs_f64()),
            Load::Endless { until, .. } if now.as_secs_f64() < until => {
                // Who lost a call takes a breath.
                let pause = if done { 0.0 } else { 1.0 };
                self.arrives(caller, now.as_secs_f64() + pause);
            }
            Load::Pool { .. } | Load::Endless { .. } | Load::Arrivals { .. } => {}
        }
    }

    fn poll(&mut self, client: usize, now: Duration) {
        while let Some(gateway) = self.gateways.get_mut(client) {
            match gateway.lane.poll(now, None, self.random.next()) {
                Polled::Go(entry, pass) => {
                    let job = gateway.waiting.remove(&entry.number).expect("who goes has waited");
                    self.sends(job, Some(pass), now);
                }
                Polled::Expired(entry) => {
                    let job = gateway.waiting.remove(&entry.number).expect("who expires has waited");
                    self.over(job, false, now);
                }
                Polled::Later(when) => {
                    // A timer has whole milliseconds.
                    let when = Duration::from_millis(u64::try_from(when.as_millis()).unwrap_or(0) + 1);
                    if gateway.wake.is_none_or(|wake| when < wake) {
                        gateway.wake = Some(when);
                        self.at(when, Event::Poll(client));
                    }
                    return;
                }
                Polled::Full | Polled::Idle => return,
            }
        }
    }
}

/// Seconds from and to which a call takes through the network, and its answer: who is sent first need not come first.
const WAY: (f64, f64) = (0.001, 0.02);

/// Sends of one call through a lane.
const ATTEMPTS: u32 = 3;
