//! Wakes the courier of this process.

use std::sync::Arc;

use tokio::sync::Notify;

/// Raised after a commit that wrote messages. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct OutboxSignal(Arc<Notify>);

impl OutboxSignal {
    pub fn raise(&self) {
        self.0.notify_one();
    }

    pub(super) async fn raised(&self) {
        self.0.notified().await;
    }
}
