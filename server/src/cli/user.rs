//! `mesh-server user …`: accounts for operators, scripts and tests.

use std::io::Read as _;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use mesh_protocol::limits::MIN_PASSWORD_CHARS;
use serde_json::json;

use super::{open_store, output, public_url, user_named};
use crate::Config;
use crate::auth::password::Passwords;
use crate::auth::{names, random};
use crate::clock::{Clock as _, SystemClock};
use crate::http::sign_in::new_link;
use crate::store::{NewUser, Store, StoreError, User, UserRow};

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Make an account
    Add {
        name: String,
        /// Read the password from standard input
        #[arg(long, required = true)]
        password_stdin: bool,
        /// Make it an administrator
        #[arg(long)]
        admin: bool,
    },
    /// Print a link that signs the user in once, within ten minutes
    Link { name: String },
    /// Replace a forgotten password: every session of the user ends
    ///
    /// Prints a link that signs the user in once, within ten minutes, to choose a new password in the settings.
    Password {
        name: String,
        /// Read the new password from standard input instead
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the accounts
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove an account with its devices, sessions and invitations; its messages stay
    ///
    /// Rooms that it is alone in go with it.
    Remove { name: String },
}

pub(super) async fn run(command: UserCommand, config: Config) -> anyhow::Result<()> {
    let (store, _in_use) = open_store(&config).await?;
    let result = match command {
        UserCommand::Add { name, admin, .. } => add(&*store, &name, admin).await,
        UserCommand::Link { name } => link(&*store, &config, &user_named(&*store, &name).await?).await,
        UserCommand::Password { name, password_stdin } => {
            password(
                &*store,
                &config,
                &user_named(&*store, &name).await?,
                password_stdin,
            )
            .await
        }
        UserCommand::List { json } => list(&*store, json).await,
        UserCommand::Remove { name } => remove(&*store, &user_named(&*store, &name).await?).await,
    };
    store.close().await;
    result
}

async fn list(store: &dyn Store, json: bool) -> anyhow::Result<()> {
    let users = store.users().await?;
    if json {
        let one = |user: &UserRow| {
            json!({"user_id": user.id, "name": user.name, "admin": user.admin, "has_password": user.has_password,
                "rooms": user.rooms, "created_at": user.created_at})
        };
        return output::json(&json!({"users": users.iter().map(one).collect::<Vec<_>>()}));
    }
    let row = |user: &UserRow| {
        let what = if user.admin { "administrator" } else { "" };
        [
            user.name.clone(),
            output::day(user.created_at),
            format!("{} rooms", user.rooms),
            what.into(),
        ]
    };
    output::table(users.iter().map(row))
}

async fn remove(store: &dyn Store, user: &User) -> anyhow::Result<()> {
    match store.remove_user(&user.id, SystemClock.now_ms()).await {
        Ok(()) => {
            println!("Removed {}", user.name);
            Ok(())
        }
        Err(StoreError::LastOwner) => bail!(
            "{} is the only owner of a room that others are in: make somebody else an owner there, or remove the room first.",
            user.name
        ),
        Err(error) => Err(error.into()),
    }
}

async fn add(store: &dyn Store, name: &str, admin: bool) -> anyhow::Result<()> {
    let Some(name) = names::clean(name) else {
        bail!("A name has 1 to 64 printable characters.")
    };
    let password = password_from_stdin()?;
    let user = NewUser {
        id: random::id(),
        name_key: names::key(&name),
        name,
        password_hash: Some(Passwords::new().await?.hash(&password).await?),
        admin,
        now: SystemClock.now_ms(),
    };
    match store.create_user(&user).await {
        Ok(()) => {
            println!("Added {}", user.name);
            Ok(())
        }
        Err(StoreError::NameTaken) => bail!("There is an account {} already.", user.name),
        Err(error) => Err(error.into()),
    }
}

fn password_from_stdin() -> anyhow::Result<String> {
    let mut password = String::new();
    std::io::stdin()
        .read_to_string(&mut password)
        .context("the password could not be read from standard input")?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.chars().count() < MIN_PASSWORD_CHARS {
        bail!("A password has at least {MIN_PASSWORD_CHARS} characters.");
    }
    Ok(password.to_owned())
}

async fn password(store: &dyn Store, config: &Config, user: &User, from_stdin: bool) -> anyhow::Result<()> {
    let hash = match from_stdin {
        true => Some(Passwords::new().await?.hash(&password_from_stdin()?).await?),
        false => None,
    };
    // A running server closes the sockets of what ended here by itself.
    store
        .change_password(&user.id, hash.as_deref(), None, SystemClock.now_ms())
        .await?;
    let name = &user.name;
    if hash.is_some() {
        println!("The password of {name} is changed; every session has ended.");
        return Ok(());
    }
    eprintln!(
        "The old password of {name} no longer works, and every session has ended. This link signs {name} in once within \
         ten minutes; a new password is chosen in the settings."
    );
    link(store, config, user).await
}

async fn link(store: &dyn Store, config: &Config, user: &User) -> anyhow::Result<()> {
    let public_url = public_url(store, config).await?;
    let link = new_link(store, &public_url, &user.id, SystemClock.now_ms()).await?;
    println!("{}", link.url);
    Ok(())
}
