//! `mesh-server invite …`: links that let people into a room.

use anyhow::{Context as _, bail};
use clap::Subcommand;
use mesh_protocol::http::{AuditAct, Role};
use mesh_protocol::ids::InviteId;
use serde_json::json;

use super::{open_store, output, public_url, room_named};
use crate::Config;
use crate::audit::KEPT;
use crate::auth::random;
use crate::clock::{Clock as _, SystemClock};
use crate::store::{InviteRow, NewAuditEntry, NewInvite, RoomRow, Store, StoreError};

#[derive(Subcommand)]
pub(super) enum InviteCommand {
    /// Make an invitation, and print its link
    Add {
        /// The room: its id, or its name where only one room has it
        room: String,
        /// What it makes of whoever uses it: owner, moderator, member or guest
        #[arg(long, default_value = "member")]
        role: Role,
        /// Days for which it is good
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=365))]
        days: u64,
        /// How many people may use it
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        uses: u32,
        /// Let people without an account in too, as guests
        #[arg(long)]
        guest: bool,
    },
    /// List the invitations that still work
    List {
        /// The room: its id, or its name where only one room has it
        room: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke an invitation
    Revoke {
        /// The room: its id, or its name where only one room has it
        room: String,
        /// From the list
        invite: InviteId,
    },
}

pub(super) async fn run(command: InviteCommand, config: Config) -> anyhow::Result<()> {
    let (store, _in_use) = open_store(&config).await?;
    let result = match command {
        InviteCommand::Add {
            room,
            role,
            days,
            uses,
            guest,
        } => {
            let room = room_named(&*store, &room).await?;
            add(&*store, &config, &room, (role, days, uses, guest)).await
        }
        InviteCommand::List { room, json } => list(&*store, &room_named(&*store, &room).await?, json).await,
        InviteCommand::Revoke { room, invite } => {
            revoke(&*store, &room_named(&*store, &room).await?, &invite).await
        }
    };
    store.close().await;
    result
}

async fn add(
    store: &dyn Store,
    config: &Config,
    room: &RoomRow,
    (role, days, max_uses, guest): (Role, u64, u32, bool),
) -> anyhow::Result<()> {
    let members = store.members(&room.id).await?;
    let owner = members.into_iter().find(|member| member.role == Role::Owner);
    let (token, now) = (random::token(), SystemClock.now_ms());
    let invite = NewInvite {
        id: random::id(),
        room_id: room.id.clone(),
        token_hash: random::hash(&token),
        role,
        // Every invitation is somebody's, and goes with them.
        created_by: owner.context("the room has no owner")?.user_id,
        now,
        expires_at: now + days * 24 * 3_600 * 1_000,
        max_uses,
        guest,
    };
    store.create_invite(&invite).await?;
    let detail = format!("{} {}", invite.id, role.as_str());
    record(store, room, AuditAct::InviteCreated, detail).await?;
    println!("{}/invite#token={token}", public_url(store, config).await?);
    Ok(())
}

async fn list(store: &dyn Store, room: &RoomRow, json: bool) -> anyhow::Result<()> {
    let invites = store.invites(&room.id, SystemClock.now_ms()).await?;
    if json {
        let one = |invite: &InviteRow| {
            json!({"invite_id": invite.id, "role": invite.role, "expires_at": invite.expires_at / 1_000,
                "max_uses": invite.max_uses, "uses": invite.uses, "guest": invite.guest})
        };
        return output::json(&json!({"invites": invites.iter().map(one).collect::<Vec<_>>()}));
    }
    let row = |invite: &InviteRow| {
        let used = format!("{} of {} used", invite.uses, invite.max_uses);
        let until = format!("until {}", output::moment(invite.expires_at / 1_000));
        let guest = if invite.guest { "guests too" } else { "" };
        [
            invite.id.to_string(),
            invite.role.as_str().into(),
            used,
            until,
            guest.into(),
        ]
    };
    output::table(invites.iter().map(row))
}

async fn revoke(store: &dyn Store, room: &RoomRow, invite: &InviteId) -> anyhow::Result<()> {
    match store.revoke_invite(&room.id, invite, SystemClock.now_ms()).await {
        Ok(()) => {}
        Err(StoreError::Absent) => bail!("{} has no invitation {invite} that works.", room.name),
        Err(error) => return Err(error.into()),
    }
    record(store, room, AuditAct::InviteRevoked, invite.to_string()).await?;
    println!("Revoked {invite}");
    Ok(())
}

/// Owners see what the operator did.
async fn record(store: &dyn Store, room: &RoomRow, act: AuditAct, detail: String) -> anyhow::Result<()> {
    let mut entry = NewAuditEntry::new(room.id.clone(), SystemClock.now_ms(), act, None);
    entry.detail = Some(detail);
    Ok(store.append_audit(&[entry], KEPT).await?)
}
