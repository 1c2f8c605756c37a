//! The bus of a single node: a call.

use std::sync::{OnceLock, Weak};

use super::{Bus, BusEvent, Listener};

/// Delivers within the publisher's own call; there is no queue beyond those of the sockets.
#[derive(Default)]
pub struct LocalBus {
    listener: OnceLock<Weak<dyn Listener>>,
}

impl Bus for LocalBus {
    fn publish(&self, event: BusEvent) {
        if let Some(listener) = self.listener.get().and_then(Weak::upgrade) {
            listener.deliver(&event);
        }
    }

    fn here(&self, event: BusEvent) {
        self.publish(event);
    }

    fn subscribe(&self, listener: Weak<dyn Listener>) {
        // One node has one hub; a second subscription would be a defect of the start, and the first stands.
        let _ = self.listener.set(listener);
    }
}
