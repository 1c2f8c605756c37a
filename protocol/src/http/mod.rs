//! Bodies of the REST interface, one file per resource. Shapes and errors are in `docs/protocol.md`, section 1.

mod auth;
mod capability;
mod chat;
mod problem;
mod room;
mod room_settings;
mod server;

pub use auth::*;
pub use capability::*;
pub use chat::*;
pub use problem::*;
pub use room::*;
pub use room_settings::*;
pub use server::*;
