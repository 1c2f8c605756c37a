//! The ways into a server, and signing in at an OpenID provider.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::DeviceIntro;

/// `GET /auth/methods`: what a sign-in page has to offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct SignInMethods {
    /// Whether a name and a password sign in.
    pub local: bool,
    /// The OpenID provider; null where there is none.
    pub oidc: Option<OidcProvider>,
    /// Whether there is no account yet: the setup link makes the first one.
    pub setup: bool,
}

/// An OpenID provider as people know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct OidcProvider {
    pub name: String,
    /// Whether somebody new gets an account without an invitation.
    pub register: bool,
}

/// `POST /auth/oidc/start`.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct StartOidc {
    /// A path of this server, where the browser is sent to in the end. Default `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_to: Option<String>,
    /// Makes an account where there is none, and leads into the invitation's room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<String>,
    /// Links the account of this session instead of signing in. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceIntro>,
}

redacted! { StartOidc { return_to, link, device } }

/// The answer: where the browser goes now.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct OidcRedirect {
    /// At the provider.
    pub url: String,
}

redacted! { OidcRedirect {} }
