//! Lets hyper start the tasks of an HTTP/2 connection on the thread that the connection lives on.

use std::future::Future;

/// Spawns on the current thread's own runtime; nothing it runs needs to be `Send`.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
