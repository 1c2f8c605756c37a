//! Reads from the database what other nodes could not tell: the database is the truth, the bus only wakes.
//!
//! After something was missed, and every few seconds while other nodes are not reached, every room that somebody here is in is read
//! once, one after the other: who is no member any more leaves, roles and policies are as they are now, messages of the chat that
//! nobody was sent are sent. Whatever else may have been missed (an edited message, say) the clients read anew, told by
//! `system.resync`.

use std::sync::Arc;
use std::time::Duration;

use mesh_protocol::http::ChatMessage;
use mesh_protocol::ids::PeerId;
use mesh_protocol::limits::{MAX_PAGE, OUTBOUND_MESSAGES};
use mesh_protocol::signal::{MemberChange, Nothing, ServerMessage};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::bus::{Bus as _, BusEvent, Frame};
use crate::hub::LiveRoom;
use crate::store::Result;
use crate::ws::event::event;

/// How often the database is read while other nodes are not reached.
const WHILE_CUT_OFF: Duration = Duration::from_secs(3);
/// Pages of the chat that are sent; who lacks more is told to read it by REST.
const PAGES: usize = 10;
/// Messages that are sent at once; before the next ones, sockets have time to write what waits.
const AT_ONCE: usize = OUTBOUND_MESSAGES / 4;
/// How long for. Who does not read is no reason to let the others wait.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// Until `stop`.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    let Some(cluster) = &app.cluster else { return };
    let mut ticks = tokio::time::interval(WHILE_CUT_OFF);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let missed = tokio::select! {
            () = stop.cancelled() => return,
            () = app.hub.damaged() => true,
            _ = ticks.tick() => false,
        };
        if !missed && cluster.bus().is_whole() {
            continue;
        }
        for room in app.hub.live_rooms() {
            if stop.is_cancelled() {
                return;
            }
            if let Err(error) = repair(&app, &room).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a room was not read: it is as this node knew it last");
            }
        }
        if missed {
            app.hub.tell_rooms_with_others(|peer| resync(&app, peer));
        }
    }
}

/// Has a client read anew what it shows.
fn resync(app: &App, peer: &PeerId) -> Frame {
    event(&*app.clock, peer.as_str(), ServerMessage::Resync(Nothing {}))
}

async fn repair(app: &App, room: &LiveRoom) -> Result<()> {
    let members = app.store.members(room.id()).await?;
    let mut looked_at = None;
    for peer in room.peers() {
        let room_id = room.id().clone();
        let Some(member) = members.iter().find(|member| member.user_id == peer.user_id) else {
            app.bus.here(BusEvent::MemberGone {
                room_id,
                user_id: peer.user_id.clone(),
                reason: "removed".into(),
            });
            continue;
        };
        looked_at = Some(peer.user_id.clone());
        if room.role_of(&peer.id).is_some_and(|role| role != member.role) {
            let change = MemberChange {
                room_id: room_id.clone(),
                member: member.clone(),
            };
            app.bus.here(BusEvent::MemberChanged {
                user_id: member.user_id.clone(),
                role: member.role,
                frame: event(
                    &*app.clock,
                    room_id.as_str(),
                    ServerMessage::MemberChanged(change),
                ),
                room_id,
            });
        }
    }
    if let Some(user) = looked_at
        && let Some(now) = app.store.room_of(room.id(), &user).await?
    {
        app.hub.take_policy(room, &now.settings.policy);
        chat(app, room, now.last_seq).await?;
    }
    Ok(())
}

/// Sends the messages of the chat that are missing here.
async fn chat(app: &App, room: &LiveRoom, last: u64) -> Result<()> {
    let Some(upto) = room.chat_upto().filter(|upto| *upto < last) else {
        return Ok(());
    };
    let mut missing: Vec<ChatMessage> = Vec::new();
    let (mut before, mut whole) = (None, false);
    for _ in 0..PAGES {
        let page = app.store.messages(room.id(), before, MAX_PAGE).await?;
        let first = page.first().map(|message| message.seq);
        missing.extend(page.into_iter().filter(|message| message.seq > upto).rev());
        match first {
            Some(first) if first > upto + 1 => before = Some(first),
            _ => {
                whole = true;
                break;
            }
        }
    }
    for (nth, message) in missing.into_iter().rev().enumerate() {
        if nth > 0 && nth % AT_ONCE == 0 {
            let _ = tokio::time::timeout(WRITTEN_WITHIN, written(room)).await;
        }
        let (room_id, seq) = (room.id().clone(), message.seq);
        let frame = event(
            &*app.clock,
            room_id.as_str(),
            ServerMessage::ChatMessageCreated(message),
        );
        app.bus.here(BusEvent::Chat { room_id, seq, frame });
    }
    room.chat_filled(last);
    if !whole {
        for peer in room.peers() {
            peer.outbound.push(resync(app, &peer.id));
        }
    }
    Ok(())
}

/// Waits until nobody in the room has much to read.
async fn written(room: &LiveRoom) {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    while room
        .peers()
        .iter()
        .any(|peer| peer.outbound.unwritten() > AT_ONCE)
    {
        looks.tick().await;
    }
}
