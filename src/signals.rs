//! Signals, as CoreDNS hears them.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that mean something.
pub(crate) struct Signals {
    pub(crate) ends: Ends,
    pub(crate) hangup: Signal,
    pub(crate) usr1: Signal,
}

/// The signals that end the process.
pub(crate) struct Ends {
    pub(crate) terminate: Signal,
    pub(crate) interrupt: Signal,
    pub(crate) quit: Signal,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            ends: Ends {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                quit: signal(SignalKind::quit())?,
            },
            hangup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
        })
    }
}

impl Ends {
    /// Returns when the process is to end.
    pub(crate) async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {
                tracing::info!("SIGTERM: Shutting down servers then terminating");
            }
            _ = self.interrupt.recv() => tracing::info!("SIGINT: Shutting down"),
            _ = self.quit.recv() => tracing::info!("SIGQUIT: Shutting down"),
        }
    }
}
