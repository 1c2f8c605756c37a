//! Entering a room.

use std::sync::Arc;

use mesh_protocol::error_code::SignalCode;
use mesh_protocol::http::Role;
use mesh_protocol::ids::RoomId;
use mesh_protocol::signal::{PeerInRoom, RoomState, ServerMessage};

use super::event::event;
use super::relay::Refusal;
use crate::app::App;
use crate::bus::BusEvent;
use crate::hub::LivePeer;
use crate::store::StoreError;

/// Rule 4 of `room.join`, and what follows: the joiner gets the state of the room, then everyone hears of it.
pub(super) async fn join(app: &Arc<App>, peer: &Arc<LivePeer>, room_id: &RoomId) -> Result<(), Refusal> {
    let absent = || Refusal {
        code: SignalCode::RoomNotFound,
        detail: "there is no such room, or you are not a member: ask for an invitation".into(),
    };
    let in_lobby = || Refusal {
        code: SignalCode::InLobby,
        detail: "an owner or moderator has to let you in: room.admitted says when".into(),
    };
    let unavailable = |error: StoreError| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a room could not be read"
        );
        Refusal {
            code: SignalCode::StoreUnavailable,
            detail: "the room could not be read: try again".into(),
        }
    };
    if app
        .store
        .room_of(room_id, &peer.user_id)
        .await
        .map_err(unavailable)?
        .is_none()
    {
        let waits = app
            .store
            .waits(room_id, &peer.user_id)
            .await
            .map_err(unavailable)?;
        return Err(if waits { in_lobby() } else { absent() });
    }
    // First in, then read: what happens from now on reaches the peer, so that nothing falls between the state and it. And a
    // membership that ends meanwhile is either seen below or ends this entry by its event.
    let (live, new) = app.hub.enter(room_id, peer);
    let read = async {
        app.hub.complete(&live).await;
        let room = app
            .store
            .room_of(room_id, &peer.user_id)
            .await
            .map_err(unavailable)?
            .ok_or_else(absent)?;
        let members = app.store.members(room_id).await.map_err(unavailable)?;
        let lobby = if room.role >= Role::Moderator {
            app.store.lobby(room_id).await.map_err(unavailable)?
        } else {
            Vec::new()
        };
        Ok((room, members, lobby.len()))
    };
    let (room, members, waiting) = match read.await {
        Ok(read) => read,
        Err(refusal) => {
            app.hub.leave(&live, peer);
            return Err(refusal);
        }
    };
    live.settle(&peer.id, room.role, &room.settings.policy);
    live.begin_chat(room.last_seq);
    live.show(|peers, shares| {
        let state = RoomState {
            room_id: room.room_id,
            name: room.name,
            role: room.role,
            members,
            peers,
            shares,
            last_seq: room.last_seq,
            settings: room.settings,
            waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
        };
        peer.outbound.push(event(
            &*app.clock,
            peer.id.as_str(),
            ServerMessage::RoomState(state),
        ));
    });
    if new && let Some(card) = live.announce(&peer.id) {
        let joined = ServerMessage::RoomJoined(PeerInRoom {
            room_id: room_id.clone(),
            peer: card,
        });
        let frame = event(&*app.clock, room_id.as_str(), joined);
        app.bus.publish(BusEvent::Room {
            room_id: room_id.clone(),
            frame,
        });
    }
    Ok(())
}
