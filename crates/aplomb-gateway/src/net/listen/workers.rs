//! One thread per core, each with a runtime of its own.

use std::future::Future;
use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, LocalOptions};

/// How many threads of a worker may wait for the resolver and for files at once.
const MOST_BLOCKING: usize = 16;

/// Starts one thread per input and runs on it what `start` makes of that input.
///
/// # Errors
///
/// Fails if the system gives no more threads; those already started then end with their runtimes unused.
pub fn work<I, S, F>(inputs: Vec<I>, start: S) -> io::Result<Vec<JoinHandle<F::Output>>>
where
    I: Send + 'static,
    S: Fn(I) -> F + Clone + Send + 'static,
    F: Future,
    F::Output: Send + 'static,
{
    let one = |(index, input): (usize, I)| {
        let start = start.clone();
        let mut builder = Builder::new_current_thread();
        builder.enable_all().max_blocking_threads(MOST_BLOCKING);
        thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            let runtime = builder
                .build_local(LocalOptions::default())
                .expect("the system gives a worker its event queue");
            runtime.block_on(start(input))
        })
    };
    inputs.into_iter().enumerate().map(one).collect()
}
