//! A client comes back to this node, whose peer is at another one.

use std::sync::Arc;

use mesh_protocol::signal::{PeerInRoom, ServerMessage};

use super::Handed;
use crate::app::App;
use crate::bus::BusEvent;
use crate::hub::{Hub, LivePeer, RoomThere};
use crate::store::{Result, SignIn};
use crate::ws::event::event;
use crate::ws::outbound::{Attachment, Outbound};

/// Goes on as the peer, where its node hands it over.
pub(crate) async fn take_over(
    app: &Arc<App>,
    resume: &str,
    seen: u64,
    sign_in: &SignIn,
) -> Option<(Arc<LivePeer>, Attachment)> {
    let cluster = app.cluster.as_ref()?;
    let (id, node) = Hub::place_of_resume(resume)?;
    let place = app
        .hub
        .place(&sign_in.user_id, app.config.limits.sockets_per_user)?;
    app.hub.expect(&id);
    let handed = cluster.take_peer(node, resume, seen, &sign_in.id).await;
    let Some((mut handed, calls, frames)) = handed.and_then(|Handed { peer, calls }| {
        let frames = peer.frames()?;
        Some((peer, calls, frames))
    }) else {
        app.hub.expect_no_more(&id);
        return None;
    };
    let rooms = std::mem::take(&mut handed.rooms);
    let outbound = Outbound::handed_over(seen, frames);
    let peer = Arc::new(LivePeer::handed_over(id, sign_in.clone(), place, outbound));
    let attachment = peer.outbound.attach();
    if !app.hub.arrive(&peer, handed) {
        // They are missed, since their caller is in no room.
        app.notices.take_over(calls);
        return None;
    }
    for there in rooms {
        let room_id = there.room_id.clone();
        if let Err(error) = enter(app, &peer, there).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, room = %room_id, "a room could not be entered again");
        }
    }
    app.notices.take_over(calls);
    Some((peer, attachment))
}

/// As `room.join`, but the client knows the room, and the room the peer.
async fn enter(app: &Arc<App>, peer: &Arc<LivePeer>, there: RoomThere) -> Result<()> {
    let (live, _) = app.hub.enter(&there.room_id, peer);
    app.hub.is_here(&live, &peer.id);
    app.hub.complete(&live).await;
    let room = match app.store.room_of(&there.room_id, &peer.user_id).await {
        Ok(Some(room)) => room,
        // What ended the membership has told the client.
        Ok(None) => {
            app.hub.leave(&live, peer);
            return Ok(());
        }
        Err(error) => {
            app.hub.leave(&live, peer);
            return Err(error);
        }
    };
    live.settle(&peer.id, room.role, &room.settings.policy);
    live.begin_chat(room.last_seq);
    live.set_presence(&peer.id, there.status, there.offers);
    for share in there.shares {
        // The rooms know it by its own peer: it is no further one.
        let _ = live.add_share(share);
    }
    if let Some(card) = live.announce(&peer.id) {
        let back = ServerMessage::PresenceChanged(PeerInRoom {
            room_id: there.room_id.clone(),
            peer: card,
        });
        let frame = event(&*app.clock, there.room_id.as_str(), back);
        app.bus.publish(BusEvent::Room {
            room_id: there.room_id,
            frame,
        });
    }
    Ok(())
}
