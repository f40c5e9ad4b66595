//! A configuration as a person wrote it: values of the right form, each with its place; nothing looked up yet.
//!
//! [`Section`] walks the tables and notes every key that nobody knows and every value of a wrong form on the
//! [`Page`]; a file with ten mistakes gets ten lines.

mod page;
pub(super) use page::{At, Page, Spot};

mod section;
use section::Section;
pub(super) use section::nearest;

mod value;

mod server;
pub(super) use server::WrittenServer;

mod credential;
pub(super) use credential::{WrittenCredential, WrittenOAuth, WrittenSecret, WrittenSource};

mod upstream;
pub(super) use upstream::WrittenUpstream;

mod protect;
pub(super) use protect::WrittenProtect;

mod tier;

mod route;
pub(super) use route::{WrittenEqual, WrittenFallback, WrittenRoute};

mod file;
pub(super) use file::WrittenFile;
