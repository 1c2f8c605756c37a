//! What a transaction must hold while it decides: nothing more. `BEGIN IMMEDIATE` made it the only one that writes.

use std::collections::BTreeSet;

use mesh_protocol::ids::{RoomId, UserId};

use super::{Connection, Result};
use crate::store::TokenHash;

pub(super) async fn room(_: &mut Connection, _: &RoomId) -> Result<()> {
    Ok(())
}

pub(super) async fn rooms(_: &mut Connection, _: &BTreeSet<&str>) -> Result<()> {
    Ok(())
}

pub(super) async fn room_of_invite(_: &mut Connection, _: &TokenHash) -> Result<()> {
    Ok(())
}

pub(super) async fn users(_: &mut Connection, _: &BTreeSet<&str>) -> Result<()> {
    Ok(())
}

pub(super) async fn user_with_rooms(_: &mut Connection, _: &UserId) -> Result<()> {
    Ok(())
}

pub(super) async fn accounts(_: &mut Connection) -> Result<()> {
    Ok(())
}

pub(super) async fn bulletins(_: &mut Connection) -> Result<()> {
    Ok(())
}
