//! The commands about folders that others share, and what they have in common: finding the share, opening a session in it.

mod get;
mod ls;
mod put;

use std::time::Duration;

use mesh_peer::session::{Invitation, OpenSession, Wanted, new_session_id, open_as_requester};
use mesh_protocol::capability::Feature;
use mesh_protocol::channel::{Bye, FolderOpen, FolderOpened, Frame};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::ids::RoomId;
use mesh_protocol::signal::{ClientMessage, Share, TransferRequest};

use super::{Context, connect, until_stopped};
use crate::daemon::consent::plain;
use crate::exit::{Failure, Outcome};
use crate::online::Online;

pub(super) use self::get::run as get;
pub(super) use self::ls::run as ls;
pub(super) use self::put::run as put;

/// How long the owner's device may take: it asks nobody.
const ANSWER: Duration = Duration::from_secs(20);

/// A shared folder that can be opened.
#[derive(Clone, Debug)]
struct Found {
    room: RoomId,
    share: Share,
    /// Whose it is.
    who: String,
}

/// `SHARE:PATH`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    share: String,
    path: String,
}

impl Place {
    fn parse(text: &str) -> Self {
        let (share, path) = text.split_once(':').unwrap_or((text, ""));
        Self {
            share: share.to_owned(),
            path: path.trim_matches('/').to_owned(),
        }
    }
}

/// A connection with all rooms of the signed-in person.
async fn online(context: &Context) -> Outcome<Online> {
    let (control, _) = connect::signed_in(&context.paths).await?;
    let rooms = until_stopped(&context.stop, connect::rooms(&control)).await?;
    let ids: Vec<RoomId> = rooms.iter().map(|room| room.room_id.clone()).collect();
    until_stopped(
        &context.stop,
        Online::enter(control, &context.settings, &ids, &[]),
    )
    .await
}

/// Every shared folder that is announced now.
fn shared(online: &Online) -> Vec<Found> {
    let mut found = Vec::new();
    for (room, view) in &online.roster.rooms {
        for share in view
            .shares
            .iter()
            .filter(|share| share.feature == Feature::Folder)
        {
            found.push(Found {
                room: room.clone(),
                who: online.roster.who(room, &share.peer_id),
                share: share.clone(),
            });
        }
    }
    found
}

/// The one share of that label or id.
fn find(online: &Online, wanted: &str) -> Outcome<Found> {
    let mut found = shared(online);
    found.retain(|found| found.share.share_id.as_str() == wanted || found.share.label == wanted);
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::general(format!(
            "No folder \"{}\" is shared with you now: `mesh ls` lists those that are.",
            plain(wanted)
        ))),
        _ => Err(Failure::usage(format!(
            "Several folders are called \"{}\": give the id that `mesh ls` shows.",
            plain(wanted)
        ))),
    }
}

/// Opens a session in a shared folder and says what it is for.
async fn open(
    context: &Context,
    online: &mut Online,
    found: &Found,
    purpose: FolderOpen,
) -> Outcome<(OpenSession, FolderOpened)> {
    let wanted = Wanted {
        room_id: found.room.clone(),
        target: Some(found.share.peer_id.clone()),
        feature: Feature::Folder,
        session_id: new_session_id(),
        max_size: None,
        consent: ANSWER,
    };
    let share_id = found.share.share_id.clone();
    let request = |invitation: Invitation| {
        ClientMessage::ShareFolderRequest(TransferRequest {
            room_id: invitation.room_id,
            target: invitation.target,
            session_id: Some(invitation.session_id),
            cap_token: Some(invitation.cap_token),
            name: "folder".into(),
            size: 0,
            count: 0,
            files: Vec::new(),
            share_id: Some(share_id),
        })
    };
    let sessions = online.context.clone();
    let opening = async {
        let opened = open_as_requester(&sessions, wanted, request).await;
        let mut session = opened.map_err(|error| connect::not_opened(&error, &found.who))?;
        let _ = session.frames_tx.send(Frame::FolderOpen(purpose).encode()).await;
        match answer(&mut session, &found.who).await? {
            Frame::FolderOpened(opened) => Ok((session, opened)),
            _ => Err(broken(&found.who)),
        }
    };
    until_stopped(&context.stop, online.alongside(opening)).await
}

/// The next frame of the owner, whose last word is a failure.
async fn answer(session: &mut OpenSession, who: &str) -> Outcome<Frame> {
    match session
        .frames_rx
        .recv()
        .await
        .map(|message| Frame::decode(&message))
    {
        Some(Ok(Frame::Bye(bye))) => Err(refused(&bye, who)),
        Some(Ok(frame)) => Ok(frame),
        Some(Err(_)) => Err(broken(who)),
        None => {
            let end = session.control.ended().await;
            Err(Failure::network(format!(
                "The connection to {who} was lost ({end})."
            )))
        }
    }
}

fn refused(bye: &Bye, who: &str) -> Failure {
    let sentence = format!("{who}: {}.", plain(&bye.detail).trim_end_matches('.'));
    match bye.code {
        ChannelCode::Stopped
        | ChannelCode::Revoked
        | ChannelCode::CapRefused
        | ChannelCode::LeaseLapsed
        | ChannelCode::ReadOnly => Failure::refused(sentence),
        _ => Failure::general(sentence),
    }
}

fn broken(who: &str) -> Failure {
    Failure::general(format!(
        "{who} answered with something unexpected: are both ends of one version?"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_share_and_a_path_in_it() {
        let place = |share: &str, path: &str| Place {
            share: share.into(),
            path: path.into(),
        };
        assert_eq!(Place::parse("Photos"), place("Photos", ""));
        assert_eq!(Place::parse("Photos:"), place("Photos", ""));
        assert_eq!(Place::parse("Photos:/a/b/"), place("Photos", "a/b"));
    }
}
