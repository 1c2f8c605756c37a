//! From the stored session to a server that can be asked; errors of the control plane, of a session and of the disk as sentences.

use std::time::{SystemTime, UNIX_EPOCH};

use mesh_peer::session::{SessionError, Step};
use mesh_peer::signal::{ApiError, ControlPlane, SessionToken};
use mesh_protocol::error_code::HttpCode;
use mesh_protocol::http::Room;

use crate::config::{Paths, StoredSession};
use crate::disk::DiskError;
use crate::exit::{Failure, Outcome};

/// Unix seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The server without a session.
pub(crate) fn server(address: &str, plaintext: bool) -> Outcome<ControlPlane> {
    let made = if plaintext {
        ControlPlane::allowing_plaintext(address)
    } else {
        ControlPlane::new(address)
    };
    made.map_err(|error| {
        if address.trim().starts_with("http://") && !plaintext {
            return Failure::usage(format!(
                "{} is not encrypted and not this machine: use https, or `--plaintext` where the network itself is safe.",
                address.trim()
            ));
        }
        api_failure(&error, address)
    })
}

/// The server with the stored session.
pub(crate) async fn signed_in(paths: &Paths) -> Outcome<(ControlPlane, StoredSession)> {
    let session = StoredSession::load(paths, now())?.with_token(paths).await?;
    let control =
        server(&session.server, session.plaintext)?.with_session(SessionToken::new(session.token.clone()));
    Ok((control, session))
}

/// The rooms of the signed-in person, sorted by name.
pub(crate) async fn rooms(control: &ControlPlane) -> Outcome<Vec<Room>> {
    let mut rooms = control
        .rooms()
        .await
        .map_err(|error| api_failure(&error, control.base()))?;
    rooms.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.room_id.cmp(&b.room_id)));
    Ok(rooms)
}

/// A room by id or name; without a name the only one, else Home.
pub(crate) fn pick_room<'a>(rooms: &'a [Room], wanted: Option<&str>) -> Outcome<&'a Room> {
    let Some(wanted) = wanted else {
        return match rooms {
            [] => Err(Failure::general(
                "You are in no room: make one on the server's page, or join with an invitation.",
            )),
            [only] => Ok(only),
            many => many.iter().find(|room| room.name == "Home").ok_or_else(|| {
                Failure::usage(format!(
                    "You are in several rooms ({}): name one with `--room`.",
                    names(many)
                ))
            }),
        };
    };
    if let Some(room) = rooms.iter().find(|room| room.room_id.as_str() == wanted) {
        return Ok(room);
    }
    let named: Vec<&Room> = rooms
        .iter()
        .filter(|room| room.name.eq_ignore_ascii_case(wanted))
        .collect();
    match named[..] {
        [one] => Ok(one),
        [] => Err(Failure::usage(format!(
            "You are in no room called \"{wanted}\": `mesh rooms` lists yours."
        ))),
        _ => Err(Failure::usage(format!(
            "Several of your rooms are called \"{wanted}\": give the id that `mesh rooms` shows."
        ))),
    }
}

pub(crate) fn names(rooms: &[Room]) -> String {
    let names: Vec<String> = rooms
        .iter()
        .map(|room| crate::daemon::consent::plain(&room.name))
        .collect();
    names.join(", ")
}

/// An error of the control plane as a sentence and a code.
pub(crate) fn api_failure(error: &ApiError, server: &str) -> Failure {
    let sentence = capitalised(&error.to_string());
    match error {
        ApiError::Problem { code, .. } => match code {
            HttpCode::Unauthenticated => Failure::sign_in(format!(
                "Your sign-in has ended: run `mesh login {server}` again."
            )),
            HttpCode::WrongCredentials | HttpCode::LinkInvalid | HttpCode::InviteInvalid => {
                Failure::sign_in(sentence)
            }
            HttpCode::Forbidden | HttpCode::CapNotAllowed | HttpCode::RoomNotFound | HttpCode::CodeGone => {
                Failure::refused(sentence)
            }
            HttpCode::StoreUnavailable | HttpCode::Throttled | HttpCode::Internal => {
                Failure::network(sentence)
            }
            _ => Failure::general(sentence),
        },
        ApiError::Network { .. } | ApiError::NotMesh { .. } => Failure::network(sentence),
        ApiError::Address { .. } => Failure::usage(sentence),
    }
}

/// The other end, or the way to it, did not open a session.
pub(super) fn not_opened(error: &SessionError, who: &str) -> Failure {
    let sentence = format!("{who}: {error}.");
    match error {
        SessionError::Declined(_)
        | SessionError::Refused(_)
        | SessionError::Unvouched
        | SessionError::Revoked(_)
        | SessionError::Timeout(Step::Consent) => Failure::refused(sentence),
        SessionError::Network(api) => api_failure(api, "URL"),
        _ => Failure::network(sentence),
    }
}

/// The disk did not do it.
pub(super) fn disk_failure(error: &DiskError) -> Failure {
    Failure::general(capitalised(&error.to_string()))
}

/// As a sentence: a capital and a full stop.
pub(crate) fn capitalised(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    // An address stays as it is typed.
    if text.starts_with("http") {
        return format!("{text}.");
    }
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return "It failed.".into();
    };
    format!("{}{}.", first.to_uppercase(), chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_protocol::http::Role;

    fn room(id: &str, name: &str) -> Room {
        Room {
            room_id: id.parse().unwrap(),
            name: name.into(),
            role: Role::Member,
            last_seq: 0,
            settings: mesh_protocol::http::RoomSettings::default(),
        }
    }

    #[test]
    fn rooms_are_found_by_id_and_name_and_nothing_is_guessed() {
        let rooms = [room("a", "Home"), room("b", "Team"), room("c", "team")];
        assert_eq!(pick_room(&rooms, None).unwrap().room_id.as_str(), "a");
        assert_eq!(pick_room(&rooms, Some("home")).unwrap().room_id.as_str(), "a");
        assert_eq!(pick_room(&rooms, Some("c")).unwrap().name, "team");
        assert!(
            pick_room(&rooms, Some("Team"))
                .unwrap_err()
                .sentence
                .contains("Several")
        );
        assert!(
            pick_room(&rooms, Some("x"))
                .unwrap_err()
                .sentence
                .contains("no room called")
        );
        assert!(
            pick_room(&rooms[1..], None)
                .unwrap_err()
                .sentence
                .contains("--room")
        );
        assert_eq!(pick_room(&rooms[1..2], None).unwrap().name, "Team");
        assert!(pick_room(&[], None).is_err());
    }
}
