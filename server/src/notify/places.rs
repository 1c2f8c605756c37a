//! Where people are told: finds the place of a notice and hands it to the notifier there.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use mesh_protocol::http::{Language, NotificationChannel, TestOutcome};
use mesh_protocol::ids::UserId;
use reqwest::Url;
use sha2::{Digest as _, Sha256};

use super::address::place;
use super::gotify::Gotify;
use super::notifier::{Failure, Notifier, Outgoing, Priority};
use super::ntfy::Ntfy;
use super::outbound::{Outbound, OutboundError};
use super::text;
use super::web_push::{NoKey, Vapid, WebPush};
use crate::auth::keys::{self, KeyError};
use crate::clock::Clock;
use crate::config::{Config, Secret};
use crate::store::{Browser, Destination, Notice, NotificationProfile, Store, StoreError};

/// Tests of one user in a minute, and at once.
const TESTS: NonZeroU32 = match NonZeroU32::new(6) {
    Some(tests) => tests,
    None => unreachable!(),
};
/// Users whose tests are counted; past it those who may test again are forgotten.
const TESTERS: usize = 10_000;

/// Why notifications could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum PlacesError {
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Push(#[from] NoKey),
}

/// A place of somebody, and how they are told there.
type Found<'a> = (NotificationChannel, Result<Box<dyn Notifier + 'a>, Failure>);

/// Everything that a notice needs to leave the server.
pub struct Places {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    public_url: String,
    /// `GOTIFY_URL`, `GOTIFY_TOKEN`.
    server_url: Option<String>,
    server_token: Option<Secret>,
    /// Whether users may name addresses in closed networks.
    private_addresses: bool,
    http: Outbound,
    vapid: Vapid,
    tests: RateLimiter<UserId, DashMapStateStore<UserId>, DefaultClock>,
}

impl Places {
    pub(crate) fn new(
        config: &Config,
        public_url: &str,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PlacesError> {
        let seed = keys::push_key(&config.data_dir)?;
        Ok(Self {
            store,
            clock,
            public_url: public_url.to_owned(),
            server_url: config.gotify_url.clone(),
            server_token: config.gotify_token.clone(),
            private_addresses: config.notify_private_addresses,
            http: Outbound::new()?,
            vapid: Vapid::new(&seed, public_url)?,
            tests: RateLimiter::dashmap(Quota::per_minute(TESTS)),
        })
    }

    /// The key that browsers subscribe with.
    pub(crate) fn push_key(&self) -> &str {
        self.vapid.public()
    }

    /// Whether there is a Gotify of this server.
    pub(crate) fn has_server_gotify(&self) -> bool {
        self.server_url.is_some()
    }

    /// Whether who names no place of their own is told there.
    pub(crate) fn has_server_default(&self) -> bool {
        self.server_url.is_some() && self.server_token.is_some()
    }

    /// Whether a place that a user names may be anywhere: the operator's own Gotify may.
    pub(crate) fn trusts(&self, url: &str) -> bool {
        self.private_addresses || self.server_url.as_deref() == Some(url.trim_end_matches('/'))
    }

    /// Counts a test; how long to wait where there were too many.
    pub(crate) fn may_test(&self, user: &UserId) -> Result<(), Duration> {
        if self.tests.len() >= TESTERS {
            self.tests.retain_recent();
        }
        let early = self.tests.check_key(user);
        early.map_err(|early| early.wait_time_from(DefaultClock::default().now()))
    }

    /// Tells somebody.
    pub(super) async fn send(&self, notice: &Notice) -> Result<(), Failure> {
        let outgoing = Outgoing {
            title: &notice.title,
            message: &notice.message,
            priority: notice.event.into(),
            click: format!("{}/rooms/{}", self.public_url, notice.room_id),
            tag: tag(&notice.dedup_key),
        };
        let user = &notice.user_id;
        match &notice.destination {
            Destination::Browser(device) => {
                let browsers = self.browsers(user).await.map_err(unread)?;
                let browser = browsers.iter().find(|browser| browser.device_id == *device);
                let browser = browser.ok_or(Failure::Gone)?;
                let told = self.push(browser)?.notify(&outgoing).await;
                if told == Err(Failure::Gone)
                    && let Err(error) = self.store.remove_browser(user, device).await
                {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "a browser's ended subscription was not removed");
                }
                told
            }
            Destination::Server => self.server()?.notify(&outgoing).await,
            Destination::Gotify => {
                let profile = self.store.notification_profile(user).await.map_err(unread)?;
                self.gotify(&profile)?.notify(&outgoing).await
            }
            Destination::Ntfy => {
                let profile = self.store.notification_profile(user).await.map_err(unread)?;
                self.ntfy(&profile)?.notify(&outgoing).await
            }
        }
    }

    /// Tells somebody at each of their places that this is a test.
    pub(crate) async fn test(&self, user: &UserId) -> Result<Vec<TestOutcome>, StoreError> {
        let profile = self.store.notification_profile(user).await?;
        let browsers = self.browsers(user).await?;
        let mut found: Vec<Found<'_>> = Vec::new();
        if profile.gotify.is_some() {
            let gotify = self.gotify(&profile).map(|it| Box::new(it) as Box<dyn Notifier>);
            found.push((NotificationChannel::Gotify, gotify));
        }
        if profile.ntfy.is_some() {
            let ntfy = self.ntfy(&profile).map(|it| Box::new(it) as Box<dyn Notifier>);
            found.push((NotificationChannel::Ntfy, ntfy));
        }
        for browser in &browsers {
            let push = self.push(browser).map(|it| Box::new(it) as Box<dyn Notifier>);
            found.push((NotificationChannel::WebPush, push));
        }
        if found.is_empty() && self.has_server_default() {
            let server = self.server().map(|it| Box::new(it) as Box<dyn Notifier>);
            found.push((NotificationChannel::Server, server));
        }
        let outgoing = self.test_notice(user, profile.choices.language);
        let told = found.into_iter().map(async |(channel, notifier)| {
            let told = match notifier {
                Ok(notifier) => notifier.notify(&outgoing).await,
                Err(failure) => Err(failure),
            };
            TestOutcome {
                channel,
                ok: told.is_ok(),
                detail: told.err().map(|failure| failure.reason().to_owned()),
            }
        });
        Ok(join_all(told).await)
    }

    fn test_notice(&self, user: &UserId, language: Language) -> Outgoing<'static> {
        Outgoing {
            title: "Mesh",
            message: text::test(language),
            priority: Priority::Normal,
            click: format!("{}/settings", self.public_url),
            tag: tag(&format!("test {user}")),
        }
    }

    async fn browsers(&self, user: &UserId) -> Result<Vec<Browser>, StoreError> {
        self.store.browsers(user, self.clock.now_ms()).await
    }

    fn server(&self) -> Result<Gotify<'_>, Failure> {
        match (&self.server_url, &self.server_token) {
            (Some(url), Some(token)) => Ok(Gotify {
                http: &self.http,
                url: self.url(url)?,
                trusted: true,
                token,
            }),
            _ => Err(Failure::Gone),
        }
    }

    fn gotify<'a>(&'a self, profile: &'a NotificationProfile) -> Result<Gotify<'a>, Failure> {
        let own = profile.gotify.as_ref().ok_or(Failure::Gone)?;
        let url = own.url.as_ref().or(self.server_url.as_ref());
        let url = url.ok_or_else(|| Failure::never("this server has no Gotify any more"))?;
        Ok(Gotify {
            http: &self.http,
            url: self.url(url)?,
            trusted: self.trusts(url),
            token: &own.token,
        })
    }

    fn ntfy<'a>(&'a self, profile: &'a NotificationProfile) -> Result<Ntfy<'a>, Failure> {
        let own = profile.ntfy.as_ref().ok_or(Failure::Gone)?;
        Ok(Ntfy {
            http: &self.http,
            url: self.url(&own.url)?,
            trusted: self.private_addresses,
            topic: &own.topic,
            token: own.token.as_ref(),
        })
    }

    fn push<'a>(&'a self, browser: &'a Browser) -> Result<WebPush<'a>, Failure> {
        Ok(WebPush {
            http: &self.http,
            vapid: &self.vapid,
            browser,
            endpoint: self.url(browser.endpoint.expose())?,
            trusted: self.private_addresses,
            now: self.clock.now(),
        })
    }

    fn url(&self, text: &str) -> Result<Url, Failure> {
        place(text, self.trusts(text)).map_err(Failure::never)
    }
}

fn unread(error: StoreError) -> Failure {
    Failure::Later {
        after: None,
        reason: error.to_string(),
    }
}

/// 32 letters: RFC 8030 allows a `Topic` no more.
fn tag(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(key.as_bytes())[..24])
}
