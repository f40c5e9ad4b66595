//! The gateway: sockets, streams and the story of a request, around the decisions of `aplomb-core`.

pub mod config;
pub mod net;
