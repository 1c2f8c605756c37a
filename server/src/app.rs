//! What every request and every socket of one server shares.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::audit::Audit;
use crate::auth::capability_keys::CapabilityKeys;
use crate::auth::capability_rate::CapabilityRate;
use crate::auth::codes::Codes;
use crate::auth::oidc::Oidc;
use crate::auth::pairing::Pairings;
use crate::auth::password::Passwords;
use crate::auth::sign_in_token::SignInTokens;
use crate::auth::sign_ins::SignIns;
use crate::auth::throttle::Throttle;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::hub::Hub;
use crate::hub::tickets::Tickets;
use crate::metrics::Metrics;
use crate::notify::{Notices, Places};
use crate::store::Store;
use crate::ws::chat::ChatQueue;

/// The shared parts, put together by [`crate::Server::start`].
pub struct App {
    pub config: Config,
    /// Without a trailing slash.
    pub public_url: String,
    /// The origins whose pages may use the server.
    pub origins: Vec<String>,
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn Store>,
    pub bus: Arc<dyn Bus>,
    pub hub: Arc<Hub>,
    /// The other nodes, where there may be some.
    pub cluster: Option<Cluster>,
    pub capability_keys: Arc<CapabilityKeys>,
    pub sign_in_tokens: SignInTokens,
    /// Who asks.
    pub sign_ins: Arc<SignIns>,
    pub passwords: Passwords,
    pub throttle: Arc<Throttle>,
    pub capability_rate: CapabilityRate,
    pub tickets: Tickets,
    pub pairings: Pairings,
    pub codes: Codes,
    pub oidc: Option<Oidc>,
    pub chat: ChatQueue,
    /// Where happenings are told that somebody may want to hear of.
    pub notices: Notices,
    /// Where people hear of them.
    pub places: Arc<Places>,
    pub audit: Audit,
    pub metrics: Arc<Metrics>,
    /// Every socket's task; drained at the end.
    pub sockets: TaskTracker,
}

impl App {
    /// Whether a page of this origin may use the server.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    /// Whether the public address is encrypted, so that cookies must be.
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}
