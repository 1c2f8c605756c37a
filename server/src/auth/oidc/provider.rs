//! What is said to the provider, and what is believed of its answers.
//!
//! Its discovery document and keys are fetched when they are first needed, kept for an hour, and fetched again for a key
//! that is not among them. While it does not answer, it is asked once in three seconds and not by everybody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreIdTokenClaims,
    CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreUserInfoClaims,
};
use openidconnect::url::Url;
use openidconnect::{
    AccessToken, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, SubjectIdentifier,
    TokenResponse as _,
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::OidcError;
use super::flows::Secrets;
use super::http::Http;
use crate::config::{self, ConfigError};

const KEPT: Duration = Duration::from_secs(3_600);
const PAUSE: Duration = Duration::from_secs(3);
/// OpenID Connect Core, section 2.
const MAX_SUBJECT: usize = 255;

/// SECURITY: signatures that only the holder of a published key can make. `none` and those made with the client's secret
/// are not among them, whatever the provider lists.
const SIGNATURES: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Somebody whom the provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Stable and unique at this provider.
    pub id: String,
    /// What they are called there; only a proposal.
    pub name: Option<String>,
}

/// A request that a browser is to take to the provider.
pub struct Request {
    pub url: Url,
    pub state: String,
    pub secrets: Secrets,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Arc<CoreProviderMetadata>, Instant)>,
    failed_at: Option<Instant>,
}

/// The provider of this server.
pub struct Provider {
    settings: config::Oidc,
    issuer: IssuerUrl,
    callback: RedirectUrl,
    http: Http,
    /// Held for a look or a change.
    known: Mutex<Known>,
    /// One fetch at a time; whoever waits for it takes its result.
    fetching: Semaphore,
}

fn log(what: &str, error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(error, "OpenID provider: {what}");
}

impl Provider {
    pub(super) fn new(settings: config::Oidc, callback: String) -> Result<Self, ConfigError> {
        let unusable = |_| ConfigError("OIDC_ISSUER or MESH_PUBLIC_URL is not an address.".into());
        Ok(Self {
            issuer: IssuerUrl::new(settings.issuer.clone()).map_err(unusable)?,
            callback: RedirectUrl::new(callback).map_err(unusable)?,
            http: Http::new(settings.issuer.starts_with("https:"))?,
            settings,
            known: Mutex::default(),
            fetching: Semaphore::new(1),
        })
    }

    pub fn settings(&self) -> &config::Oidc {
        &self.settings
    }

    /// What was fetched, unless it is `stale`; `Err` during the pause after a failure.
    fn kept(
        &self,
        stale: Option<&Arc<CoreProviderMetadata>>,
    ) -> Result<Option<Arc<CoreProviderMetadata>>, OidcError> {
        let known = self.known.lock();
        if known.failed_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(OidcError::Unavailable);
        }
        let kept = known.metadata.as_ref().filter(|(metadata, at)| {
            at.elapsed() < KEPT && !stale.is_some_and(|stale| Arc::ptr_eq(stale, metadata))
        });
        Ok(kept.map(|(metadata, _)| metadata.clone()))
    }

    async fn metadata(
        &self,
        stale: Option<&Arc<CoreProviderMetadata>>,
    ) -> Result<Arc<CoreProviderMetadata>, OidcError> {
        if let Some(kept) = self.kept(stale)? {
            return Ok(kept);
        }
        let Ok(_turn) = self.fetching.acquire().await else {
            return Err(OidcError::Unavailable);
        };
        if let Some(kept) = self.kept(stale)? {
            return Ok(kept);
        }
        let fetched = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await;
        let mut known = self.known.lock();
        match fetched {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                known.metadata = Some((metadata.clone(), Instant::now()));
                known.failed_at = None;
                Ok(metadata)
            }
            Err(error) => {
                known.failed_at = Some(Instant::now());
                log("its discovery document or its keys were not read", &error);
                Err(OidcError::Unavailable)
            }
        }
    }

    fn client(&self, metadata: &CoreProviderMetadata) -> Client {
        let secret = self
            .settings
            .client_secret
            .as_ref()
            .map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let id = ClientId::new(self.settings.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata.clone(), id, secret)
            .set_redirect_uri(self.callback.clone());
        // Where nothing is said, it is `client_secret_basic` (OpenID Connect Discovery, section 3).
        let in_body = metadata
            .token_endpoint_auth_methods_supported()
            .is_some_and(|ways| !ways.contains(&CoreClientAuthMethod::ClientSecretBasic));
        if in_body {
            client.set_auth_type(AuthType::RequestBody)
        } else {
            client
        }
    }

    /// A new request to sign somebody in.
    pub async fn request(&self) -> Result<Request, OidcError> {
        let metadata = self.metadata(None).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = self
            .client(&metadata)
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scope(Scope::new("profile".into()))
            .set_pkce_challenge(challenge)
            .url();
        Ok(Request {
            url,
            state: state.into_secret(),
            secrets: Secrets { nonce, verifier },
        })
    }

    /// Whether an answer names this provider, where it names one (RFC 9207).
    pub fn is_issuer(&self, iss: Option<&str>) -> bool {
        iss.is_none_or(|iss| iss == self.issuer.as_str())
    }

    /// Exchanges the code of an answer, and verifies who it is for.
    pub async fn redeem(&self, code: String, secrets: Secrets) -> Result<Subject, OidcError> {
        let metadata = self.metadata(None).await?;
        let client = self.client(&metadata);
        let answer = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| {
                log("it has no token endpoint", &error);
                OidcError::Unavailable
            })?
            .set_pkce_verifier(secrets.verifier)
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                RequestTokenError::Request(error) => {
                    log("its token endpoint does not answer", &error);
                    OidcError::Unavailable
                }
                // The rest of the answer may quote what was sent.
                RequestTokenError::ServerResponse(refusal) => {
                    tracing::warn!(error = ?refusal.error(), "OpenID provider: it refused the code");
                    OidcError::Invalid
                }
                RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                    tracing::warn!("OpenID provider: its token endpoint gave an answer that makes no sense");
                    OidcError::Invalid
                }
            })?;
        let token = answer.id_token().ok_or_else(|| {
            tracing::warn!("OpenID provider: it gave no ID token");
            OidcError::Invalid
        })?;
        let unknown_key = |error: &ClaimsVerificationError| {
            matches!(
                error,
                ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)
            )
        };
        let verified = match verify(&client, token, &secrets.nonce) {
            // It may have new keys.
            Err(error) if unknown_key(&error) => {
                let fresh = self.metadata(Some(&metadata)).await?;
                verify(&self.client(&fresh), token, &secrets.nonce)
            }
            verified => verified,
        };
        let claims = verified.map_err(|error| {
            log("its ID token is refused", &error);
            OidcError::Invalid
        })?;
        let id = claims.subject().as_str().to_owned();
        if id.is_empty() || id.len() > MAX_SUBJECT {
            return Err(OidcError::Invalid);
        }
        let preferred = claims.preferred_username().map(|name| name.to_string());
        let full = || {
            claims
                .name()
                .and_then(|names| names.get(None))
                .map(|name| name.to_string())
        };
        let name = match preferred.or_else(full) {
            Some(name) => Some(name),
            None => {
                self.name_of(&client, answer.access_token(), claims.subject())
                    .await
            }
        };
        Ok(Subject { id, name })
    }

    /// Providers may keep names for the UserInfo endpoint (OpenID Connect Core, section 5.4).
    async fn name_of(
        &self,
        client: &Client,
        token: &AccessToken,
        subject: &SubjectIdentifier,
    ) -> Option<String> {
        let asked = client.user_info(token.clone(), Some(subject.clone())).ok()?;
        let claims: CoreUserInfoClaims = asked.request_async(&self.http).await.ok()?;
        let preferred = claims.preferred_username().map(|name| name.to_string());
        preferred.or_else(|| {
            claims
                .name()
                .and_then(|names| names.get(None))
                .map(|name| name.to_string())
        })
    }
}

fn verify<'a>(
    client: &Client,
    token: &'a CoreIdToken,
    nonce: &Nonce,
) -> Result<&'a CoreIdTokenClaims, ClaimsVerificationError> {
    let verifier = client.id_token_verifier().set_allowed_algs(SIGNATURES);
    token.claims(&verifier, nonce)
}
