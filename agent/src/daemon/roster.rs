//! Who is where: the rooms of this connection and the peers in them, as the server tells it.
//!
//! Pure bookkeeping, fed with every message; both the daemon and commands keep one.

use std::collections::{BTreeMap, HashMap};

use mesh_protocol::capability::Feature;
use mesh_protocol::ids::{PeerId, RoomId, ShareId};
use mesh_protocol::signal::{Peer, PeerInRoom, ServerMessage, Share};

use super::consent::plain;

/// What is known of one room.
#[derive(Debug, Default)]
pub struct RoomView {
    pub name: String,
    pub peers: HashMap<PeerId, Peer>,
    pub shares: Vec<Share>,
}

/// All rooms of this connection.
#[derive(Debug, Default)]
pub struct Roster {
    pub rooms: BTreeMap<RoomId, RoomView>,
}

impl Roster {
    /// Takes what changes the picture; everything else is ignored. `from` is the sender that the server names.
    pub fn observe(&mut self, from: Option<&PeerId>, message: &ServerMessage) {
        match message {
            ServerMessage::RoomState(state) => {
                let peers = state
                    .peers
                    .iter()
                    .map(|peer| (peer.peer_id.clone(), peer.clone()))
                    .collect();
                let view = RoomView {
                    name: state.name.clone(),
                    peers,
                    shares: state.shares.clone(),
                };
                self.rooms.insert(state.room_id.clone(), view);
            }
            ServerMessage::RoomJoined(PeerInRoom { room_id, peer })
            | ServerMessage::PresenceChanged(PeerInRoom { room_id, peer }) => {
                if let Some(room) = self.rooms.get_mut(room_id) {
                    room.peers.insert(peer.peer_id.clone(), peer.clone());
                }
            }
            ServerMessage::RoomLeft(left) => {
                if let Some(room) = self.rooms.get_mut(&left.room_id) {
                    room.peers.remove(&left.peer_id);
                    room.shares.retain(|share| share.peer_id != left.peer_id);
                }
            }
            ServerMessage::TerminalShareStarted(notice) | ServerMessage::ShareFolderStarted(notice) => {
                let Some((room, from)) = self.rooms.get_mut(&notice.room_id).zip(from) else {
                    return;
                };
                let Some(peer) = room.peers.get(from) else { return };
                let share = Share {
                    share_id: notice.share_id.clone(),
                    feature: match message {
                        ServerMessage::ShareFolderStarted(_) => Feature::Folder,
                        _ => Feature::Terminal,
                    },
                    peer_id: from.clone(),
                    user_id: peer.user_id.clone(),
                    label: notice.label.clone(),
                };
                room.shares.retain(|known| known.share_id != share.share_id);
                room.shares.push(share);
            }
            ServerMessage::TerminalShareEnded(notice) | ServerMessage::ShareFolderEnded(notice) => {
                if let Some(room) = self.rooms.get_mut(&notice.room_id) {
                    room.shares
                        .retain(|share| share.share_id != notice.share_id || Some(&share.peer_id) != from);
                }
            }
            _ => {}
        }
    }

    /// A peer of a room.
    pub fn peer(&self, room: &RoomId, peer: &PeerId) -> Option<&Peer> {
        self.rooms.get(room)?.peers.get(peer)
    }

    /// A room's name, else its id.
    pub fn room_name(&self, room: &RoomId) -> String {
        self.rooms
            .get(room)
            .map(|view| view.name.clone())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| room.to_string())
    }

    /// The name and device of a peer, as shown to a person.
    pub fn who(&self, room: &RoomId, peer: &PeerId) -> String {
        self.peer(room, peer).map_or_else(|| "someone".to_owned(), who)
    }

    /// The share of that name.
    pub fn share(&self, room: &RoomId, share: &ShareId) -> Option<&Share> {
        self.rooms
            .get(room)?
            .shares
            .iter()
            .find(|known| known.share_id == *share)
    }
}

/// `Alice (laptop)`.
pub fn who(peer: &Peer) -> String {
    let (name, device) = (plain(&peer.name), plain(&peer.device_name));
    if device.is_empty() {
        name
    } else {
        format!("{name} ({device})")
    }
}
