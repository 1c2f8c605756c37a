//! Two devices that open sessions over real connections on loopback, introduced by a control plane that can be made to lie.

pub(crate) use crate::signal_fake as fake;

use std::time::Duration;

use fake::Fake;
use mesh_peer::rtc::RtcConfig;
use mesh_peer::session::{
    Accepted, Binding, Invitation, OpenSession, SessionContext, SessionError, SessionRoute, SessionRouter,
    Wanted, new_session_id, open_as_answerer, open_as_requester,
};
use mesh_peer::signal::{ControlPlane, Keys, SessionToken, Signal, SignalEvent};
use mesh_protocol::capability::Feature;
use mesh_protocol::ids::{PeerId, RoomId};
use mesh_protocol::signal::{ClientMessage, ServerMessage, SessionRequest, TransferRequest};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub const SOON: Duration = Duration::from_secs(20);

/// A device: its socket, and the requests that came to it.
pub struct Device {
    pub ctx: SessionContext,
    pub me: PeerId,
    pub rest: mpsc::Receiver<(Option<PeerId>, ServerMessage)>,
    _signal: Signal,
}

pub fn room() -> RoomId {
    "room".parse().unwrap()
}

pub async fn device(fake: &Fake) -> Device {
    let control = ControlPlane::new(&fake.base)
        .unwrap()
        .with_session(SessionToken::new("t"));
    let (signal, mut events) = Signal::start(control.clone());
    let router = SessionRouter::new();
    let (tx, rest) = mpsc::channel(64);
    let mine = router.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            // What is late for a session that has ended is nobody's.
            if let Some(SignalEvent::Message { from, message }) = mine.dispatch(event)
                && matches!(
                    message,
                    ServerMessage::TerminalShareRequest(_) | ServerMessage::ShareFileRequest(_)
                )
            {
                let _ = tx.send((from, message)).await;
            }
        }
    });
    let handle = signal.handle();
    let mut peer = handle.peer_id();
    let me = timeout(SOON, peer.wait_for(Option::is_some))
        .await
        .unwrap()
        .unwrap()
        .clone()
        .unwrap();
    let rtc = RtcConfig {
        loopback: true,
        ..RtcConfig::default()
    };
    let ctx = SessionContext::new(control.clone(), handle, Keys::new(control), router, rtc);
    Device {
        ctx,
        me,
        rest,
        _signal: signal,
    }
}

pub fn terminal(target: &PeerId) -> Wanted {
    Wanted {
        room_id: room(),
        target: Some(target.clone()),
        feature: Feature::Terminal,
        session_id: new_session_id(),
        max_size: None,
        consent: SOON,
    }
}

pub fn view(invitation: Invitation) -> ClientMessage {
    let Invitation {
        room_id,
        target,
        session_id,
        cap_token,
    } = invitation;
    let (session_id, cap_token) = (Some(session_id), Some(cap_token));
    ClientMessage::TerminalShareRequest(SessionRequest {
        room_id,
        target,
        session_id,
        cap_token,
        share_id: None,
    })
}

pub fn offer_file(invitation: Invitation) -> ClientMessage {
    let Invitation {
        room_id,
        target,
        session_id,
        cap_token,
    } = invitation;
    let (session_id, cap_token) = (Some(session_id), Some(cap_token));
    let (name, files) = ("a.txt".to_owned(), Vec::new());
    ClientMessage::ShareFileRequest(TransferRequest {
        room_id,
        target,
        session_id,
        cap_token,
        name,
        size: 1,
        count: 1,
        files,
        share_id: None,
    })
}

impl Device {
    /// The next request, with its route, and who asked.
    pub async fn requested(&mut self, feature: Feature) -> (SessionRoute, Binding, Option<String>) {
        self.requested_in(feature, &room()).await
    }

    async fn requested_in(
        &mut self,
        feature: Feature,
        room_id: &RoomId,
    ) -> (SessionRoute, Binding, Option<String>) {
        let next = timeout(SOON, self.rest.recv())
            .await
            .expect("a request in time")
            .unwrap();
        let (remote, session_id, token) = match next {
            (Some(from), ServerMessage::TerminalShareRequest(asked)) => {
                (from, asked.session_id, asked.cap_token)
            }
            (Some(from), ServerMessage::ShareFileRequest(asked)) => (from, asked.session_id, asked.cap_token),
            other => panic!("{other:?}"),
        };
        let binding = Binding {
            room_id: room_id.clone(),
            session_id: session_id.unwrap(),
            me: self.me.clone(),
            remote,
            feature,
        };
        let route = self
            .ctx
            .router()
            .register(&binding.session_id, room_id, Some(&binding.remote))
            .unwrap();
        (route, binding, token)
    }

    pub async fn answer(&mut self, feature: Feature) -> Result<OpenSession, SessionError> {
        self.answer_in(feature, &room()).await
    }

    pub async fn answer_in(
        &mut self,
        feature: Feature,
        room_id: &RoomId,
    ) -> Result<OpenSession, SessionError> {
        let (route, binding, _) = self.requested_in(feature, room_id).await;
        let accepted = Accepted {
            room_id: room_id.clone(),
            remote: binding.remote,
            feature,
        };
        open_as_answerer(&self.ctx, accepted, route).await
    }
}

pub async fn both(
    fake: &Fake,
) -> (
    Device,
    Device,
    Result<OpenSession, SessionError>,
    Result<OpenSession, SessionError>,
) {
    let (viewer, mut host) = (device(fake).await, device(fake).await);
    let wanted = terminal(&host.me);
    let (asked, answered) = tokio::join!(
        open_as_requester(&viewer.ctx, wanted, view),
        host.answer(Feature::Terminal)
    );
    (viewer, host, asked, answered)
}
