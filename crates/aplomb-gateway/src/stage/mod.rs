//! The stages of a request, in the order of the story in `pipeline.rs`.

pub(crate) mod receive;

pub(crate) mod authenticate;

pub(crate) mod admit;

pub(crate) mod validate;

pub(crate) mod deduplicate;

pub(crate) mod reserve;

pub(crate) mod plan;

pub(crate) mod dispatch;

pub(crate) mod respond;

pub(crate) mod settle;
