//! `mesh-server room …`: rooms and who is in them.

use anyhow::bail;
use clap::Subcommand;
use mesh_protocol::http::Member;
use serde_json::json;

use super::{open_store, output, room_named, user_named};
use crate::Config;
use crate::auth::{names, random};
use crate::clock::{Clock as _, SystemClock};
use crate::store::{NewRoom, RoomRow, Store};

#[derive(Subcommand)]
pub(super) enum RoomCommand {
    /// List the rooms
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a room, and print its id
    Add {
        name: String,
        /// The account that owns it
        #[arg(long, value_name = "NAME")]
        owner: String,
    },
    /// Remove a room with all that was said in it: everyone in it leaves
    Remove {
        /// Its id, or its name where only one room has it
        room: String,
    },
    /// List the members of a room
    Members {
        /// Its id, or its name where only one room has it
        room: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: RoomCommand, config: Config) -> anyhow::Result<()> {
    let (store, _in_use) = open_store(&config).await?;
    let result = match command {
        RoomCommand::List { json } => list(&*store, json).await,
        RoomCommand::Add { name, owner } => add(&*store, &name, &owner).await,
        RoomCommand::Remove { room } => remove(&*store, &room).await,
        RoomCommand::Members { room, json } => members(&*store, &room, json).await,
    };
    store.close().await;
    result
}

async fn list(store: &dyn Store, json: bool) -> anyhow::Result<()> {
    let rooms = store.all_rooms().await?;
    if json {
        let one = |room: &RoomRow| {
            json!({"room_id": room.id, "name": room.name, "members": room.members, "messages": room.messages,
                "created_at": room.created_at})
        };
        return output::json(&json!({"rooms": rooms.iter().map(one).collect::<Vec<_>>()}));
    }
    let row = |room: &RoomRow| {
        let (members, messages) = (
            format!("{} members", room.members),
            format!("{} messages", room.messages),
        );
        [
            room.id.to_string(),
            output::day(room.created_at),
            members,
            messages,
            room.name.clone(),
        ]
    };
    output::table(rooms.iter().map(row))
}

async fn add(store: &dyn Store, name: &str, owner: &str) -> anyhow::Result<()> {
    let Some(name) = names::clean(name) else {
        bail!("A room's name has 1 to 64 printable characters.")
    };
    let room = NewRoom {
        id: random::id(),
        name,
        owner: user_named(store, owner).await?.id,
        now: SystemClock.now_ms(),
        expires_at: None,
    };
    store.create_room(&room).await?;
    println!("{}", room.id);
    Ok(())
}

async fn remove(store: &dyn Store, room: &str) -> anyhow::Result<()> {
    let room = room_named(store, room).await?;
    store.remove_room(&room.id, SystemClock.now_ms()).await?;
    println!("Removed {}", room.name);
    Ok(())
}

async fn members(store: &dyn Store, room: &str, json: bool) -> anyhow::Result<()> {
    let room = room_named(store, room).await?;
    let members = store.members(&room.id).await?;
    if json {
        return output::json(&json!({"members": members}));
    }
    let row = |member: &Member| {
        [
            member.role.as_str().to_owned(),
            member.user_id.to_string(),
            member.name.clone(),
        ]
    };
    output::table(members.iter().map(row))
}
