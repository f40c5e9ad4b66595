//! The commands as a person calls them: the built binary, its output and its exit status.

mod call;

mod check;
mod init;
