//! Server-Sent Events, cut out of a stream without changing a byte of it.
//!
//! A [`Splitter`] takes chunks as they come and gives back what is whole: the bytes to pass on, and a view of the
//! parts in them.
//! The unfinished rest waits for the next chunk, so that whoever forwards only whole bytes never sends half an event.
//!
//! ```
//! use aplomb_core::sse::{Item, Splitter};
//!
//! let mut splitter = Splitter::default();
//! let whole = splitter.feed("event: ping\n\ndata: {\"a\":1}\n\ndata: {\"b\"".into()).unwrap();
//! assert_eq!(whole.bytes(), &"event: ping\n\ndata: {\"a\":1}\n\n"[..]);
//!
//! let part = whole.parts().nth(1).unwrap();
//! assert!(matches!(part.item, Item::Event(event) if event.data().unwrap() == &b"{\"a\":1}"[..]));
//! assert!(splitter.finish().is_some());
//! ```
//!
//! It reads no JSON and knows no provider.
//! What is no event at all, such as a bare JSON error in the middle of a stream, is an item of its own ([`Item::Stray`]).

mod splitter;
pub use splitter::{EVENT_LIMIT, Splitter, Tail, TooLong};

mod whole;
pub use whole::{Item, Part, Parts, Whole};

mod event;
pub use event::{Event, Fields};

mod line;

mod write;
pub use write::write;
