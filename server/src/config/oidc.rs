//! The OpenID provider at which people may sign in: where it is, and what this server is called there.

use openidconnect::url::{Host, Url};

use super::{ConfigError, Secret};

/// An OpenID provider.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// As the provider writes it in its discovery document, to the last slash.
    pub issuer: String,
    pub client_id: String,
    /// Unset: a public client, which PKCE alone protects.
    pub client_secret: Option<Secret>,
    /// What the button says.
    pub name: String,
    /// Whether somebody new gets an account without an invitation.
    pub register: bool,
}

/// Reads the settings `OIDC_…`; `text` gives one by its key.
pub(super) fn read<'a>(
    text: &impl Fn(&str) -> Option<&'a str>,
    register: bool,
) -> Result<Option<Oidc>, ConfigError> {
    let (issuer, client_id) = match (text("oidc_issuer"), text("oidc_client_id")) {
        (Some(issuer), Some(client_id)) => (issuer, client_id),
        (None, None) => return Ok(None),
        _ => {
            return Err(ConfigError(
                "OIDC_ISSUER and OIDC_CLIENT_ID belong together: set both, or none.".into(),
            ));
        }
    };
    let host = host_of(issuer).ok_or_else(|| {
        ConfigError(
            "OIDC_ISSUER must be an address such as https://accounts.example.com (http:// on this machine only)."
                .into(),
        )
    })?;
    Ok(Some(Oidc {
        issuer: issuer.to_owned(),
        client_id: client_id.to_owned(),
        client_secret: text("oidc_client_secret").map(Secret::new),
        name: text("oidc_name").map_or(host, str::to_owned),
        register,
    }))
}

/// The provider's host, where its answers cannot be changed on their way: https, or this very machine.
fn host_of(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    let here = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let safe = url.scheme() == "https" || (url.scheme() == "http" && here);
    let plain = url.query().is_none() && url.fragment().is_none();
    (safe && plain).then(|| url.host_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(pairs: &[(&str, &'static str)]) -> Result<Option<Oidc>, ConfigError> {
        read(
            &|key: &str| {
                pairs
                    .iter()
                    .find(|(name, _)| *name == key)
                    .map(|(_, value)| *value)
            },
            false,
        )
    }

    #[test]
    fn a_provider_is_named_by_its_host_and_reached_safely() {
        assert!(read_from(&[]).unwrap().is_none());
        let full = [
            ("oidc_issuer", "https://id.example.com/realms/a"),
            ("oidc_client_id", "mesh"),
        ];
        let oidc = read_from(&full).unwrap().unwrap();
        assert_eq!((oidc.name.as_str(), oidc.client_secret), ("id.example.com", None));
        assert!(read_from(&full[..1]).is_err() && read_from(&full[1..]).is_err());
        for (issuer, good) in [
            ("http://127.0.0.1:4000", true),
            ("http://[::1]:4000", true),
            ("http://localhost:4000", true),
            ("http://id.example.com", false),
            ("http://10.0.0.1", false),
            ("https://id.example.com?x=1", false),
            ("id.example.com", false),
        ] {
            let read = read_from(&[("oidc_issuer", issuer), ("oidc_client_id", "mesh")]);
            assert_eq!(read.is_ok(), good, "{issuer}");
        }
    }
}
