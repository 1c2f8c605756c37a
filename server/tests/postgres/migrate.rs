//! `mesh-server migrate`: everything arrives, or nothing, and the file stays as it is.

use std::path::{Path, PathBuf};

use anyhow::Result;
use mesh_protocol::http::{AuditAct, AuditParty, ChangeRoom, DeviceKind, NotificationEvent, Role};
use mesh_protocol::ids::{RoomId, UserId};
use mesh_server::auth::random;
use mesh_server::config::Secret;
use mesh_server::store::postgres::PostgresStore;
use mesh_server::store::sqlite::SqliteStore;
use mesh_server::store::{
    Browser, Destination, Entry, GotifyPlace, Identity, MessageEdit, NewAuditEntry, NewDevice, NewInvite,
    NewMessage, NewNotice, NewRoom, NewSignIn, NewUser, NotificationProfile, NotificationStore as _,
    SignInId, Store, TokenHash,
};
use mesh_testkit::postgres::{self, Postgres};
use sqlx::ConnectOptions as _;

use super::{command, ended};

const NOW: u64 = 1_700_000_000_000;
/// More than is written at once.
const MESSAGES: u64 = 1_234;

struct Filled {
    dir: tempfile::TempDir,
    owner: UserId,
    room: RoomId,
    link: TokenHash,
    sign_in: SignInId,
    invite: TokenHash,
}

impl Filled {
    fn file(&self) -> PathBuf {
        self.dir.path().join("data/mesh.db")
    }
}

fn person(name: &str) -> NewUser {
    NewUser {
        id: random::id(),
        name: name.to_owned(),
        name_key: name.to_lowercase(),
        password_hash: Some("hash".into()),
        admin: name == "Zoë",
        now: NOW,
    }
}

/// A file in which no table is empty.
async fn filled() -> Result<Filled> {
    let dir = tempfile::tempdir()?;
    std::fs::create_dir(dir.path().join("data"))?;
    let store = SqliteStore::open(&dir.path().join("data/mesh.db")).await?;
    let (owner, other, waiting) = (person("Zoë"), person("bob"), person("carol"));
    for user in [&owner, &other, &waiting] {
        store.create_user(user).await?;
    }
    let room = NewRoom {
        id: random::id(),
        name: "Room".into(),
        owner: owner.id.clone(),
        now: NOW,
        expires_at: Some(NOW + 5),
    };
    store.create_room(&room).await?;
    let invite = NewInvite {
        id: random::id(),
        room_id: room.id.clone(),
        token_hash: random::hash(&random::token()),
        role: Role::Member,
        created_by: owner.id.clone(),
        now: NOW,
        expires_at: NOW + 1_000,
        max_uses: 9,
        guest: true,
    };
    store.create_invite(&invite).await?;
    store.join_by_invite(&invite.token_hash, &other.id, NOW).await?;
    let settings = ChangeRoom {
        lobby: Some(true),
        retention_days: Some(Some(30)),
        ..ChangeRoom::default()
    };
    store.change_room(&room.id, &settings).await?;
    let entry = store.join_by_invite(&invite.token_hash, &waiting.id, NOW).await?;
    assert!(matches!(entry, Entry::Asks(..)));
    let banned = person("dave");
    store.create_user(&banned).await?;
    store.ban(&room.id, &banned.id, NOW).await?;
    let device = NewDevice {
        id: random::id(),
        user_id: owner.id.clone(),
        name: "Laptop".into(),
        kind: DeviceKind::Agent,
        key: Some("key".into()),
        now: NOW,
    };
    store.enroll_device(&device).await?;
    let sign_in = NewSignIn {
        id: SignInId(random::token()),
        user_id: owner.id.clone(),
        device_id: device.id.clone(),
        address: [127, 0, 0, 1].into(),
        now: NOW,
        expires_at: NOW + 1_000,
    };
    store.create_sign_in(&sign_in).await?;
    let link = random::hash("link");
    store.create_link(&link, &owner.id, NOW + 1_000, NOW).await?;
    store
        .put_setting("public_url", "https://mesh.example.com")
        .await?;
    let identity = Identity {
        issuer: "https://id.example.com".into(),
        subject: "7".into(),
    };
    store.link_identity(&identity, &owner.id, NOW).await?;
    chat_and_record(&store, &room.id, &owner).await?;
    let profile = NotificationProfile {
        gotify: Some(GotifyPlace {
            url: None,
            token: Secret::new("g"),
        }),
        ..NotificationProfile::default()
    };
    store.put_notification_profile(&owner.id, &profile).await?;
    let browser = Browser {
        device_id: device.id,
        name: String::new(),
        endpoint: Secret::new("https://push.example.com/1"),
        p256dh: vec![4; 65],
        auth: (0..16).collect(),
    };
    store.put_browser(&owner.id, &browser).await?;
    let notice = NewNotice {
        dedup_key: "k".into(),
        user_id: owner.id.clone(),
        destination: Destination::Gotify,
        event: NotificationEvent::ALL[0],
        room_id: room.id.clone(),
        title: "T".into(),
        message: "M".into(),
        at: NOW,
    };
    store.queue_notices(&[notice], 0, NOW).await?;
    // What a command told: a room that is gone.
    let gone = NewRoom {
        id: random::id(),
        ..room.clone()
    };
    store.create_room(&gone).await?;
    store.remove_room(&gone.id, NOW).await?;
    store.close().await;
    Ok(Filled {
        dir,
        owner: owner.id,
        room: room.id,
        link,
        sign_in: sign_in.id,
        invite: invite.token_hash,
    })
}

async fn chat_and_record(store: &SqliteStore, room: &RoomId, author: &NewUser) -> Result<()> {
    let messages: Vec<_> = (1..=MESSAGES)
        .map(|n| NewMessage {
            room_id: room.clone(),
            user_id: author.id.clone(),
            name: author.name.clone(),
            device_id: "dev1".parse().unwrap(),
            client_id: format!("c{n}").parse().unwrap(),
            text: format!("{n} \u{1F600} 'quoted' \\ {{}}"),
            mentions: vec![author.id.clone()],
            now: NOW + n,
        })
        .collect();
    store.append_messages(&messages).await?;
    let edit = MessageEdit {
        room_id: room.clone(),
        seq: 7,
        text: "edited".into(),
        mentions: vec![],
        now: NOW + 1,
    };
    store.edit_message(&edit).await?;
    store.delete_message(room, 8, NOW).await?;
    let party = AuditParty {
        user_id: author.id.clone(),
        name: author.name.clone(),
        device_id: None,
        peer_id: None,
    };
    let mut entry = NewAuditEntry::new(room.clone(), NOW, AuditAct::RoomChanged, Some(party));
    entry.detail = Some("detail".into());
    store.append_audit(&[entry], 10).await?;
    Ok(())
}

/// What is read of a store through its contract.
async fn seen(store: &dyn Store, filled: &Filled) -> Result<Vec<String>> {
    let (room, owner) = (&filled.room, &filled.owner);
    let sign_in = store.sign_in(&filled.sign_in).await?;
    let browsers = store.browsers(owner, NOW).await?;
    let browser = browsers.iter().map(|b| (&b.endpoint, &b.p256dh, &b.auth));
    Ok(vec![
        format!("{:?}", store.setting("public_url").await?),
        format!("{:?}", store.users().await?),
        format!("{:?}", store.all_rooms().await?),
        format!("{:?}", store.room_of(room, owner).await?),
        format!("{:?}", store.members(room).await?),
        format!("{:?}", store.lobby(room).await?),
        format!("{:?}", store.bans(room).await?),
        format!("{:?}", store.invites(room, NOW).await?),
        format!("{:?}", store.messages(room, None, 5_000).await?),
        format!("{:?}", store.audit(room, None, 10).await?),
        format!("{:?}", store.devices(owner).await?),
        format!("{sign_in:?}"),
        format!("{:?}", store.notification_profile(owner).await?),
        format!("{:?}", browser.collect::<Vec<_>>()),
        format!("{}", store.waiting_notices(owner).await?),
        format!("{:?}", store.bulletins(Some(0)).await?),
        format!("{:?}", store.is_linked(owner, "https://id.example.com").await?),
        format!("{:?}", store.peek_invite(&filled.invite, NOW).await?),
    ])
}

#[tokio::test]
async fn everything_is_carried_over_and_counts_on() -> Result<()> {
    let filled = filled().await?;
    let url = postgres::database().await?;
    let before = std::fs::read(filled.file())?;
    let (code, said) = ended(filled.dir.path(), "", &["migrate", "--to", &url])?;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("rows are the same at both ends"), "{said}");
    let rows = |line: &&str| line.split_whitespace().nth(1).is_some_and(|rows| rows == "0");
    assert_eq!(
        said.lines().find(rows),
        None,
        "a table that the test leaves empty"
    );
    assert_eq!(std::fs::read(filled.file())?, before, "the file is as it was");

    let old = SqliteStore::open(&filled.file()).await?;
    let new = PostgresStore::open(&Secret::new(url.clone())).await?;
    assert_eq!(seen(&new, &filled).await?, seen(&old, &filled).await?);
    // Numbers go on where they were.
    let last = new.bulletins(None).await?.last;
    new.remove_room(&filled.room, NOW).await?;
    assert!(new.bulletins(Some(last)).await?.last > last);
    assert_eq!(new.take_link(&filled.link, NOW).await?, filled.owner);
    new.close().await;
    old.close().await;

    let (code, said) = ended(filled.dir.path(), &url, &["migrate"])?;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("it is not empty") && said.contains("nothing was changed"),
        "{said}"
    );
    Ok(())
}

#[tokio::test]
async fn what_does_not_arrive_as_it_was_leaves_nothing_behind() -> Result<()> {
    let filled = filled().await?;
    let url = postgres::database().await?;
    PostgresStore::open(&Secret::new(url.clone()))
        .await?
        .close()
        .await;
    Postgres::execute(
        &url,
        "CREATE FUNCTION spoil() RETURNS trigger AS $$ BEGIN NEW.text = 'spoilt'; RETURN NEW; END $$ LANGUAGE plpgsql;
         CREATE TRIGGER spoil BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.seq = 700) EXECUTE FUNCTION spoil()",
    )
    .await?;
    let (code, said) = ended(filled.dir.path(), &url, &["migrate"])?;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("row 700 of messages is not what was written"),
        "{said}"
    );
    let store = PostgresStore::open(&Secret::new(url.clone())).await?;
    assert!(!store.has_users().await? && store.setting("public_url").await?.is_none());
    // And once nothing is in its way, all of it arrives.
    Postgres::execute(&url, "DROP TRIGGER spoil ON messages").await?;
    let (code, said) = ended(filled.dir.path(), &url, &["migrate"])?;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        store.messages(&filled.room, None, 5_000).await?.len() as u64,
        MESSAGES
    );
    Ok(())
}

#[tokio::test]
async fn a_text_with_a_nul_and_a_file_of_before_are_told() -> Result<()> {
    let filled = filled().await?;
    let url = postgres::database().await?;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(filled.file());
    let mut file = options.connect().await?;
    sqlx::raw_sql("UPDATE messages SET text = 'a' || char(0) || 'b' WHERE seq = 3; PRAGMA user_version = 3")
        .execute(&mut file)
        .await?;
    let (code, said) = ended(filled.dir.path(), &url, &["migrate"])?;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("an older version of Mesh wrote the file (schema 3"),
        "{said}"
    );
    sqlx::raw_sql("PRAGMA user_version = 7")
        .execute(&mut file)
        .await?;
    let (code, said) = ended(filled.dir.path(), &url, &["migrate"])?;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("In 1 texts U+FFFD"), "{said}");
    let store = PostgresStore::open(&Secret::new(url)).await?;
    assert_eq!(store.message(&filled.room, 3).await?.text, "a\u{FFFD}b");
    Ok(())
}

fn migrate(dir: &Path, args: &[&str]) -> Result<(Option<i32>, String)> {
    let output = command(dir).arg("migrate").args(args).output()?;
    Ok((
        output.status.code(),
        String::from_utf8([output.stdout, output.stderr].concat())?,
    ))
}

#[tokio::test]
async fn the_password_comes_from_a_file_and_never_from_the_command_line() -> Result<()> {
    let filled = filled().await?;
    let url = postgres::database().await?;
    let dir = filled.dir.path();
    for args in [
        &["--to", "postgres://mesh:canary@db/mesh"][..],
        &["--to", "postgres:///mesh?password=canary"],
        &["--to-file", "absent"],
        &[],
    ] {
        let (code, said) = migrate(dir, args)?;
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains("--to-file") || said.contains("absent cannot be read"),
            "{said}"
        );
        assert!(!said.contains("canary"), "{said}");
    }
    // While a server runs, what it acknowledges meanwhile would be left behind.
    let server = super::Running::start(dir, "127.0.0.1:0", &[])?;
    std::fs::write(dir.join("url"), format!("{url}&password=canary\n"))?;
    let (code, said) = migrate(dir, &["--to-file", "url"])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("stop it first"), "{said}");
    drop(server);
    let (code, said) = migrate(dir, &["--to-file", "url"])?;
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("canary"), "{said}");
    Ok(())
}
