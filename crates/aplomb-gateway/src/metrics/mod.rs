//! What is counted, and the page on which it is read: `GET /metrics` of the admin port.
//!
//! A request is counted once, when it is settled, in numbers that its route and its upstreams hold ready.
//! No label is looked up or written before somebody reads the page.

mod histogram;

mod meter;
pub(crate) use meter::{Refusal, RouteMeter, UpstreamMeter, count};

mod page;
pub(crate) use page::{CONTENT_TYPE, page};
