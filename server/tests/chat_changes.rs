//! What becomes of chat messages: edited and deleted by whom that is given, naming members, kept as long as the room says.

use std::time::Duration;

use anyhow::Result;
use mesh_testkit::{TestServer, eventually};
use serde_json::{Value, json};

#[tokio::test]
async fn authors_edit_and_delete_and_the_room_sees_it() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let (mut a, mut b) = (alice.join(&room).await?, bob.join(&room).await?);
    let message = json!({"room_id": room, "client_id": "c1", "text": "helo"});
    b.send("chat.message.create", message).await?;
    b.expect("ack").await?;
    let at = format!("/rooms/{room}/messages/1");

    let edited = bob.patch(&at, json!({"text": "hello"})).await?;
    let shown = a.expect("chat.message.edited").await?;
    assert_eq!(shown["payload"], edited);
    assert_eq!((&edited["text"], &edited["seq"]), (&json!("hello"), &json!(1)));
    assert!(edited["edited_at"].as_u64() >= edited["created_at"].as_u64());
    for (text, code) in [("", "BAD_REQUEST"), (&*"ä".repeat(8_001), "BAD_REQUEST")] {
        assert_eq!(
            bob.patch(&at, json!({"text": text})).await.unwrap_err().code,
            code
        );
    }

    bob.delete(&at).await?;
    let shown = a.expect("chat.message.deleted").await?;
    assert_eq!(shown["payload"], json!({"room_id": room, "seq": 1}));
    let page = alice.get(&format!("/rooms/{room}/messages")).await?;
    assert_eq!(
        page["messages"][0]["text"], "",
        "the place stays, the text does not"
    );
    assert!(page["messages"][0]["deleted_at"].is_u64());
    let gone = bob.patch(&at, json!({"text": "back"})).await.unwrap_err();
    assert_eq!((gone.status, gone.code.as_str()), (404, "NOT_FOUND"));
    Ok(())
}

/// Who may do what to whose message: author or not, and the ranks of both.
#[tokio::test]
async fn nobody_edits_for_another_and_moderators_delete_below_them() -> Result<()> {
    let server = TestServer::start().await?;
    let owner = server.client("owner").await?;
    let room = owner.create_room("Room").await?;
    let mut people = vec![(owner.clone(), 3)];
    for (name, rank) in [("moderator", 2), ("member", 1), ("guest", 0)] {
        let invite = json!({"role": name});
        let invite = owner.post(&format!("/rooms/{room}/invites"), invite).await?;
        let client = server.client(name).await?;
        client
            .post("/rooms/join", json!({"invite": invite["token"]}))
            .await?;
        people.push((client, rank));
    }
    let outsider = server.client("outsider").await?;
    let mut seq = 0;
    for (author, author_rank) in &people {
        let mut socket = author.join(&room).await?;
        for (other, rank) in &people {
            seq += 1;
            let message = json!({"room_id": room, "client_id": format!("c{seq}"), "text": "x"});
            socket.send("chat.message.create", message).await?;
            assert_eq!(socket.expect("ack").await?["payload"]["seq"], seq);
            let at = format!("/rooms/{room}/messages/{seq}");
            let own = author.name == other.name;
            let edited = other.patch(&at, json!({"text": "y"})).await;
            assert_eq!(edited.is_ok(), own, "{} edits {}'s", other.name, author.name);
            let refused = outsider.delete(&at).await.unwrap_err();
            assert_eq!(refused.code, "ROOM_NOT_FOUND");
            let may = own || *rank == 3 || (*rank == 2 && *author_rank < 2);
            let deleted = other.delete(&at).await;
            assert_eq!(deleted.is_ok(), may, "{} deletes {}'s", other.name, author.name);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_message_names_members_when_it_is_stored() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("Alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let mut a = alice.join(&room).await?;
    let text = "@BOB and @carol, ask bob@example.org or @alice";
    let message = json!({"room_id": room, "client_id": "c1", "text": text});
    a.send("chat.message.create", message).await?;
    let stored = a.expect("chat.message.created").await?["payload"].clone();
    assert_eq!(stored["mentions"], json!([bob.user_id, alice.user_id]));
    let edited = alice
        .patch(&format!("/rooms/{room}/messages/1"), json!({"text": "nobody"}))
        .await?;
    assert_eq!(edited["mentions"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_room_keeps_messages_as_long_as_it_says() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let (brief, whole) = (
        alice.create_room("Brief").await?,
        alice.create_room("Whole").await?,
    );
    let mut socket = alice.join(&brief).await?;
    socket.join(&whole).await?;
    for (room, client_id) in [(&brief, "c1"), (&whole, "c2")] {
        let message = json!({"room_id": room, "client_id": client_id, "text": "x"});
        socket.send("chat.message.create", message).await?;
        socket.expect("ack").await?;
    }
    let change = |days: Value| json!({"retention_days": days});
    let refused = alice
        .patch(&format!("/rooms/{brief}"), change(json!(3_651)))
        .await;
    assert_eq!(refused.unwrap_err().code, "BAD_REQUEST");
    let room = alice.patch(&format!("/rooms/{brief}"), change(json!(7))).await?;
    assert_eq!(room["retention_days"], 7);
    let other = json!({"name": "Short"});
    let room = alice.patch(&format!("/rooms/{brief}"), other).await?;
    assert_eq!(room["retention_days"], 7, "what is absent stays");
    server.advance(Duration::from_secs(7 * 24 * 3_600 + 1));
    let store = server.store();
    eventually("the old message is gone", async || {
        store
            .messages(&brief, None, 10)
            .await
            .is_ok_and(|page| page.is_empty())
    })
    .await;
    assert_eq!(store.messages(&whole, None, 10).await?.len(), 1);
    let room = alice
        .patch(&format!("/rooms/{brief}"), change(Value::Null))
        .await?;
    assert_eq!(room["retention_days"], Value::Null);
    Ok(())
}
