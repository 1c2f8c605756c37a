//! One server of several processes: what they share beyond the database, and what one asks of another.
//!
//! Events go over the [`crate::bus`]. What lives in the memory of one node and is asked for at another is answered there: a ticket is
//! used up where it was issued, a request about a live peer is answered by the peer's node, and what belongs to nobody's socket
//! (codes, pairings, sign-ins at a provider) is kept by the node that has been there longest.
//!
//! Enter at [`Cluster::join`]. Without `MESH_NATS_URL` nothing of this runs.

pub(crate) mod desk;
pub(crate) mod forward;
pub(crate) mod repair;
mod secrets;
pub(crate) mod take_over;

pub use secrets::{SecretsError, SharedKeys};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mesh_protocol::ids::PeerId;
use serde::{Deserialize, Serialize};

use crate::auth::random;
use crate::bus::{Bus as _, BusError, NatsBus, NodeId};
use crate::hub::HandedOver;
use crate::notify::Moving;
use crate::store::{SignInId, Store, StoreError};

/// A request that is held for a while (`/codes`) is answered within.
const REQUEST_WITHIN: Duration = Duration::from_secs(12);
/// Anything else is in memory there.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Where the nodes of one database find each other.
const CLUSTER_SETTING: &str = "cluster";

/// What one node asks of another.
#[derive(Serialize, Deserialize)]
enum Question {
    /// Answer this in my place.
    Request(forward::Carried),
    /// Use up a ticket of yours.
    Ticket(String),
    /// Hand over a peer of yours, whose client has come to me.
    Peer {
        resume: String,
        seen: u64,
        sign_in: SignInId,
        to: NodeId,
    },
}

/// The answer to it.
#[derive(Serialize, Deserialize)]
enum Answer {
    Response(forward::CarriedResponse),
    Ticket(Option<SignInId>),
    Peer(Option<Box<Handed>>),
}

/// A peer, and what it rings.
#[derive(Serialize, Deserialize)]
struct Handed {
    #[serde(flatten)]
    peer: HandedOver,
    /// A node of an older version names none.
    #[serde(default)]
    calls: Vec<Moving>,
}

/// The other nodes, as requests see them.
pub struct Cluster {
    bus: Arc<NatsBus>,
}

impl Cluster {
    /// Joins the nodes that work on this database.
    pub async fn join(nats_url: &str, store: &dyn Store, since: u64) -> Result<Self, JoinError> {
        let mine: String = random::id::<PeerId>().to_string();
        store.swap_setting(CLUSTER_SETTING, None, &mine).await?;
        let name = store.setting(CLUSTER_SETTING).await?.unwrap_or(mine);
        let bus = NatsBus::join(nats_url, &name, since).await?;
        Ok(Self { bus: Arc::new(bus) })
    }

    /// What carries events.
    pub fn bus(&self) -> &Arc<NatsBus> {
        &self.bus
    }

    /// A ticket that says where it was issued.
    pub(crate) fn tag(&self, ticket: &str) -> String {
        self.bus
            .node()
            .map_or_else(|| ticket.to_owned(), |node| node.tag(ticket))
    }

    /// The node that a text of [`Self::tag`] names, where that is another one that is there; and the text without the name.
    pub(crate) fn untag<'a>(&self, text: &'a str) -> (Option<NodeId>, &'a str) {
        match NodeId::of_tag(text) {
            Some(node) if Some(node) == self.bus.node() => (None, &text[NodeId::LENGTH + 1..]),
            Some(node) if self.bus.nodes().contains(&node) => (Some(node), text),
            _ => (None, text),
        }
    }

    /// Uses a ticket of another node up.
    pub(crate) async fn take_ticket(&self, node: NodeId, ticket: &str) -> Option<SignInId> {
        let question = Question::Ticket(ticket.to_owned());
        match self.ask(node, &question, ANSWER_WITHIN).await {
            Ok(Answer::Ticket(sign_in)) => sign_in,
            _ => None,
        }
    }

    /// Takes a peer over from its node, with what its client has not `seen`.
    async fn take_peer(&self, node: NodeId, resume: &str, seen: u64, sign_in: &SignInId) -> Option<Handed> {
        let to = self.bus.node()?;
        if node == to || !self.bus.nodes().contains(&node) {
            return None;
        }
        let question = Question::Peer {
            resume: resume.to_owned(),
            seen,
            sign_in: sign_in.clone(),
            to,
        };
        match self.ask(node, &question, ANSWER_WITHIN).await {
            Ok(Answer::Peer(peer)) => peer.map(|peer| *peer),
            _ => None,
        }
    }

    async fn ask(&self, node: NodeId, question: &Question, within: Duration) -> Result<Answer, BusError> {
        let text = serde_json::to_vec(question).map_err(|_| BusError::Silent)?;
        let answer = self.bus.ask(node, Bytes::from(text), within).await?;
        serde_json::from_slice(&answer).map_err(|_| BusError::Silent)
    }
}

/// Why a node did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
