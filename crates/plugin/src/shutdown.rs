//! How background work learns that it is over.

use tokio::sync::watch;

/// A receiver of "stop now": each plugin's background work gets one. It fires when the server ends
/// *and* when a reload has replaced the configuration that the work belongs to.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// The sending side; dropping it fires too.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

impl Shutdown {
    /// A trigger and its receiver.
    pub fn pair() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// Returns once it is over.
    pub async fn fired(&self) {
        let mut receiver = self.0.clone();
        // An error means that the trigger is gone, which is an end as well.
        let _ = receiver.wait_for(|over| *over).await;
    }

    /// Whether it is over.
    pub fn has_fired(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

impl ShutdownTrigger {
    /// Tells every receiver.
    pub fn fire(&self) {
        self.0.send_replace(true);
    }
}
