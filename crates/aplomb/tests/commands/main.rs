//! The commands as a person calls them: the built binary, its output and its exit status.

mod call;
mod corpus;

mod check;
mod explain;
mod init;
