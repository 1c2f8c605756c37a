//! Bodies of the REST interface, one file per resource. Shapes and errors are in `docs/protocol.md`, section 1.

/// `Debug` that shows the named fields and no secret.
macro_rules! redacted {
    ($($name:ident { $($shown:ident),* }),+ $(,)?) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($shown), &self.$shown))*.finish_non_exhaustive()
            }
        }
    )+};
}

mod audit;
mod auth;
mod capability;
mod chat;
mod codes;
mod notifications;
mod oidc;
mod pairing;
mod problem;
mod room;
mod room_settings;
mod server;

pub use audit::*;
pub use auth::*;
pub use capability::*;
pub use chat::*;
pub use codes::*;
pub use notifications::*;
pub use oidc::*;
pub use pairing::*;
pub use problem::*;
pub use room::*;
pub use room_settings::*;
pub use server::*;
