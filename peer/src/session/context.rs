//! What every session of a device shares, and what one session knows of itself.
//!
//! Owns [`SessionContext`], [`Binding`], and the two halves of trust that outlive the opening: [`Judge`] for the other
//! end's tokens, [`Renewal`] for our own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mesh_protocol::capability::{Capability, CapabilityError, Claims, Expected, Feature};
use mesh_protocol::channel::{Frame, Renew};
use mesh_protocol::http::{CapabilityGrant, CapabilityRequest};
use mesh_protocol::ids::{PeerId, RoomId, SessionId};
use mesh_protocol::limits::{FILE_WINDOW, FILE_WINDOW_CHUNKS};
use tokio::time::Instant;
use tracing::debug;

use super::carried::Turns;
use super::{SessionError, SessionRouter, sdp_fingerprint};
use crate::rtc::{Certificate, IceServer, RtcConfig};
use crate::signal::{ControlPlane, Keys, SignalError, SignalHandle};

/// What a sender of files may have on its way, with the headers of that many chunks: two frames of some 60 bytes together.
const UNREAD_FILES: usize = FILE_WINDOW as usize + 64 * FILE_WINDOW_CHUNKS;

/// Tells the time in Unix seconds.
pub type UnixClock = fn() -> u64;

/// The system's clock.
pub fn unix_now() -> u64 {
    // A clock before 1970 makes every token "not valid yet", which is what it should do.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// What a device needs for its sessions; cheap to clone, one for all of them.
#[derive(Clone, Debug)]
pub struct SessionContext {
    control: ControlPlane,
    signal: SignalHandle,
    keys: Keys,
    router: SessionRouter,
    rtc: RtcConfig,
    clock: UnixClock,
    ice: Arc<Mutex<Option<CachedIce>>>,
    /// The only certificate of another device that is taken, as in SDP; `None`: whichever the server names.
    pin: Option<String>,
    turns: Turns,
}

#[derive(Clone, Debug)]
struct CachedIce {
    servers: Vec<IceServer>,
    until: Instant,
}

impl SessionContext {
    /// `control` has a session, `signal` is the socket of that same session, and `router` gets its events. The servers
    /// of `GET /ice` are used beside those of `rtc`.
    pub fn new(
        control: ControlPlane,
        signal: SignalHandle,
        keys: Keys,
        router: SessionRouter,
        rtc: RtcConfig,
    ) -> Self {
        Self {
            control,
            signal,
            keys,
            router,
            rtc,
            clock: unix_now,
            ice: Arc::default(),
            pin: None,
            turns: Turns::default(),
        }
    }

    /// For sessions with one device only, which both ends know by more than the server's word: this end shows `own` in all of them,
    /// and takes nobody but who has the certificate with the fingerprint `remote`.
    pub fn pinned(mut self, own: Certificate, remote: &str) -> Self {
        self.rtc.certificate = Some(own);
        self.pin = Some(sdp_fingerprint(remote));
        self
    }

    /// Whether sessions with who shows this certificate are wanted at all.
    pub(super) fn check_pin(&self, fingerprint: &str) -> Result<(), SessionError> {
        match &self.pin {
            Some(pin) if *pin != sdp_fingerprint(fingerprint) => Err(SessionError::Unvouched),
            _ => Ok(()),
        }
    }

    /// With another clock, for tests.
    pub fn with_clock(self, clock: UnixClock) -> Self {
        Self { clock, ..self }
    }

    /// The REST client.
    pub fn control(&self) -> &ControlPlane {
        &self.control
    }

    /// The socket.
    pub fn signal(&self) -> &SignalHandle {
        &self.signal
    }

    /// The published keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The routes of all sessions.
    pub fn router(&self) -> &SessionRouter {
        &self.router
    }

    /// When a piece of a terminal may go through the server.
    pub(super) fn turns(&self) -> &Turns {
        &self.turns
    }

    pub(super) fn clock(&self) -> UnixClock {
        self.clock
    }

    /// Who we are on the socket now.
    pub(super) fn me(&self) -> Result<PeerId, SessionError> {
        self.signal
            .current_peer()
            .ok_or(SessionError::Signal(SignalError::Offline))
    }

    /// Judges the token of a request *before* anyone is asked for consent. A request to the room comes without one (it is
    /// bound to nobody); then the offer's is the first that can be judged, and that is done before it is answered.
    pub async fn judge_request(
        &self,
        binding: &Binding,
        cap_token: Option<&str>,
    ) -> Result<Option<Claims>, SessionError> {
        let Some(token) = cap_token else { return Ok(None) };
        let claims = self.keys.verify(token, (self.clock)()).await?;
        // Which certificate it is bound to shows with the offer; that it is bound to one must show now.
        let bound = claims
            .cnf
            .as_ref()
            .ok_or(CapabilityError::Unbound("fingerprint"))?
            .fp
            .clone();
        claims.check(&binding.expected(binding.feature.capability(), &bound))?;
        self.check_pin(&bound)?;
        Ok(Some(claims))
    }

    /// The configuration of a new connection for this feature. Without an answer of the server about relays it is tried without
    /// them.
    pub(super) async fn rtc_config(&self, feature: Feature) -> RtcConfig {
        let mut config = self.rtc.clone();
        config.ice_servers.extend(self.ice_servers().await);
        if matches!(feature, Feature::File | Feature::Folder) {
            config.unread = UNREAD_FILES;
        }
        config
    }

    /// The next connection asks for its servers anew: those that were given may be why the last one died.
    pub(super) fn forget_ice(&self) {
        *self.ice.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn ice_servers(&self) -> Vec<IceServer> {
        let cached = self.ice.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(cached) = cached.filter(|cached| Instant::now() < cached.until) {
            return cached.servers;
        }
        match self.control.ice().await {
            Ok(answer) => {
                let convert = |server: mesh_protocol::http::IceServer| IceServer {
                    urls: server.urls,
                    username: server.username,
                    credential: server.credential,
                };
                let servers: Vec<IceServer> = answer.ice_servers.into_iter().map(convert).collect();
                // Half of their life, so that a relay's credentials outlive the opening.
                let until = Instant::now() + Duration::from_secs(answer.ttl.min(3600) / 2);
                let cached = CachedIce {
                    servers: servers.clone(),
                    until,
                };
                *self.ice.lock().unwrap_or_else(PoisonError::into_inner) = Some(cached);
                servers
            }
            Err(error) => {
                debug!(%error, "no ICE servers; trying without");
                Vec::new()
            }
        }
    }
}

/// Between whom a session is, where and for what: everything that a token must agree with but the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The room that both are in.
    pub room_id: RoomId,
    /// The session.
    pub session_id: SessionId,
    /// Who we are.
    pub me: PeerId,
    /// The other end, as the server named it.
    pub remote: PeerId,
    /// What it is for.
    pub feature: Feature,
}

impl Binding {
    /// What a token of the other end is held against; `fingerprint` as in SDP.
    pub fn expected<'a>(&'a self, capability: Capability, fingerprint: &'a str) -> Expected<'a> {
        Expected {
            capability,
            room_id: &self.room_id,
            session_id: &self.session_id,
            bearer: &self.remote,
            target: &self.me,
            fingerprint,
        }
    }
}

/// Judges further tokens of the other end of a session, such as those of RENEW.
#[derive(Clone, Debug)]
pub struct Judge {
    keys: Keys,
    clock: UnixClock,
    binding: Binding,
    remote_fingerprint: String,
}

impl Judge {
    /// `remote_fingerprint` may be bare or as in SDP.
    pub fn new(keys: Keys, clock: UnixClock, binding: Binding, remote_fingerprint: &str) -> Self {
        Self {
            keys,
            clock,
            binding,
            remote_fingerprint: sdp_fingerprint(remote_fingerprint),
        }
    }

    /// What is judged against.
    pub(super) fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Whether `token` gives `capability` to the other end, now, for this session over this connection.
    pub async fn judge(&self, token: &str, capability: Capability) -> Result<Claims, SessionError> {
        let claims = self.keys.verify(token, (self.clock)()).await?;
        claims.check(&self.binding.expected(capability, &self.remote_fingerprint))?;
        Ok(claims)
    }
}

/// Gets fresh tokens of our own for a session, for RENEW and for control.
#[derive(Clone, Debug)]
pub struct Renewal {
    ctx: SessionContext,
    binding: Binding,
    /// Of our own certificate, as in SDP.
    fingerprint: String,
}

impl Renewal {
    pub(super) fn new(ctx: SessionContext, binding: Binding, fingerprint: &str) -> Self {
        Self {
            ctx,
            binding,
            fingerprint: sdp_fingerprint(fingerprint),
        }
    }

    /// A fresh token with these rights, bound to this session, its other end and this connection: `POST /caps`.
    pub async fn renew(&self, caps: &[Capability]) -> Result<CapabilityGrant, SessionError> {
        self.ask(caps.to_vec(), Some(&self.binding.remote), None).await
    }

    /// The frame that renews the lease on these rights.
    pub async fn frame(&self, caps: &[Capability]) -> Result<Bytes, SessionError> {
        let cap_token = self.renew(caps).await?.cap_token;
        Ok(Frame::Renew(Renew { cap_token }).encode())
    }

    pub(super) async fn ask(
        &self,
        caps: Vec<Capability>,
        target: Option<&PeerId>,
        max_size: Option<u64>,
    ) -> Result<CapabilityGrant, SessionError> {
        let body = CapabilityRequest {
            room_id: self.binding.room_id.clone(),
            peer_id: self.ctx.me()?,
            caps,
            target_peer_id: target.cloned(),
            max_size,
            session_id: Some(self.binding.session_id.clone()),
            fingerprint: Some(self.fingerprint.clone()),
        };
        Ok(self.ctx.control.caps(&body).await?)
    }
}
