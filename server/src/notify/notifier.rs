//! What every way to tell somebody has in common.

use std::time::Duration;

use async_trait::async_trait;
use mesh_protocol::http::NotificationEvent;

/// How much it matters that it is seen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    Low,
    Normal,
    High,
}

impl From<NotificationEvent> for Priority {
    fn from(event: NotificationEvent) -> Self {
        match event {
            // Somebody waits for an answer.
            NotificationEvent::CallMissed | NotificationEvent::AccessRequested => Self::High,
            NotificationEvent::ChatMessageCreated | NotificationEvent::TerminalShareStarted => Self::Normal,
            NotificationEvent::ShareCompleted => Self::Low,
        }
    }
}

/// What is told: who and where.
#[derive(Clone, Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) title: &'a str,
    pub(super) message: &'a str,
    pub(super) priority: Priority,
    /// The page of the room.
    pub(super) click: String,
    /// Of equal ones the newest replaces the others: 32 letters of base64url.
    pub(super) tag: String,
}

/// Why somebody was not told. The texts name no address and no secret: they are logged, and shown after a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It may work later; not before `after`, where the other end said so.
    Later { after: Option<Duration>, reason: String },
    /// It never will.
    Never { reason: String },
    /// The place is no more.
    Gone,
}

impl Failure {
    pub(super) fn never(reason: impl Into<String>) -> Self {
        Self::Never {
            reason: reason.into(),
        }
    }

    /// For people and the log.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Later { reason, .. } | Self::Never { reason } => reason,
            Self::Gone => "the address is known there no more",
        }
    }
}

/// A way to tell somebody.
#[async_trait]
pub(super) trait Notifier: Send + Sync {
    /// Returns when the other end has taken it. Takes 10 s at most.
    async fn notify(&self, notice: &Outgoing<'_>) -> Result<(), Failure>;
}
