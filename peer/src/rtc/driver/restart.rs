//! Another path for an open connection whose path has died: an ICE restart (RFC 8445 section 9).
//!
//! Owns no state: these are the steps of [`Driver`] that leave one path and look for the next. The certificates, the
//! channel and everything that is on its way stay. Sockets and relays are new ones: a relay that was started again knows
//! nothing of the old allocation, and a device that moved has other addresses.

use std::net::SocketAddr;
use std::time::Instant;

use rtc::peer_connection::sdp::RTCSessionDescription;

use super::{Driver, own_sockets};
use crate::rtc::ConnectionEvent;
use crate::rtc::candidate::{self, fingerprint_of_sdp};
use crate::rtc::config::{IceServer, RECOVER_WITHIN, RtcError};
use crate::rtc::gather::{self, Tasks};
use crate::rtc::negotiation::invalid;
use crate::rtc::socket::Socket;
use crate::rtc::stun::Probes;

impl Driver {
    /// The offer of another path.
    pub(super) fn restart(&mut self, ice_servers: Vec<IceServer>) -> Result<String, RtcError> {
        if self.channel.is_none() || self.own_channel.is_none() {
            return Err(RtcError::State(
                "only an open connection has another path, and who opened it offers one",
            ));
        }
        let sockets = own_sockets(&self.config)?;
        self.pc.restart_ice();
        let offer = self.pc.create_offer(None)?;
        let (sdp, _) = candidate::split_candidates(&offer.sdp);
        self.pc.set_local_description(self.stack_now(), offer)?;
        self.remote_described = false;
        self.leave_path(sockets, ice_servers);
        Ok(self.describe_path(sdp))
    }

    /// The answer to an offer of another path.
    pub(super) fn accept_restart(
        &mut self,
        sdp: &str,
        ice_servers: Vec<IceServer>,
    ) -> Result<String, RtcError> {
        if self.channel.is_none() || self.own_channel.is_some() {
            return Err(RtcError::State("no other path is expected"));
        }
        self.check_description(sdp)?;
        let sockets = own_sockets(&self.config)?;
        let (rest, candidates) = candidate::split_candidates(sdp);
        let offer = RTCSessionDescription::offer(rest).map_err(invalid)?;
        self.pc
            .set_remote_description(self.stack_now(), offer)
            .map_err(invalid)?;
        let answer = self.pc.create_answer(None)?;
        let (own, _) = candidate::split_candidates(&answer.sdp);
        self.pc.set_local_description(self.stack_now(), answer)?;
        self.leave_path(sockets, ice_servers);
        let own = self.describe_path(own);
        self.take_described(sdp, candidates);
        Ok(own)
    }

    /// A description of another path is of the same end, and of a path that is new.
    pub(in crate::rtc) fn check_description(&self, sdp: &str) -> Result<(), RtcError> {
        if fingerprint_of_sdp(sdp) != self.remote_fingerprint() {
            return Err(RtcError::Invalid(
                "another certificate for an open connection".to_owned(),
            ));
        }
        if candidate::sdp_value(sdp, "ice-ufrag") == self.remote_ufrag.as_deref() {
            return Err(RtcError::Invalid(
                "a description of the path that there is".to_owned(),
            ));
        }
        Ok(())
    }

    /// Lets everything of the path go; the stack has done so already.
    fn leave_path(&mut self, sockets: Vec<Socket>, ice_servers: Vec<IceServer>) {
        let now = Instant::now();
        for turn in &mut self.turns {
            turn.release(now);
        }
        self.turns.clear();
        self.sockets = sockets;
        self.config.ice_servers = ice_servers;
        self.probes = Probes::default();
        self.tasks = Tasks::new();
        self.reserve = gather::start(&self.config, &self.crypto, &mut self.tasks);
        self.held_relays.clear();
        (self.local_candidates, self.remote_candidates) = (0, 0);
        self.remote_addrs.clear();
        self.relayed_peers.clear();
        self.early_candidates.clear();
        self.undescribed.clear();
        self.route = None;
        (self.gathered, self.ice_connected, self.ice_heard) = (false, false, false);
        self.hastened = 0;
        self.recover_until.get_or_insert(now + RECOVER_WITHIN);
    }

    /// Makes this the description of the path: candidates follow it.
    fn describe_path(&mut self, sdp: String) -> String {
        let sdp = self.described(sdp);
        self.add_sockets();
        sdp
    }

    /// ICE has a pair that works: the same as before, or the first of another path.
    pub(super) fn on_heard_again(&mut self) {
        if self.recover_until.take().is_none() {
            return;
        }
        self.route = self.selected_route();
        if let Some(repair) = &mut self.repair {
            repair.on_another_path(Instant::now());
        }
        self.tell(ConnectionEvent::Restored);
    }

    /// Between which addresses the stack is going to send.
    fn selected_route(&self) -> Option<(SocketAddr, SocketAddr)> {
        let sctp = self.pc.sctp()?;
        let pair = sctp.transport().ice_transport().get_selected_candidate_pair()?;
        let addr = |address: &str, port| Some(SocketAddr::new(address.parse().ok()?, port));
        Some((
            addr(&pair.local().address, pair.local().port)?,
            addr(&pair.remote().address, pair.remote().port)?,
        ))
    }
}
