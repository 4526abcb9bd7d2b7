//! The end of the process, as its operator asks for it.

/// What asks the process to end: SIGTERM, or Ctrl-C. Heard from the moment this is made, so it is made before anyone can
/// know that the process is there: a signal that comes before would end it at once, with what it is answering.
pub struct Termination {
    #[cfg(unix)]
    signals: Option<[tokio::signal::unix::Signal; 2]>,
    #[cfg(windows)]
    signals: Option<tokio::signal::windows::CtrlC>,
}

impl Termination {
    /// Needs a running actix system.
    pub fn heard() -> Self {
        #[cfg(unix)]
        let signals = {
            use tokio::signal::unix::{SignalKind, signal};
            signal(SignalKind::terminate())
                .and_then(|terminate| Ok([terminate, signal(SignalKind::interrupt())?]))
        };
        #[cfg(windows)]
        let signals = tokio::signal::windows::ctrl_c();
        let signals = signals
            .inspect_err(|error| tracing::warn!(%error, "a signal to end will end the process at once"))
            .ok();
        Self { signals }
    }

    /// Done when the process is asked to end.
    pub async fn asked(self) {
        match self.signals {
            #[cfg(unix)]
            Some([mut terminate, mut interrupt]) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            #[cfg(windows)]
            Some(mut ctrl_c) => {
                ctrl_c.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}
