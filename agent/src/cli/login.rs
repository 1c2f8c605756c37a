//! `mesh login`: signs this device in: with a code that somebody enters on the page, a name and password, or a link.

use mesh_peer::signal::ControlPlane;
use mesh_protocol::http::{DeviceIntro, DeviceKind, LinkLogin, Login, Register, Session, Setup};
use serde_json::json;

use super::args::LoginArgs;
use super::output::Output;
use super::{Context, connect, pair, prompt, until_stopped};
use crate::config::{DeviceKey, StoredSession};
use crate::exit::{Failure, Outcome};

/// What the person gave as an address.
#[derive(Debug, PartialEq, Eq)]
enum Address {
    /// A server; a code is shown there, unless a name and a password are given.
    Server(String),
    /// A link that signs in by itself.
    Link {
        server: String,
        token: String,
    },
    /// An invitation, or the link of a new server's first start: a new name and password are needed.
    Invite {
        server: String,
        token: String,
    },
    Setup {
        server: String,
        token: String,
    },
}

pub(crate) async fn run(context: Context, args: LoginArgs) -> Outcome {
    let stop = context.stop.clone();
    until_stopped(&stop, sign_in(context, args)).await
}

async fn sign_in(context: Context, args: LoginArgs) -> Outcome {
    let url = if args.url == "-" {
        prompt::from_stdin("link").await?
    } else {
        args.url.clone()
    };
    let address = parse(&url)?;
    let (Address::Server(server)
    | Address::Link { server, .. }
    | Address::Invite { server, .. }
    | Address::Setup { server, .. }) = &address;
    let control = connect::server(server, args.plaintext)?;
    context.paths.create()?;
    let key = DeviceKey::load_or_create(&context.paths, context.settings.secrets).await?;
    let mut settings = context.settings.clone();
    settings.device_name = args.device_name.clone().or(settings.device_name);
    let device_name = settings.device_name();
    let device = DeviceIntro {
        name: device_name.clone(),
        kind: DeviceKind::Agent,
        key: Some(key.public()),
    };

    let session = obtain(context.output, &control, &address, &args, device).await?;
    let stored = StoredSession::new(control.base(), args.plaintext, &device_name, session);
    let kept = stored.save(&context.paths, context.settings.secrets).await?;
    let human = format!(
        "Signed in to {} as {}; this device is \"{device_name}\".",
        stored.server, stored.name
    );
    let event = json!({
        "event": "signed_in", "server": stored.server, "name": stored.name, "user_id": stored.user_id,
        "device_id": stored.device_id, "device_name": device_name, "expires_at": stored.expires_at,
        "secrets": kept.as_str(),
    });
    context.output.result(&human, event);
    Ok(())
}

async fn obtain(
    output: Output,
    control: &ControlPlane,
    address: &Address,
    args: &LoginArgs,
    device: DeviceIntro,
) -> Outcome<Session> {
    let by_password = args.username.is_some() || args.password_stdin;
    if matches!(address, Address::Server(_)) && !by_password {
        return pair::pair(output, control, device).await;
    }
    let device = Some(device);
    let answer = match address {
        Address::Link { token, .. } => {
            control
                .link_login(&LinkLogin {
                    token: token.clone(),
                    device,
                })
                .await
        }
        Address::Server(_) => {
            let (username, password) = credentials(args, false).await?;
            control
                .login(&Login {
                    username,
                    password,
                    device,
                })
                .await
        }
        Address::Invite { token, .. } => {
            let (username, password) = credentials(args, true).await?;
            control
                .register(&Register {
                    invite: token.clone(),
                    username,
                    password,
                    device,
                })
                .await
        }
        Address::Setup { token, .. } => {
            let (username, password) = credentials(args, true).await?;
            control
                .setup(&Setup {
                    setup_token: token.clone(),
                    username,
                    password,
                    device,
                })
                .await
        }
    };
    answer.map_err(|error| connect::api_failure(&error, control.base()))
}

/// Name and password, from the terminal or as the flags say; a new password is asked for twice.
async fn credentials(args: &LoginArgs, new: bool) -> Outcome<(String, String)> {
    let missing = || {
        Failure::usage(
            "There is no terminal to ask on: give `--username NAME --password-stdin`, or use a one-time sign-in link.",
        )
    };
    let username = match &args.username {
        Some(name) => name.clone(),
        None if prompt::can_ask() => prompt::name("Name").await?,
        None => return Err(missing()),
    };
    let password = if args.password_stdin {
        prompt::from_stdin("password").await?
    } else if prompt::can_ask() {
        prompt::secret("Password", new).await?
    } else {
        return Err(missing());
    };
    Ok((username, password))
}

fn parse(url: &str) -> Outcome<Address> {
    let url = url.trim();
    let Some((page, fragment)) = url.split_once('#') else {
        return Ok(Address::Server(url.to_owned()));
    };
    let token = fragment
        .split('&')
        .find_map(|pair| pair.strip_prefix("token="))
        .filter(|token| !token.is_empty())
        .ok_or_else(|| Failure::usage("This link has no token: copy it once more, whole."))?
        .to_owned();
    let page = page.trim_end_matches('/');
    if let Some(server) = page.strip_suffix("/link") {
        return Ok(Address::Link {
            server: server.to_owned(),
            token,
        });
    }
    if let Some(server) = page.strip_suffix("/invite") {
        return Ok(Address::Invite {
            server: server.to_owned(),
            token,
        });
    }
    if let Some(server) = page.strip_suffix("/setup") {
        return Ok(Address::Setup {
            server: server.to_owned(),
            token,
        });
    }
    Err(Failure::usage(
        "This is not a sign-in link of a Mesh server: it should look like https://host/link#token=….",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_told_from_servers() {
        let server = || "http://h:1".to_owned();
        let token = || "abc".to_owned();
        assert_eq!(parse("http://h:1"), Ok(Address::Server(server())));
        assert_eq!(
            parse(" http://h:1/link#token=abc\n"),
            Ok(Address::Link {
                server: server(),
                token: token()
            })
        );
        assert_eq!(
            parse("http://h:1/invite#token=abc"),
            Ok(Address::Invite {
                server: server(),
                token: token()
            })
        );
        assert_eq!(
            parse("http://h:1/setup#token=abc"),
            Ok(Address::Setup {
                server: server(),
                token: token()
            })
        );
        for bad in [
            "http://h:1/link#",
            "http://h:1/link#token=",
            "http://h:1/x#token=abc",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
