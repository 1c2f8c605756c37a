//! The part of the contract on callers that meet: each finds what the one before it left, as if there were one at a time.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Result;
use mesh_protocol::http::{NotificationEvent, Role};
use mesh_protocol::ids::{RoomId, UserId};
use mesh_server::auth::random;
use mesh_server::store::{
    Appended, Bulletin, Destination, MessageEdit, NewNotice, NewRoom, Store, StoreError,
};
use tokio::task::JoinSet;

use super::{NOW, invite, message, new_user, room, user};

/// Enough for callers to meet.
const ROUNDS: usize = 20;

pub async fn races(store: Arc<dyn Store>) -> Result<()> {
    a_room_keeps_an_owner(&store).await?;
    a_message_said_many_times_at_once_is_stored_once(&store).await?;
    rooms_in_any_order_do_not_wait_for_each_other(&store).await?;
    a_user_who_comes_twice_at_once_uses_one_up(&store).await?;
    a_notice_is_taken_once(&store).await?;
    a_setting_is_swapped_by_one(&store).await?;
    bulletins_are_seen_in_their_order(&store).await?;
    a_text_holds_no_end(&*store).await
}

/// Of an empty store: one of many makes the first account.
pub async fn setup_happens_once(store: &Arc<dyn Store>) -> Result<()> {
    let token = random::hash("setup");
    store.put_setup_token(&token).await?;
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            let first = new_user(&format!("first{n}"));
            let home = NewRoom {
                id: random::id(),
                name: "Home".into(),
                owner: first.id.clone(),
                now: NOW,
                expires_at: None,
            };
            store.set_up(&token, &first, &home).await
        });
    }
    let (done, refused): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 1);
    for refused in refused {
        assert!(matches!(refused, Err(StoreError::SetupDone)), "{refused:?}");
    }
    assert_eq!(store.users().await?.len(), 1);
    Ok(())
}

async fn a_room_keeps_an_owner(store: &Arc<dyn Store>) -> Result<()> {
    let (one, other) = (
        user(&**store, "races-la").await?,
        user(&**store, "races-lb").await?,
    );
    for round in 0..ROUNDS {
        let room = room(&**store, &one).await?;
        let (_, token) = invite(&**store, &room, &one, Role::Owner, 1).await?;
        store.join_by_invite(&token, &other, NOW).await?;
        let demoted = async {
            if round % 2 == 0 {
                store.set_role(&room, &other, Role::Member).await
            } else {
                store.expel_member(&room, &other, NOW).await.map(drop)
            }
        };
        let (left, demoted) = tokio::join!(store.remove_member(&room, &one, NOW), demoted);
        let refused = [left.map(drop), demoted];
        let refused = refused
            .iter()
            .filter(|done| matches!(done, Err(StoreError::LastOwner)));
        assert_eq!(refused.count(), 1, "round {round}");
        let owners = store.members(&room).await?;
        assert!(owners.iter().any(|member| member.role == Role::Owner));
    }
    Ok(())
}

async fn a_message_said_many_times_at_once_is_stored_once(store: &Arc<dyn Store>) -> Result<()> {
    let author = user(&**store, "races-said").await?;
    let room = room(&**store, &author).await?;
    for round in 0..ROUNDS {
        let mut tasks = JoinSet::new();
        for _ in 0..6 {
            let said = message(&room, &author, "devs", &format!("s{round}"), "x");
            let store = store.clone();
            tasks.spawn(async move { store.append_messages(&[said]).await });
        }
        let outcomes: Vec<_> = tasks.join_all().await.into_iter().collect::<Result<_, _>>()?;
        let seq = round as u64 + 1;
        let stored = outcomes
            .iter()
            .filter(|outcome| matches!(&outcome[0], Appended::Stored(message) if message.seq == seq));
        assert_eq!(stored.count(), 1);
        let repeated = outcomes
            .iter()
            .filter(|outcome| outcome[0] == Appended::Repeated(seq));
        assert_eq!(repeated.count(), 5, "{outcomes:?}");
    }
    Ok(())
}

async fn rooms_in_any_order_do_not_wait_for_each_other(store: &Arc<dyn Store>) -> Result<()> {
    let author = user(&**store, "races-circle").await?;
    let rooms = [room(&**store, &author).await?, room(&**store, &author).await?];
    let mut tasks = JoinSet::new();
    for n in 0..ROUNDS {
        let said = |at: usize| {
            let device = format!("dev{n}");
            message(&rooms[at], &author, &device, &format!("r{at}"), "x")
        };
        let (store, batch) = (store.clone(), [said(n % 2), said(1 - n % 2)]);
        tasks.spawn(async move { store.append_messages(&batch).await });
    }
    for outcomes in tasks.join_all().await {
        let stored = |outcome: &Appended| matches!(outcome, Appended::Stored(_));
        assert!(outcomes?.iter().all(stored));
    }
    for room in &rooms {
        let seqs: Vec<_> = store
            .messages(room, None, 100)
            .await?
            .iter()
            .map(|m| m.seq)
            .collect();
        assert_eq!(seqs, (1..=ROUNDS as u64).collect::<Vec<_>>());
    }
    Ok(())
}

async fn a_user_who_comes_twice_at_once_uses_one_up(store: &Arc<dyn Store>) -> Result<()> {
    let (owner, guest) = (
        user(&**store, "races-ta").await?,
        user(&**store, "races-tb").await?,
    );
    let room = room(&**store, &owner).await?;
    let (_, token) = invite(&**store, &room, &owner, Role::Member, 9).await?;
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let (store, guest) = (store.clone(), guest.clone());
        tasks.spawn(async move { store.join_by_invite(&token, &guest, NOW).await });
    }
    for entry in tasks.join_all().await {
        assert_eq!(entry?.room_id(), &room);
    }
    assert_eq!(store.invites(&room, NOW).await?[0].uses, 1);
    Ok(())
}

fn notice(user: &UserId, room: &RoomId, key: &str) -> NewNotice {
    NewNotice {
        dedup_key: format!("races:{key}"),
        user_id: user.clone(),
        destination: Destination::Gotify,
        event: NotificationEvent::ALL[0],
        room_id: room.clone(),
        title: "T".into(),
        message: "M".into(),
        at: NOW,
    }
}

async fn a_notice_is_taken_once(store: &Arc<dyn Store>) -> Result<()> {
    let mut all = HashSet::new();
    for n in 0..ROUNDS {
        let told = user(&**store, &format!("races-taken{n}")).await?;
        let room = room(&**store, &told).await?;
        let key = format!("taken{n}");
        store.queue_notices(&[notice(&told, &room, &key)], 0, NOW).await?;
        all.insert(format!("races:{key}"));
    }
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let store = store.clone();
        tasks.spawn(async move { store.take_notices(1_000, NOW + 50, NOW).await });
    }
    let mut taken = HashSet::new();
    for notices in tasks.join_all().await {
        for notice in notices? {
            // Others were queued before.
            let key = notice.dedup_key;
            if all.contains(&key) {
                assert!(taken.insert(key.clone()), "{key} twice");
            }
            store.notice_done(notice.id, NOW).await?;
        }
    }
    assert_eq!(taken, all);
    Ok(())
}

async fn a_setting_is_swapped_by_one(store: &Arc<dyn Store>) -> Result<()> {
    for before in [None, Some("0")] {
        let mut tasks = JoinSet::new();
        for n in 0..6 {
            let store = store.clone();
            let after = if before.is_none() {
                "0".to_owned()
            } else {
                format!("after{n}")
            };
            tasks.spawn(async move { store.swap_setting("swapped", before, &after).await });
        }
        let swapped: Vec<bool> = tasks.join_all().await.into_iter().collect::<Result<_, _>>()?;
        assert_eq!(
            swapped.iter().filter(|swapped| **swapped).count(),
            1,
            "{before:?}"
        );
    }
    assert!(!store.swap_setting("swapped", Some("0"), "late").await?);
    Ok(())
}

/// Who reads goes on after the last one that they saw: none may come into being before it later.
async fn bulletins_are_seen_in_their_order(store: &Arc<dyn Store>) -> Result<()> {
    let owner = user(&**store, "races-told").await?;
    let mut rooms = HashSet::new();
    for _ in 0..ROUNDS {
        rooms.insert(room(&**store, &owner).await?);
    }
    let mut last = store.bulletins(None).await?.last;
    let mut removing = JoinSet::new();
    for room in rooms.clone() {
        let store = store.clone();
        removing.spawn(async move { store.remove_room(&room, NOW).await });
    }
    let mut seen = HashSet::new();
    loop {
        let ended = removing.is_empty();
        let read = store.bulletins(Some(last)).await?;
        last = read.last;
        for bulletin in read.bulletins {
            if let Bulletin::RoomGone(room) = bulletin {
                seen.insert(room);
            }
        }
        if ended {
            break;
        }
        while let Some(removed) = removing.try_join_next() {
            removed??;
        }
    }
    assert_eq!(seen, rooms);
    Ok(())
}

/// PostgreSQL holds no U+0000, and so neither does SQLite here.
async fn a_text_holds_no_end(store: &dyn Store) -> Result<()> {
    let author = user(store, "races-nul").await?;
    let room = room(store, &author).await?;
    let said = store
        .append_messages(&[message(&room, &author, "devn", "n", "a\0b")])
        .await?;
    assert!(matches!(&said[0], Appended::Stored(message) if message.text == "a\u{FFFD}b"));
    let edit = MessageEdit {
        room_id: room.clone(),
        seq: 1,
        text: "\0".into(),
        mentions: vec![],
        now: NOW,
    };
    assert_eq!(store.edit_message(&edit).await?.text, "\u{FFFD}");
    assert_eq!(store.messages(&room, None, 1).await?[0].text, "\u{FFFD}");
    assert!(store.user_by_name("races-nul\0").await?.is_none());
    Ok(())
}
