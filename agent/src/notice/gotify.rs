//! The owner's own Gotify, written to by this machine itself.

use std::time::Duration;

use futures_util::future::BoxFuture;
use mesh_protocol::gotify::{Message, TOKEN_HEADER, message_path};
use reqwest::{Client, StatusCode, Url};

use super::{Notice, Place, Untold};
use crate::config::{GotifyPlace, Secret};
use crate::exit::{Failure, Outcome};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first word to the other end's headers; its body is not read.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An application of a Gotify.
pub struct Gotify {
    client: Client,
    url: Url,
    token: Secret,
}

impl Gotify {
    /// Does not connect yet.
    pub fn new(place: &GotifyPlace) -> Outcome<Self> {
        let wrong =
            |what: &dyn std::fmt::Display| Failure::usage(format!("gotify_url cannot be used: {what}."));
        let mut url = Url::parse(&place.url).map_err(|error| wrong(&error))?;
        url.set_path(&message_path(url.path()));
        let tls = mesh_peer::signal::tls_config(url.scheme() == "https").map_err(|error| wrong(&error))?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("mesh/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // An answer must not lead elsewhere with the token.
            .redirect(reqwest::redirect::Policy::none())
            // Notices are rare.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| wrong(&error))?;
        let token = place.token.clone();
        Ok(Self { client, url, token })
    }
}

impl Place for Gotify {
    fn name(&self) -> &'static str {
        "Gotify"
    }

    fn tell<'a>(&'a mut self, notice: &'a Notice) -> BoxFuture<'a, Result<(), Untold>> {
        let priority = notice.event.priority();
        let message = Message::new(&notice.title, &notice.sentence, priority, &notice.click);
        let request = self.client.post(self.url.clone());
        let request = request.header(TOKEN_HEADER, self.token.expose()).json(&message);
        Box::pin(async move {
            // The library's own texts name the address.
            let response = request.send().await.map_err(|error| {
                if error.is_builder() {
                    Untold::Never("the token holds something that HTTP cannot carry".to_owned())
                } else if error.is_timeout() {
                    Untold::Later("it did not answer in time".to_owned())
                } else {
                    Untold::Later("it cannot be reached".to_owned())
                }
            })?;
            judged(response.status())
        })
    }
}

fn judged(status: StatusCode) -> Result<(), Untold> {
    let code = status.as_u16();
    match code {
        200..=299 => Ok(()),
        408 | 425 | 429 | 500..=599 => Err(Untold::Later(format!("it answered {code}"))),
        401 | 403 => Err(Untold::Never(format!(
            "it answered {code}: the token is wrong or may not write"
        ))),
        404 => Err(Untold::Never(
            "there is no Gotify at this address (404)".to_owned(),
        )),
        300..=399 => Err(Untold::Never(format!(
            "it answered {code}: set gotify_url to the address that it leads to"
        ))),
        _ => Err(Untold::Never(format!("it answered {code}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_final_or_worth_another_try() {
        let judged = |code: u16| judged(StatusCode::from_u16(code).unwrap());
        assert_eq!(judged(200), Ok(()));
        assert!(matches!(judged(503), Err(Untold::Later(_))));
        assert!(matches!(judged(429), Err(Untold::Later(_))));
        for code in [301, 400, 401, 404] {
            assert!(matches!(judged(code), Err(Untold::Never(_))), "{code}");
        }
    }
}
