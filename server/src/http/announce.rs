//! Tells rooms and people what requests have changed.

use mesh_protocol::http::{AuditAct, LobbyRequest, Member, RoomChange};
use mesh_protocol::ids::{RoomId, UserId};
use mesh_protocol::signal::{InRoom, LobbyChange, MemberChange, MemberRemoved, ServerMessage};

use super::error::ApiError;
use crate::app::App;
use crate::audit;
use crate::bus::BusEvent;
use crate::store::{Entry, SignInId};
use crate::ws::event::event;

pub(super) fn to_room(app: &App, room_id: &RoomId, message: ServerMessage) {
    let frame = event(&*app.clock, room_id.as_str(), message);
    app.bus.publish(BusEvent::Room {
        room_id: room_id.clone(),
        frame,
    });
}

pub(super) fn room_changed(app: &App, change: RoomChange) {
    let (room_id, policy) = (change.room_id.clone(), change.settings.policy.clone());
    let frame = event(&*app.clock, room_id.as_str(), ServerMessage::RoomChanged(change));
    app.bus.publish(BusEvent::RoomChanged {
        room_id,
        policy,
        frame,
    });
}

pub(super) fn member_changed(app: &App, room_id: RoomId, member: Member) {
    let (user_id, role) = (member.user_id.clone(), member.role);
    let change = MemberChange {
        room_id: room_id.clone(),
        member,
    };
    let frame = event(
        &*app.clock,
        room_id.as_str(),
        ServerMessage::MemberChanged(change),
    );
    app.bus.publish(BusEvent::MemberChanged {
        room_id,
        user_id,
        role,
        frame,
    });
}

/// Their own peers leave first, and learn it so.
pub(super) fn member_gone(app: &App, room_id: RoomId, user_id: UserId, reason: &'static str) {
    for event in member_gone_events(app, room_id, user_id, reason) {
        app.bus.publish(event);
    }
}

/// The same on this node alone, where every node learns of it by itself.
pub(crate) fn member_gone_here(app: &App, room_id: RoomId, user_id: UserId, reason: &'static str) {
    for event in member_gone_events(app, room_id, user_id, reason) {
        app.bus.here(event);
    }
}

fn member_gone_events(app: &App, room_id: RoomId, user_id: UserId, reason: &'static str) -> [BusEvent; 2] {
    let gone = MemberRemoved {
        room_id: room_id.clone(),
        user_id: user_id.clone(),
    };
    let frame = event(&*app.clock, room_id.as_str(), ServerMessage::MemberRemoved(gone));
    let leaves = BusEvent::MemberGone {
        room_id: room_id.clone(),
        user_id,
        reason: reason.into(),
    };
    [leaves, BusEvent::Room { room_id, frame }]
}

/// Sessions ended with what they were for.
pub(super) fn sign_ins_ended(app: &App, ended: Vec<SignInId>) {
    for sign_in in ended {
        app.bus.publish(BusEvent::SignInEnded { sign_in });
    }
}

/// Tells the moderators who waits, and returns the same.
pub(super) async fn lobby_changed(app: &App, room_id: &RoomId) -> Result<Vec<LobbyRequest>, ApiError> {
    let waiting = app.store.lobby(room_id).await?;
    let change = LobbyChange {
        room_id: room_id.clone(),
        waiting: u32::try_from(waiting.len()).unwrap_or(u32::MAX),
    };
    let frame = event(&*app.clock, room_id.as_str(), ServerMessage::LobbyChanged(change));
    app.bus.publish(BusEvent::Moderators {
        room_id: room_id.clone(),
        frame,
    });
    Ok(waiting)
}

/// Tells the room who came by an invitation, or its moderators who waits.
pub(super) async fn entry(app: &App, entry: &Entry) -> Result<(), ApiError> {
    match entry {
        // Who asks again was told of.
        Entry::Known(_) | Entry::Waits(_) => Ok(()),
        Entry::Asks(room, user) => {
            let waiting = lobby_changed(app, room).await?;
            if let Some(asks) = waiting.into_iter().find(|one| one.user_id == *user) {
                app.notices.waits(room.clone(), asks.user_id, asks.name);
            }
            Ok(())
        }
        Entry::Entered(room, member) => {
            let actor = audit::person(member.user_id.clone(), &member.name);
            app.audit.record(room, AuditAct::MemberJoined, actor, |entry| {
                entry.detail = Some(member.role.as_str().to_owned());
            });
            member_changed(app, room.clone(), member.clone());
            Ok(())
        }
    }
}

/// Tells who waited what became of it.
pub(super) fn to_who_waited(app: &App, room_id: RoomId, user_id: UserId, admitted: bool) {
    let room = InRoom { room_id };
    let message = if admitted {
        ServerMessage::RoomAdmitted(room)
    } else {
        ServerMessage::RoomRefused(room)
    };
    let frame = event(&*app.clock, user_id.as_str(), message);
    app.bus.publish(BusEvent::User { user_id, frame });
}
