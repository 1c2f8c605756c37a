//! How a command ends: an exit code that scripts can rely on, and one sentence that says what to do.
//!
//! Owns the codes and [`Failure`]. Every error that reaches the person has become a `Failure` first.

use std::fmt::Display;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// The documented exit codes of `mesh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failure = 1,
    Usage = 2,
    SignIn = 3,
    Refused = 4,
    Network = 5,
    Partial = 6,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked to: one sentence for the person, one code for the script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    pub exit: Exit,
    pub sentence: String,
}

/// What every command gives back.
pub type Outcome<T = ()> = Result<T, Failure>;

macro_rules! kinds {
    ($($name:ident = $exit:ident),+ $(,)?) => {
        impl Failure {
            $(
                /// A failure of this kind.
                pub fn $name(sentence: impl Display) -> Self {
                    Self { exit: Exit::$exit, sentence: sentence.to_string() }
                }
            )+
        }
    };
}

kinds! {
    general = Failure,
    usage = Usage,
    sign_in = SignIn,
    refused = Refused,
    network = Network,
    partial = Partial,
}

impl Failure {
    /// Ctrl-C or a signal.
    pub fn interrupted() -> Self {
        Self {
            exit: Exit::Interrupted,
            sentence: "Interrupted.".into(),
        }
    }

    /// The same after some of the files arrived: who interrupted it knows.
    pub fn in_part(self, done: u64, all: u64) -> Self {
        if done == 0 || self.exit == Exit::Interrupted {
            return self;
        }
        Self::partial(format!("{done} of {all} files arrived. {}", self.sentence))
    }

    /// No session is stored.
    pub fn not_signed_in() -> Self {
        Self::sign_in(
            "You are not signed in on this device: run `mesh login URL` with your server's address or a sign-in link.",
        )
    }
}
