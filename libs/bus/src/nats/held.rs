//! How many bytes of messages this process holds, from their arrival until they are dealt with.

use tokio::sync::watch;

/// Counts for one consumer.
#[derive(Clone)]
pub(super) struct Held(watch::Sender<usize>);

/// Counts one message for as long as it exists.
pub(super) struct HeldBytes {
    held: Held,
    bytes: usize,
}

impl Held {
    pub(super) fn nothing() -> Self {
        Self(watch::Sender::new(0))
    }

    pub(super) fn hold(&self, bytes: usize) -> HeldBytes {
        self.0.send_modify(|held| *held = held.saturating_add(bytes));
        HeldBytes { held: self.clone(), bytes }
    }

    /// Waits until no more than `most` bytes are held.
    pub(super) async fn at_most(&self, most: usize) {
        // The sender lives in `self`, so there is always an answer.
        let _ = self.0.subscribe().wait_for(|held| *held <= most).await;
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.held.0.send_modify(|held| *held = held.saturating_sub(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn room_comes_with_the_message_that_is_dealt_with() {
        let held = Held::nothing();
        let (first, _second) = (held.hold(60), held.hold(50));
        let mut room = Box::pin(held.at_most(100));
        assert!((&mut room).now_or_never().is_none());
        drop(first);
        assert!(room.now_or_never().is_some());
    }
}
