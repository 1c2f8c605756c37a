//! The part of the contract on messages: their numbers, their changes and their end.

use std::sync::Arc;

use anyhow::Result;
use mesh_protocol::http::ChangeRoom;
use mesh_server::store::{Appended, MessageEdit, NewMessage, Store, StoreError};

use super::{NOW, message, room, user};

pub async fn chat(store: &dyn Store) -> Result<()> {
    let (author, other) = (user(store, "ca").await?, user(store, "cb").await?);
    let (one, two) = (room(store, &author).await?, room(store, &author).await?);
    let batch = [
        message(&one, &author, "dev1", "c1", "first"),
        message(&one, &author, "dev1", "c1", "again"),
        message(&two, &author, "dev1", "c1", "elsewhere"),
        message(&one, &other, "dev2", "c1", "stranger"),
        message(&one, &author, "dev2", "c1", "second"),
    ];
    let outcomes = store.append_messages(&batch).await?;
    assert!(
        matches!(&outcomes[0], Appended::Stored(m) if m.seq == 1 && m.text == "first" && m.created_at == NOW)
    );
    assert_eq!(
        outcomes[1..4],
        [Appended::Repeated(1), Appended::Conflict, Appended::NotAMember]
    );
    assert!(matches!(&outcomes[4], Appended::Stored(m) if m.seq == 2));
    assert_eq!(store.append_messages(&batch[..1]).await?, [Appended::Repeated(1)]);
    for n in 3..=7 {
        store
            .append_messages(&[message(&one, &author, "dev1", &format!("c{n}"), "more")])
            .await?;
    }
    let seqs = async |before, limit| {
        store
            .messages(&one, before, limit)
            .await
            .map(|page| page.iter().map(|m| m.seq).collect::<Vec<_>>())
    };
    assert_eq!(seqs(None, 3).await?, [5, 6, 7]);
    assert_eq!(seqs(Some(5), 3).await?, [2, 3, 4]);
    assert_eq!(seqs(Some(2), 3).await?, [1]);
    assert_eq!(seqs(Some(1), 3).await?, [0_u64; 0]);
    assert_eq!(store.room_of(&one, &author).await?.map(|r| r.last_seq), Some(7));
    Ok(())
}

pub async fn chat_is_numbered_without_gaps(store: Arc<dyn Store>) -> Result<()> {
    let author = user(&*store, "order").await?;
    let room = room(&*store, &author).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (store, message) = (
            store.clone(),
            message(&room, &author, "dev9", &format!("n{n}"), "x"),
        );
        tasks.spawn(async move { store.append_messages(&[message]).await });
    }
    for result in tasks.join_all().await {
        result?;
    }
    let seqs: Vec<_> = store
        .messages(&room, None, 100)
        .await?
        .iter()
        .map(|m| m.seq)
        .collect();
    assert_eq!(seqs, (1..=20).collect::<Vec<_>>());
    Ok(())
}

pub async fn chat_changes(store: &dyn Store) -> Result<()> {
    let author = user(store, "ea").await?;
    let room = room(store, &author).await?;
    let first = message(&room, &author, "dev5", "e1", "frist");
    store.append_messages(std::slice::from_ref(&first)).await?;
    let edit = MessageEdit {
        room_id: room.clone(),
        seq: 1,
        text: "first".into(),
        mentions: vec![author.clone()],
        now: NOW + 5,
    };
    let edited = store.edit_message(&edit).await?;
    assert_eq!((edited.text.as_str(), edited.edited_at), ("first", Some(NOW + 5)));
    let again = store.edit_message(&edit).await?;
    assert!(again.edited_at > edited.edited_at, "two edits have an order");
    assert_eq!(store.messages(&room, None, 10).await?, [again]);
    store.delete_message(&room, 1, NOW + 6).await?;
    let left = store.messages(&room, None, 10).await?;
    assert_eq!(
        (left[0].seq, left[0].text.as_str(), left[0].deleted_at),
        (1, "", Some(NOW + 6))
    );
    assert!(left[0].mentions.is_empty() && left[0].edited_at.is_none());
    assert!(matches!(store.edit_message(&edit).await, Err(StoreError::Absent)));
    assert!(matches!(
        store.delete_message(&room, 1, NOW).await,
        Err(StoreError::Absent)
    ));
    assert!(matches!(store.message(&room, 1).await, Err(StoreError::Absent)));
    assert_eq!(
        store.append_messages(&[first]).await?,
        [Appended::Repeated(1)],
        "nor does it come back"
    );
    Ok(())
}

pub async fn chat_ends(store: &dyn Store) -> Result<()> {
    const DAY: u64 = 24 * 3_600 * 1_000;
    let author = user(store, "ta").await?;
    let (brief, whole) = (room(store, &author).await?, room(store, &author).await?);
    for room in [&brief, &whole] {
        let messages: Vec<_> = (0..5_u64)
            .map(|n| NewMessage {
                now: NOW + n * DAY,
                ..message(room, &author, "dev6", &format!("{room}{n}"), "x")
            })
            .collect();
        store.append_messages(&messages).await?;
    }
    assert_eq!(
        store.expire_messages(100, NOW + 99 * DAY).await?,
        0,
        "nothing was asked for"
    );
    let keep_two = ChangeRoom {
        retention_days: Some(Some(2)),
        ..ChangeRoom::default()
    };
    store.change_room(&brief, &keep_two).await?;
    assert_eq!(
        store.expire_messages(2, NOW + 4 * DAY).await?,
        2,
        "so many at once"
    );
    assert_eq!(store.expire_messages(2, NOW + 4 * DAY).await?, 1);
    assert_eq!(store.expire_messages(2, NOW + 4 * DAY).await?, 0);
    let seqs: Vec<_> = store
        .messages(&brief, None, 10)
        .await?
        .iter()
        .map(|m| m.seq)
        .collect();
    assert_eq!(seqs, [4, 5]);
    assert_eq!(store.messages(&whole, None, 10).await?.len(), 5);
    Ok(())
}
