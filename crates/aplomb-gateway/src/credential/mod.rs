//! Credentials of ours as they are used: read anew, fetched, renewed when they are refused, and resting when it is in vain.
//!
//! The configuration says where a key comes from; here is its present value, which all threads share.

mod file;
pub use file::KeyFileError;
pub(crate) use file::read_key;

mod keeper;
pub(crate) use keeper::Present;

mod token;

mod fetch;
pub(crate) use fetch::Lack;

mod own;
pub(crate) use own::Own;

mod registry;
pub(crate) use registry::Credentials;
pub use registry::KeyError;

mod report;
pub(crate) use report::report;

#[cfg(test)]
mod fetch_tests;
