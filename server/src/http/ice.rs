//! The STUN and TURN servers of this installation, with credentials of one's own.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use mesh_protocol::http::{IceServer, IceServers};
use mesh_protocol::ids::UserId;
use sha1::Sha1;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::session::Caller;
use crate::app::App;
use crate::config::{Config, Secret, TurnCredentials};

/// Seconds for which a credential is good: coturn ends an allocation that outlives it.
const TTL: u64 = 600;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(servers))
}

/// STUN and TURN servers, with credentials of one's own.
#[utoipa::path(
    get,
    path = "/ice",
    operation_id = "ice_servers",
    tag = "Sessions between devices",
    responses((status = 200, body = IceServers))
)]
async fn servers(State(app): State<Arc<App>>, Caller(caller): Caller) -> Json<IceServers> {
    Json(IceServers {
        ice_servers: ice_servers(&app.config, &caller.user_id, app.clock.now()),
        ttl: TTL,
    })
}

pub(crate) fn ice_servers(config: &Config, user: &UserId, now: u64) -> Vec<IceServer> {
    let mut servers = Vec::new();
    if !config.stun_urls.is_empty() {
        servers.push(IceServer {
            urls: config.stun_urls.clone(),
            username: None,
            credential: None,
        });
    }
    if !config.turn_urls.is_empty() {
        let (username, credential) = match &config.turn_credentials {
            Some(TurnCredentials::Ephemeral(secret)) => {
                let username = format!("{}:{user}", now + TTL);
                let credential = ephemeral(secret, &username);
                (Some(username), Some(credential))
            }
            Some(TurnCredentials::Static { user, password }) => {
                (Some(user.clone()), Some(password.expose().to_owned()))
            }
            None => (None, None),
        };
        servers.push(IceServer {
            urls: config.turn_urls.clone(),
            username,
            credential,
        });
    }
    servers
}

/// The password of coturn's `use-auth-secret` (draft-uberti-behave-turn-rest).
fn ephemeral(secret: &Secret, username: &str) -> String {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(username.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_that_coturn_computes() {
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), "data");
        config.turn_urls = vec!["turn:turn.example.com:3478".into()];
        config.turn_credentials = Some(TurnCredentials::Ephemeral(Secret::new("north")));
        let servers = ice_servers(&config, &"alice".parse().unwrap(), 1_700_000_000);
        assert_eq!(servers[0].username.as_deref(), Some("1700000600:alice"));
        // printf %s 1700000600:alice | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(
            servers[0].credential.as_deref(),
            Some("gthUwOpcRoLI0MMCziCEBOWYnpo=")
        );
    }
}
