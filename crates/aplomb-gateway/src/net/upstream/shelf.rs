//! The connections of one thread to one origin, between one request and the next.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Semaphore;

use super::h1::H1;
use super::h2::{H2, OpenStream};

/// How many connections may wait idle for one origin on one thread; more are closed.
pub(super) const MOST_IDLE: usize = 1024;

/// After how many rounds of the reaper a connection is used no more, however busy it is: 40 of a quarter of the
/// idle timeout, ten minutes by default, so that a change of the upstream's addresses is noticed.
const LIFE: u32 = 40;

/// What is kept for an origin.
pub(super) struct Shelf {
    /// The connection used last is taken first, so that the others may age and go.
    idle: RefCell<Vec<Idle>>,
    shared: RefCell<Vec<Shared>>,
    /// What the last connection agreed on; unknown before the first.
    spoken: Cell<Spoken>,
    /// Held while connecting to an origin that may speak HTTP/2, so that its requests share one connection.
    pub(super) connecting: Semaphore,
    /// Counts the reaper's rounds.
    round: Cell<u32>,
}

/// Which protocol an origin was heard to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Unknown,
    H1,
    H2,
}

struct Idle {
    connection: H1,
    since: u32,
}

struct Shared {
    connection: H2,
    born: u32,
    used: u32,
}

/// A connection that a request may go out on.
pub(super) enum Carrier {
    H1(H1),
    H2(H2, OpenStream),
}

impl Shelf {
    pub(super) fn new(tls: bool) -> Self {
        Self {
            idle: RefCell::default(),
            shared: RefCell::default(),
            spoken: Cell::new(if tls { Spoken::Unknown } else { Spoken::H1 }),
            connecting: Semaphore::new(1),
            round: Cell::new(0),
        }
    }

    /// A connection that stands already, the most recently used first.
    pub(super) fn reuse(&self) -> Option<Carrier> {
        if self.spoken.get() != Spoken::H1
            && let Some(carrier) = self.share()
        {
            return Some(carrier);
        }
        let mut idle = self.idle.borrow_mut();
        while let Some(next) = idle.pop() {
            if next.connection.is_idle() {
                return Some(Carrier::H1(next.connection));
            }
        }
        None
    }

    fn share(&self) -> Option<Carrier> {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|one| !one.connection.is_closed());
        shared.iter_mut().filter(|one| !self.is_old(one.born)).find_map(|one| {
            let stream = one.connection.claim()?;
            one.used = self.round.get();
            Some(Carrier::H2(one.connection.clone(), stream))
        })
    }

    /// Puts an idle connection back, unless enough are waiting.
    pub(super) fn put_back(&self, connection: H1) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST_IDLE && !self.is_old(connection.born) {
            idle.push(Idle { connection, since: self.round.get() });
        }
    }

    /// Keeps a new connection for every request to come; `None` if it allows no stream at all.
    pub(super) fn publish(&self, connection: H2) -> Option<Carrier> {
        self.spoken.set(Spoken::H2);
        let stream = connection.claim()?;
        let now = self.round.get();
        self.shared.borrow_mut().push(Shared { connection: connection.clone(), born: now, used: now });
        Some(Carrier::H2(connection, stream))
    }

    /// The round that the reaper is in.
    pub(super) fn round(&self) -> u32 {
        self.round.get()
    }

    fn is_old(&self, born: u32) -> bool {
        self.round.get().wrapping_sub(born) >= LIFE
    }

    pub(super) fn spoken(&self) -> Spoken {
        self.spoken.get()
    }

    /// Remembers that the origin does not speak HTTP/2.
    pub(super) fn heard_h1(&self) {
        self.spoken.set(Spoken::H1);
    }

    /// One round of the reaper: closes what has been idle for `rounds` of them.
    pub(super) fn age(&self, rounds: u32) {
        let now = self.round.get().wrapping_add(1);
        self.round.set(now);
        let young = |since: u32| now.wrapping_sub(since) < rounds;
        self.idle.borrow_mut().retain(|one| young(one.since) && !one.connection.sender.is_closed());
        self.shared.borrow_mut().retain(|one| {
            let spare = one.connection.is_idle() && (self.is_old(one.born) || !young(one.used));
            !one.connection.is_closed() && !spare
        });
    }

    /// How many connections wait, of either protocol.
    pub(super) fn waiting(&self) -> usize {
        let shared = self.shared.borrow().iter().filter(|one| !one.connection.is_closed()).count();
        self.idle.borrow().len() + shared
    }
}

/// A connection that is busy with one request and knows where it belongs.
pub(super) struct Lease {
    connection: H1,
    shelf: Rc<Shelf>,
}

impl Lease {
    pub(super) fn new(connection: H1, shelf: Rc<Shelf>) -> Self {
        Self { connection, shelf }
    }

    /// Gives the connection back once its answer was read to the end.
    ///
    /// It is nearly always idle by then, because it finished before its last frame was seen here.
    /// If it isn't, the request is still being written: then it is worth no waiting and is closed.
    pub(super) fn give_back(self) {
        if self.connection.is_idle() {
            self.shelf.put_back(self.connection);
        }
    }
}
