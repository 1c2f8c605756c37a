//! How the stack of a connection is set up, which cannot be changed afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::crypto::RTCCryptoProvider;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::setting_engine::{SctpMaxMessageSize, SettingEngineBuilder};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};

use super::Driver;
use super::clock::ICE_CHECK_EVERY;
use crate::rtc::certificate::Certificate;
use crate::rtc::config::{
    ICE_DISCONNECTED_AFTER, ICE_FAILED_AFTER, ICE_KEEPALIVE_EVERY, MAX_RECEIVE_BYTES, RtcConfig, RtcError,
    WINDOW_BYTES,
};
use crate::rtc::repair::{HEADER_BYTES, LONG_RECORD_BYTES};

/// SCTP packets that fit a path of 1,280 bytes with DTLS, the header of repair, TURN, UDP and IPv6 around them.
const SCTP_MTU_BYTES: u32 = 1191 - HEADER_BYTES as u32;
/// Header, nonce and tag of a DTLS record with AES-GCM (RFC 5288, section 3).
const DTLS_BYTES: usize = 13 + 8 + 16;
/// SCTP packets that make records of several such datagrams, all of them full.
const LONG_SCTP_MTU_BYTES: u32 = (LONG_RECORD_BYTES - DTLS_BYTES) as u32;

/// Records that may overtake each other by as much as they do when an acknowledgement does not wait for repair.
const DTLS_REPLAY_WINDOW: usize = 256;

/// Checks sent on one pair before it is given up: fifteen seconds and the hastened ones.
const ICE_CHECKS: u16 = 100;
/// How long better candidates are waited for before a relayed pair is chosen, on the stack's clock.
const RELAY_WAIT: Duration = Duration::from_millis(2_400);
const REFLEXIVE_WAIT: Duration = Duration::from_millis(100);

/// What every stack of one connection has in common.
pub(super) struct Stack {
    crypto: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    relay_only: bool,
    receive_window: u32,
}

impl Stack {
    pub(super) fn new(
        crypto: Arc<dyn RTCCryptoProvider>,
        certificate: Certificate,
        config: &RtcConfig,
    ) -> Self {
        Self {
            crypto,
            certificate,
            relay_only: config.relay_only,
            receive_window: u32::try_from(config.unread.max(WINDOW_BYTES)).unwrap_or(u32::MAX),
        }
    }

    /// For another end that puts records of up to `max_record` bytes together from several datagrams, or none.
    pub(super) fn build(&self, max_record: Option<usize>) -> Result<RTCPeerConnection, RtcError> {
        let relay_wait = if self.relay_only {
            Duration::ZERO
        } else {
            RELAY_WAIT
        };
        let sctp_mtu = if takes_long(max_record) {
            LONG_SCTP_MTU_BYTES
        } else {
            SCTP_MTU_BYTES
        };
        let settings = SettingEngineBuilder::new()
            .with_crypto_provider(self.crypto.clone())
            .with_sctp_mtu(sctp_mtu)
            .with_dtls_replay_protection_window(DTLS_REPLAY_WINDOW)
            .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(MAX_RECEIVE_BYTES as u32))
            .with_sctp_max_receive_buffer_size(self.receive_window)
            .with_host_acceptance_min_wait(Some(Duration::ZERO))
            .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
            .with_srflx_acceptance_min_wait(Some(REFLEXIVE_WAIT))
            .with_relay_acceptance_min_wait(Some(relay_wait))
            // Those of the old path are bound to sockets that are replaced.
            .with_discard_local_candidates_during_ice_restart(true)
            .with_ice_connection_attempts(Some(ICE_CHECK_EVERY), Some(ICE_CHECKS))
            .with_ice_timeouts(
                Some(ICE_DISCONNECTED_AFTER),
                Some(ICE_FAILED_AFTER),
                Some(ICE_KEEPALIVE_EVERY),
            )
            .build();
        let certificate = self.certificate.clone().into_inner();
        Ok(RTCPeerConnectionBuilder::new()
            .with_configuration(
                RTCConfigurationBuilder::new()
                    .with_certificates(vec![certificate])
                    .build(),
            )
            .with_setting_engine(settings)
            .build(Instant::now())?)
    }
}

fn takes_long(max_record: Option<usize>) -> bool {
    max_record.is_some_and(|bytes| bytes >= LONG_RECORD_BYTES)
}

impl Driver {
    /// Has the stack make longer records where the other end puts them together: it is set up anew, before any description.
    pub(in crate::rtc) fn suit(&mut self, max_record: Option<usize>) -> Result<(), RtcError> {
        self.long_records = takes_long(max_record);
        if self.long_records {
            self.pc = self.stack.build(max_record)?;
            for candidate in std::mem::take(&mut self.in_stack) {
                self.add_to_stack(candidate);
            }
        }
        Ok(())
    }
}
