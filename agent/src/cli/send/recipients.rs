//! Whom `--to` means: the devices in a room, or those of a person, that take files; and who came by a code.

use mesh_protocol::capability::Feature;
use mesh_protocol::http::Room;
use mesh_protocol::ids::{DeviceId, PeerId, RoomId, UserId};
use mesh_protocol::signal::Peer;

use crate::cli::connect::pick_room;
use crate::daemon::consent::plain;
use crate::daemon::roster::{Roster, who};

/// A device that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) room: RoomId,
    pub(super) peer: PeerId,
    pub(super) device: DeviceId,
    pub(super) who: String,
}

impl Candidate {
    /// The same device under the connection that it has now, if it has one.
    pub(super) fn now(&self, roster: &Roster) -> Option<Self> {
        let peers = &roster.rooms.get(&self.room)?.peers;
        let takes = |peer: &&Peer| peer.device_id == self.device && peer.offers.contains(&Feature::File);
        let peer = peers.values().find(takes)?.peer_id.clone();
        Some(Self { peer, ..self.clone() })
    }
}

/// Who is to be asked.
#[derive(Debug)]
pub(super) struct Recipients {
    to: String,
    room: Option<RoomId>,
    own: (UserId, DeviceId),
    /// The room was made for who came by a code.
    by_code: bool,
}

impl Recipients {
    /// A room of that name or id goes before a person of that name.
    pub(super) fn new(to: &str, rooms: &[Room], user: UserId, device: DeviceId) -> Self {
        let room = pick_room(rooms, Some(to)).ok();
        Self {
            to: room.map_or_else(|| plain(to), |room| plain(&room.name)),
            room: room.map(|room| room.room_id.clone()),
            own: (user, device),
            by_code: false,
        }
    }

    /// The guest in a room that was made for them, and no other device of the sender's own.
    pub(super) fn by_code(room: &RoomId, user: UserId, device: DeviceId) -> Self {
        Self {
            to: "the other machine".into(),
            room: Some(room.clone()),
            own: (user, device),
            by_code: true,
        }
    }

    /// For a sentence.
    pub(super) fn shown(&self) -> String {
        if self.room.is_some() && !self.by_code {
            format!("someone in {}", self.to)
        } else {
            self.to.clone()
        }
    }

    /// The beginning of a sentence about a refusal.
    pub(super) fn nobody(&self) -> String {
        if self.by_code {
            "The other machine did not take it".into()
        } else if self.room.is_some() {
            format!("Nobody in {} took it", self.to)
        } else {
            format!("{} did not take it", self.to)
        }
    }

    /// What to do where nobody accepted.
    pub(super) fn next_time(&self) -> String {
        if self.by_code {
            "send again for a new code".into()
        } else {
            let whom = self.shown();
            format!("have {whom} run `mesh receive` or `mesh up`, or open the page, then send again")
        }
    }

    /// Everyone to be asked now. A device is never asked by itself; of a person that is known by several rooms, each
    /// connection is asked in one.
    pub(super) fn among(&self, roster: &Roster, me: Option<&PeerId>) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        for (room, view) in &roster.rooms {
            if self.room.as_ref().is_some_and(|wanted| wanted != room) {
                continue;
            }
            for peer in view.peers.values() {
                let known = candidates.iter().any(|candidate| candidate.peer == peer.peer_id);
                if !known && Some(&peer.peer_id) != me && self.fits(peer) {
                    candidates.push(Candidate {
                        room: room.clone(),
                        peer: peer.peer_id.clone(),
                        device: peer.device_id.clone(),
                        who: who(peer),
                    });
                }
            }
        }
        candidates.sort_by(|a, b| a.peer.cmp(&b.peer));
        candidates
    }

    fn fits(&self, peer: &Peer) -> bool {
        if self.by_code && peer.user_id == self.own.0 {
            return false;
        }
        let named = self.room.is_some()
            || peer.name.eq_ignore_ascii_case(&self.to)
            || peer.device_name.eq_ignore_ascii_case(&self.to);
        named && peer.offers.contains(&Feature::File) && peer.device_id != self.own.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_protocol::http::{DeviceKind, Role, RoomSettings};
    use mesh_protocol::signal::{RoomState, ServerMessage, Status};

    fn peer(id: &str, name: &str, device: &str, offers: &[Feature]) -> Peer {
        Peer {
            peer_id: id.parse().unwrap(),
            user_id: name.parse().unwrap(),
            name: name.into(),
            device_id: device.parse().unwrap(),
            device_name: device.into(),
            kind: DeviceKind::Agent,
            status: Status::Online,
            offers: offers.to_vec(),
        }
    }

    fn roster() -> Roster {
        let mut roster = Roster::default();
        for (room, name) in [("r1", "Home"), ("r2", "Team")] {
            roster.observe(
                None,
                &ServerMessage::RoomState(RoomState {
                    room_id: room.parse().unwrap(),
                    name: name.into(),
                    role: Role::Member,
                    members: vec![],
                    peers: vec![
                        peer("me", "alice", "desk", &[Feature::File]),
                        peer("me2", "alice", "desk", &[Feature::File]),
                        peer("phone", "alice", "phone", &[Feature::File]),
                        peer("bob1", "bob", "laptop", &[Feature::File]),
                        peer("bob2", "bob", "tv", &[Feature::Terminal]),
                    ],
                    shares: vec![],
                    last_seq: 0,
                    settings: RoomSettings::default(),
                    waiting: 0,
                }),
            );
        }
        roster
    }

    fn asked(to: &str) -> Vec<String> {
        let rooms = [Room {
            room_id: "r1".parse().unwrap(),
            name: "Home".into(),
            role: Role::Member,
            last_seq: 0,
            settings: RoomSettings::default(),
        }];
        let recipients = Recipients::new(to, &rooms, "alice".parse().unwrap(), "desk".parse().unwrap());
        let me = "me".parse().unwrap();
        recipients
            .among(&roster(), Some(&me))
            .into_iter()
            .map(|candidate| candidate.peer.to_string())
            .collect()
    }

    #[test]
    fn a_room_means_every_device_in_it_that_takes_files_but_this_one() {
        assert_eq!(asked("home"), ["bob1", "phone"]);
    }

    #[test]
    fn a_code_means_who_came_by_it_and_none_of_ones_own_devices() {
        let room = "r1".parse().unwrap();
        let recipients = Recipients::by_code(&room, "alice".parse().unwrap(), "desk".parse().unwrap());
        let candidates = recipients.among(&roster(), Some(&"me".parse().unwrap()));
        let peers: Vec<_> = candidates
            .iter()
            .map(|one| (one.room.as_str(), one.peer.as_str()))
            .collect();
        assert_eq!(peers, [("r1", "bob1")]);
    }

    #[test]
    fn a_person_or_device_is_asked_once_though_several_rooms_know_it() {
        assert_eq!(asked("Bob"), ["bob1"]);
        assert_eq!(asked("phone"), ["phone"]);
        assert_eq!(asked("alice"), ["phone"]);
        assert!(asked("nobody").is_empty());
    }
}
