//! Signing in by pairing (RFC 8628): this device shows a code, and somebody who is signed in enters it on the server's page.

use std::io::IsTerminal as _;
use std::time::Duration;

use mesh_peer::signal::ControlPlane;
use mesh_protocol::error_code::HttpCode;
use mesh_protocol::http::{AskPairing, DeviceIntro, PairingCode, PollPairing, Session};
use mesh_protocol::limits::PAIRING_SLOW_DOWN;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde_json::json;
use tokio::time::Instant;

use super::connect::api_failure;
use super::output::Output;
use crate::daemon::consent::plain;
use crate::exit::{Failure, Outcome};

/// The longest wait between two polls, whatever the server or the network says.
const LONGEST: Duration = Duration::from_secs(30);

/// Shows the code and waits until somebody has answered, or its time is over.
pub(super) async fn pair(output: Output, control: &ControlPlane, device: DeviceIntro) -> Outcome<Session> {
    let ask = AskPairing { device: Some(device) };
    let code = control
        .ask_pairing(&ask)
        .await
        .map_err(|error| api_failure(&error, control.base()))?;
    show(output, &code);
    let expires = Instant::now() + Duration::from_secs(code.expires_in.min(3_600));
    let mut interval = Duration::from_secs(code.interval.max(1));
    let poll = PollPairing {
        device_code: code.device_code,
    };
    let expired = || {
        Failure::sign_in(format!(
            "Nobody entered the code in time: run `mesh login {}` again for a new one.",
            control.base()
        ))
    };
    loop {
        interval = interval.min(LONGEST);
        tokio::time::sleep(interval).await;
        let error = match control.poll_pairing(&poll).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        match error.code() {
            Some(HttpCode::AuthorizationPending) => {}
            Some(HttpCode::SlowDown) => interval += PAIRING_SLOW_DOWN,
            Some(HttpCode::ExpiredToken) => return Err(expired()),
            Some(HttpCode::AccessDenied) => {
                return Err(Failure::refused("This device was declined on the server's page."));
            }
            // Section 3.5: less often while the server is out of reach.
            _ if error.is_transient() => interval *= 2,
            _ => return Err(api_failure(&error, control.base())),
        }
        if Instant::now() >= expires {
            return Err(expired());
        }
    }
}

fn show(output: Output, code: &PairingCode) {
    if output.is_json() {
        output.event(json!({
            "event": "pairing", "user_code": code.user_code, "verification_uri": code.verification_uri,
            "verification_uri_complete": code.verification_uri_complete, "expires_in": code.expires_in,
        }));
        return;
    }
    let (page, user_code) = (plain(&code.verification_uri), plain(&code.user_code));
    output.say(&format!(
        "Open {page} where you are signed in, and enter this code:\n\n    {user_code}\n"
    ));
    let drawing = std::io::stderr()
        .is_terminal()
        .then(|| drawing(&code.verification_uri_complete))
        .flatten();
    if let Some(drawing) = drawing {
        output.say(&format!(
            "Or scan this with a phone that is signed in:\n\n{drawing}\n"
        ));
    }
    output.say(&format!(
        "It works for {} minutes. Waiting …",
        code.expires_in.div_ceil(60)
    ));
}

/// Two modules a character, so that it fits a terminal of 24 lines.
fn drawing(link: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L).ok()?;
    Some(code.render::<Dense1x2>().quiet_zone(true).build())
}
