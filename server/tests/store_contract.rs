//! What every implementation of `Store` must do.

mod chat;
mod people;
mod races;
mod records;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use anyhow::Result;
use mesh_protocol::http::{ChangeRoom, DeviceKind, Role};
use mesh_protocol::ids::{DeviceId, RoomId, UserId};
use mesh_server::auth::random;
use mesh_server::config::Secret;
use mesh_server::store::postgres::PostgresStore;
use mesh_server::store::sqlite::SqliteStore;
use mesh_server::store::{
    Entry, NewDevice, NewInvite, NewMessage, NewRoom, NewSignIn, NewUser, SignInId, Store, StoreError,
    TokenHash,
};
use mesh_testkit::postgres;

const NOW: u64 = 1_700_000_000_000;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() -> Result<()> {
    let dir = tempfile::tempdir()?;
    contract(Arc::new(SqliteStore::open(&dir.path().join("mesh.db")).await?)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_the_contract() -> Result<()> {
    let url = Secret::new(postgres::database().await?);
    contract(Arc::new(PostgresStore::open(&url).await?)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_sets_up_once() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&dir.path().join("mesh.db")).await?);
    races::setup_happens_once(&store).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_sets_up_once() -> Result<()> {
    let url = Secret::new(postgres::database().await?);
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&url).await?);
    races::setup_happens_once(&store).await
}

#[tokio::test]
async fn postgres_makes_its_tables_once_for_servers_that_start_at_once() -> Result<()> {
    for _ in 0..8 {
        let url = Secret::new(postgres::database().await?);
        let starts = (0..4).map(|_| PostgresStore::open(&url));
        for started in futures_util::future::join_all(starts).await {
            started?.close().await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn postgres_keeps_what_it_acknowledged_and_opens_once_more() -> Result<()> {
    let url = Secret::new(postgres::database().await?);
    let (one, two) = (PostgresStore::open(&url).await?, PostgresStore::open(&url).await?);
    let alice = user(&one, "alice").await?;
    let room = room(&one, &alice).await?;
    one.append_messages(&[message(&room, &alice, "d", "c", "kept")])
        .await?;
    assert_eq!(two.messages(&room, None, 10).await?[0].text, "kept");
    one.close().await;
    let again = PostgresStore::open(&url).await?;
    assert_eq!(again.messages(&room, None, 10).await?[0].text, "kept");
    assert!(two.room_of(&room, &alice).await?.is_some());
    Ok(())
}

#[tokio::test]
async fn sqlite_keeps_what_it_acknowledged_and_opens_once_more() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("mesh.db");
    let store = SqliteStore::open(&path).await?;
    let alice = user(&store, "alice").await?;
    let room = room(&store, &alice).await?;
    store
        .append_messages(&[message(&room, &alice, "d", "c", "kept")])
        .await?;
    store.close().await;
    let (one, two) = tokio::join!(SqliteStore::open(&path), SqliteStore::open(&path));
    assert_eq!(one?.messages(&room, None, 10).await?[0].text, "kept");
    assert!(two?.room_of(&room, &alice).await?.is_some());
    Ok(())
}

/// The suite, for any implementation that is empty.
async fn contract(store: Arc<dyn Store>) -> Result<()> {
    store.ping().await?;
    records::settings(&*store).await?;
    setup_happens_once(&*store).await?;
    accounts(&*store).await?;
    links_work_once(&*store).await?;
    devices_and_sign_ins(&*store).await?;
    people::another_name_is_the_only_one(&*store).await?;
    people::a_changed_password_ends_what_the_old_one_opened(&*store).await?;
    people::guests_come_and_go(&*store).await?;
    people::notifications::notifications(&*store).await?;
    people::a_provider_s_account_is_one_account(&*store).await?;
    rooms_and_roles(&*store).await?;
    invitations(&*store).await?;
    invitations_are_counted_exactly(store.clone()).await?;
    chat::chat(&*store).await?;
    chat::chat_is_numbered_without_gaps(store.clone()).await?;
    chat::chat_changes(&*store).await?;
    chat::chat_ends(&*store).await?;
    races::races(store.clone()).await?;
    deleting_a_room_takes_all_of_it(&*store).await?;
    records::rooms_whose_time_is_over_are_named_in_their_order(&*store).await?;
    records::the_record_is_numbered_paged_and_bounded(&*store).await?;
    records::the_operator_lists_and_removes_and_a_server_is_told(&*store).await?;
    store.close().await;
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    Ok(())
}

fn new_user(name: &str) -> NewUser {
    NewUser {
        id: random::id(),
        name: name.to_owned(),
        name_key: name.to_lowercase(),
        password_hash: Some("hash".into()),
        admin: false,
        now: NOW,
    }
}

async fn user(store: &dyn Store, name: &str) -> Result<UserId> {
    let user = new_user(name);
    store.create_user(&user).await?;
    Ok(user.id)
}

async fn room(store: &dyn Store, owner: &UserId) -> Result<RoomId> {
    let room = NewRoom {
        id: random::id(),
        name: "Room".into(),
        owner: owner.clone(),
        now: NOW,
        expires_at: None,
    };
    store.create_room(&room).await?;
    Ok(room.id)
}

fn device(user: &UserId, key: Option<&str>) -> NewDevice {
    NewDevice {
        id: random::id(),
        user_id: user.clone(),
        name: "Laptop".into(),
        kind: DeviceKind::Agent,
        key: key.map(str::to_owned),
        now: NOW,
    }
}

fn message(room: &RoomId, user: &UserId, device: &str, client: &str, text: &str) -> NewMessage {
    NewMessage {
        room_id: room.clone(),
        user_id: user.clone(),
        name: "Alice".into(),
        device_id: device.parse().expect("a device id"),
        client_id: client.parse().expect("a client id"),
        text: text.into(),
        mentions: vec![],
        now: NOW,
    }
}

async fn invite(
    store: &dyn Store,
    room: &RoomId,
    by: &UserId,
    role: Role,
    max_uses: u32,
) -> Result<(NewInvite, TokenHash)> {
    let token_hash = random::hash(&random::token());
    let invite = NewInvite {
        id: random::id(),
        room_id: room.clone(),
        token_hash,
        role,
        created_by: by.clone(),
        now: NOW,
        expires_at: NOW + 1000,
        max_uses,
        guest: role == Role::Guest,
    };
    store.create_invite(&invite).await?;
    Ok((invite, token_hash))
}

async fn setup_happens_once(store: &dyn Store) -> Result<()> {
    assert!(!store.has_users().await?);
    let (old, token) = (random::hash("old"), random::hash("new"));
    store.put_setup_token(&old).await?;
    store.put_setup_token(&token).await?;
    let first = new_user("first");
    let home = NewRoom {
        id: random::id(),
        name: "Home".into(),
        owner: first.id.clone(),
        now: NOW,
        expires_at: None,
    };
    assert!(matches!(
        store.set_up(&old, &first, &home).await,
        Err(StoreError::LinkInvalid)
    ));
    assert!(!store.has_users().await?, "a refused setup leaves nothing");
    store.set_up(&token, &first, &home).await?;
    assert_eq!(store.rooms_of(&first.id).await?[0].role, Role::Owner);
    assert!(matches!(
        store.set_up(&token, &new_user("second"), &home).await,
        Err(StoreError::SetupDone)
    ));
    Ok(())
}

async fn accounts(store: &dyn Store) -> Result<()> {
    let alice = user(store, "Alice").await?;
    let taken = store.create_user(&new_user("ALICE")).await;
    assert!(matches!(taken, Err(StoreError::NameTaken)), "{taken:?}");
    assert_eq!(
        store.user_by_name("alice").await?.map(|u| (u.id, u.name)),
        Some((alice.clone(), "Alice".into()))
    );
    assert!(store.user(&alice).await?.is_some() && store.user_by_name("nobody").await?.is_none());
    Ok(())
}

async fn links_work_once(store: &dyn Store) -> Result<()> {
    let user = user(store, "linked").await?;
    let (link, late) = (random::hash("a"), random::hash("b"));
    store.create_link(&link, &user, NOW + 10, NOW).await?;
    store.create_link(&late, &user, NOW + 10, NOW).await?;
    assert_eq!(store.take_link(&link, NOW + 9).await?, user);
    for (hash, now) in [(link, NOW), (late, NOW + 10), (random::hash("c"), NOW)] {
        assert!(matches!(
            store.take_link(&hash, now).await,
            Err(StoreError::LinkInvalid)
        ));
    }
    Ok(())
}

async fn devices_and_sign_ins(store: &dyn Store) -> Result<()> {
    let (alice, bob) = (user(store, "da").await?, user(store, "db").await?);
    let first = store.enroll_device(&device(&alice, Some("key"))).await?;
    let renamed = NewDevice {
        name: "Desk".into(),
        now: NOW + 5,
        ..device(&alice, Some("key"))
    };
    assert_eq!(
        store.enroll_device(&renamed).await?,
        first,
        "the same key is the same device"
    );
    assert_ne!(
        store.enroll_device(&device(&bob, Some("key"))).await?,
        first,
        "but not for another user"
    );
    let other = store.enroll_device(&device(&alice, None)).await?;
    assert_ne!(
        store.enroll_device(&device(&alice, None)).await?,
        other,
        "without a key each is new"
    );
    let listed = store.devices(&alice).await?;
    assert_eq!(
        (listed.len(), listed[0].name.as_str(), listed[0].last_seen_at),
        (3, "Desk", NOW + 5)
    );

    let sign_in = |device_id: &DeviceId| NewSignIn {
        id: SignInId(random::token()),
        user_id: alice.clone(),
        device_id: device_id.clone(),
        address: HERE,
        now: NOW,
        expires_at: NOW + 100,
    };
    let (one, two, three) = (sign_in(&first), sign_in(&first), sign_in(&other));
    for new in [&one, &two, &three] {
        store.create_sign_in(new).await?;
    }
    store.touch_sign_in(&two.id, ELSEWHERE, NOW + 7).await?;
    let live = store.sign_ins(&alice, NOW + 99).await?;
    assert_eq!(
        (
            live.len(),
            &live[0].id,
            live[0].last_seen_at,
            live[0].address,
            live[1].address
        ),
        (3, &two.id, NOW + 7, Some(ELSEWHERE), Some(HERE))
    );
    assert!(
        store.sign_ins(&alice, NOW + 100).await?.is_empty(),
        "expired ones are not listed"
    );
    let found = store.sign_in(&one.id).await?.expect("it exists");
    assert_eq!(
        (found.user_name.as_str(), found.expires_at, found.ended_at),
        ("da", NOW + 100, None)
    );
    assert!(matches!(
        store.end_sign_in(&bob, &one.id, NOW + 50).await,
        Err(StoreError::Absent)
    ));
    store.end_sign_in(&alice, &one.id, NOW + 50).await?;
    assert!(matches!(
        store.end_sign_in(&alice, &one.id, NOW + 51).await,
        Err(StoreError::Absent)
    ));
    assert_eq!(
        store.sign_in(&one.id).await?.and_then(|s| s.ended_at),
        Some(NOW + 50)
    );

    assert!(matches!(
        store.remove_device(&bob, &first, NOW + 60).await,
        Err(StoreError::Absent)
    ));
    assert_eq!(
        store.remove_device(&alice, &first, NOW + 60).await?,
        std::slice::from_ref(&two.id)
    );
    assert!(matches!(
        store.remove_device(&alice, &first, NOW + 60).await,
        Err(StoreError::Absent)
    ));
    assert_eq!(store.ended_since(NOW + 60).await?, [two.id]);
    assert_eq!(store.ended_since(NOW + 50).await?.len(), 2);
    assert_ne!(
        store.enroll_device(&device(&alice, Some("key"))).await?,
        first,
        "a removed device does not come back"
    );
    Ok(())
}

async fn rooms_and_roles(store: &dyn Store) -> Result<()> {
    let (owner, other) = (user(store, "ra").await?, user(store, "rb").await?);
    let room = room(store, &owner).await?;
    assert!(
        store.room_of(&room, &other).await?.is_none(),
        "not theirs is absent"
    );
    assert!(matches!(
        store.remove_member(&room, &owner, NOW).await,
        Err(StoreError::LastOwner)
    ));
    assert!(matches!(
        store.set_role(&room, &owner, Role::Guest).await,
        Err(StoreError::LastOwner)
    ));
    assert!(matches!(
        store.set_role(&room, &other, Role::Guest).await,
        Err(StoreError::Absent)
    ));
    let (_, token) = invite(store, &room, &owner, Role::Guest, 1).await?;
    store.join_by_invite(&token, &other, NOW).await?;
    store.set_role(&room, &other, Role::Owner).await?;
    store.remove_member(&room, &owner, NOW).await?;
    assert!(matches!(
        store.remove_member(&room, &owner, NOW).await,
        Err(StoreError::Absent)
    ));
    let members = store.members(&room).await?;
    assert_eq!(
        (members.len(), members[0].role, members[0].name.as_str()),
        (1, Role::Owner, "rb")
    );
    let renamed = |name: &str| ChangeRoom {
        name: Some(name.into()),
        ..ChangeRoom::default()
    };
    store.change_room(&room, &renamed("New")).await?;
    assert_eq!(
        store.room_of(&room, &other).await?.map(|r| r.name).as_deref(),
        Some("New")
    );
    assert!(matches!(
        store.change_room(&random::id(), &renamed("x")).await,
        Err(StoreError::Absent)
    ));
    Ok(())
}

async fn invitations(store: &dyn Store) -> Result<()> {
    let (owner, guest) = (user(store, "ia").await?, user(store, "ib").await?);
    let room = room(store, &owner).await?;
    let (first, token) = invite(store, &room, &owner, Role::Guest, 2).await?;
    assert_eq!(store.peek_invite(&token, NOW).await?.room_id, room);
    let entry = store.join_by_invite(&token, &guest, NOW).await?;
    assert!(
        matches!(entry, Entry::Entered(entered, member) if entered == room && member.role == Role::Guest)
    );
    let again = store.join_by_invite(&token, &guest, NOW).await?;
    assert_eq!(again, Entry::Known(room.clone()));
    assert_eq!(
        store.invites(&room, NOW).await?[0].uses,
        1,
        "a member uses nothing up"
    );
    assert!(matches!(
        store.register(&token, &new_user("ia")).await,
        Err(StoreError::NameTaken)
    ));
    assert_eq!(
        store.invites(&room, NOW).await?[0].uses,
        1,
        "a taken name uses nothing up"
    );
    assert_eq!(store.register(&token, &new_user("ic")).await?.room_id(), &room);
    assert!(store.invites(&room, NOW).await?.is_empty(), "used up");
    assert!(matches!(
        store.register(&token, &new_user("id")).await,
        Err(StoreError::InviteInvalid)
    ));
    assert!(store.user_by_name("id").await?.is_none(), "and makes no account");

    let (second, token) = invite(store, &room, &owner, Role::Member, 9).await?;
    assert!(
        matches!(
            store.peek_invite(&token, NOW + 1000).await,
            Err(StoreError::InviteInvalid)
        ),
        "expired"
    );
    assert!(
        matches!(
            store.revoke_invite(&random::id(), &second.id, NOW).await,
            Err(StoreError::Absent)
        ),
        "foreign"
    );
    store.revoke_invite(&room, &second.id, NOW).await?;
    assert!(matches!(
        store.join_by_invite(&token, &random::id(), NOW).await,
        Err(StoreError::InviteInvalid)
    ));
    assert!(matches!(
        store.revoke_invite(&room, &second.id, NOW).await,
        Err(StoreError::Absent)
    ));
    assert_ne!(first.id, second.id);
    Ok(())
}

async fn invitations_are_counted_exactly(store: Arc<dyn Store>) -> Result<()> {
    let owner = user(&*store, "race").await?;
    let room = room(&*store, &owner).await?;
    let (_, token) = invite(&*store, &room, &owner, Role::Member, 7).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let store = store.clone();
        tasks.spawn(async move {
            store
                .register(&token, &new_user(&format!("race{n}")))
                .await
                .is_ok()
        });
    }
    let joined = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|joined| *joined)
        .count();
    assert_eq!(joined, 7);
    assert_eq!(store.members(&room).await?.len(), 8);
    Ok(())
}

async fn deleting_a_room_takes_all_of_it(store: &dyn Store) -> Result<()> {
    let owner = user(store, "del").await?;
    let room = room(store, &owner).await?;
    let (_, token) = invite(store, &room, &owner, Role::Member, 1).await?;
    store
        .append_messages(&[message(&room, &owner, "dev7", "c1", "x")])
        .await?;
    store.delete_room(&room, NOW).await?;
    assert!(store.messages(&room, None, 10).await?.is_empty() && store.members(&room).await?.is_empty());
    assert!(matches!(
        store.peek_invite(&token, NOW).await,
        Err(StoreError::InviteInvalid)
    ));
    assert!(matches!(
        store.delete_room(&room, NOW).await,
        Err(StoreError::Absent)
    ));
    Ok(())
}
