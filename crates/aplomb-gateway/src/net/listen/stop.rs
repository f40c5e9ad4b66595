//! How every worker learns that it is time to end, and how long its connections may still take.

use std::time::Duration;

use tokio::sync::watch;

/// Tells the workers to end; dropped, it does so without leaving any time.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Option<Duration>>);

/// What a worker waits for.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Option<Duration>>);

/// A pair of which the first tells the second, and all its clones, to end.
pub fn stopper() -> (Stopper, Stop) {
    let (tell, told) = watch::channel(None);
    (Stopper(tell), Stop(told))
}

impl Stopper {
    /// Ends: nothing more is accepted, and what is under way may take this long.
    pub fn within(&self, grace: Duration) {
        self.0.send_replace(Some(grace));
    }
}

impl Stop {
    /// Waits until it is time to end, and says how long the rest may take.
    pub async fn told(&mut self) -> Duration {
        match self.0.wait_for(Option::is_some).await {
            Ok(grace) => grace.unwrap_or_default(),
            Err(_dropped) => Duration::ZERO,
        }
    }
}
