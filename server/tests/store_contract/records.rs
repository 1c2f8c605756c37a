//! What processes leave for each other, the record of rooms, and what the operator sees and removes.

use anyhow::Result;
use mesh_protocol::capability::Capability;
use mesh_protocol::http::{AuditAct, AuditParty, Role};
use mesh_protocol::ids::{RoomId, UserId};
use mesh_server::auth::random;
use mesh_server::store::{Bulletin, NewAuditEntry, NewRoom, NewSignIn, SignInId, Store, StoreError};

use super::{HERE, NOW, device, invite, new_user, room, user};

fn entry(room: &RoomId, at: u64, act: AuditAct) -> NewAuditEntry {
    NewAuditEntry::new(room.clone(), at, act, None)
}

pub async fn settings(store: &dyn Store) -> Result<()> {
    assert_eq!(store.setting("k").await?, None);
    store.put_setting("k", "1").await?;
    store.put_setting("k", "2").await?;
    assert_eq!(store.setting("k").await?.as_deref(), Some("2"));
    Ok(())
}

pub async fn rooms_whose_time_is_over_are_named_in_their_order(store: &dyn Store) -> Result<()> {
    let owner = user(store, "short").await?;
    let short = async |expires_at| {
        let room = NewRoom {
            id: random::id(),
            name: "Short".into(),
            owner: owner.clone(),
            now: NOW,
            expires_at: Some(expires_at),
        };
        store.create_room(&room).await.map(|()| room.id)
    };
    let (later, first) = (short(NOW + 2).await?, short(NOW + 1).await?);
    assert_eq!(store.expired_rooms(9, NOW).await?, []);
    assert_eq!(
        store.expired_rooms(9, NOW + 2).await?,
        [first.clone(), later.clone()]
    );
    assert_eq!(store.expired_rooms(1, NOW + 2).await?, [first]);
    Ok(())
}

pub async fn the_record_is_numbered_paged_and_bounded(store: &dyn Store) -> Result<()> {
    let alice = user(store, "auditor").await?;
    let (here, there) = (room(store, &alice).await?, room(store, &alice).await?);
    let party = AuditParty {
        user_id: alice.clone(),
        name: "Alice".into(),
        device_id: Some("d".parse()?),
        peer_id: Some("p".parse()?),
    };
    let mut full = entry(&here, NOW, AuditAct::CapabilityUsed);
    full.actor = Some(party.clone());
    full.capabilities = vec![Capability::TerminalView, Capability::Rtc];
    full.target = Some(AuditParty {
        device_id: None,
        peer_id: None,
        ..party.clone()
    });
    full.session_id = Some("s".parse()?);
    full.jti = Some("j".parse()?);
    full.detail = Some("why".into());
    let gone = entry(&"gone".parse()?, NOW, AuditAct::RoomChanged);
    let other = entry(&there, NOW, AuditAct::RoomChanged);
    store.append_audit(&[full.clone(), gone, other], 10).await?;
    let read = store.audit(&here, None, 10).await?;
    assert_eq!(
        (read.len(), read[0].seq, read[0].at, read[0].act),
        (1, 1, NOW, full.act)
    );
    assert_eq!((&read[0].actor, &read[0].target), (&full.actor, &full.target));
    assert_eq!(
        (&read[0].capabilities, &read[0].detail),
        (&full.capabilities, &full.detail)
    );
    assert_eq!((&read[0].session_id, &read[0].jti), (&full.session_id, &full.jti));
    // The newest stay, by number.
    let more: Vec<_> = (1..=14)
        .map(|n| entry(&here, NOW + n, AuditAct::MemberLeft))
        .collect();
    store.append_audit(&more, 10).await?;
    let seqs = async |before, limit| -> Result<Vec<u64>> {
        Ok(store
            .audit(&here, before, limit)
            .await?
            .iter()
            .map(|entry| entry.seq)
            .collect())
    };
    assert_eq!(seqs(None, 100).await?, (6..=15).rev().collect::<Vec<_>>());
    assert_eq!(seqs(Some(14), 3).await?, [13, 12, 11]);
    assert_eq!(store.audit(&there, None, 10).await?.len(), 1, "another room's");
    // And by age, a few at a time.
    assert_eq!(store.expire_audit(4, NOW + 9).await?, 4);
    assert_eq!(store.expire_audit(4, NOW + 9).await?, 1, "and the other room's");
    assert_eq!(store.expire_audit(4, NOW + 9).await?, 0);
    assert_eq!(seqs(None, 100).await?, (10..=15).rev().collect::<Vec<_>>());
    store.delete_room(&here, NOW).await?;
    assert!(store.audit(&here, None, 1).await?.is_empty());
    Ok(())
}

pub async fn the_operator_lists_and_removes_and_a_server_is_told(store: &dyn Store) -> Result<()> {
    let (ann, ben) = (
        user(store, "operator-ann").await?,
        user(store, "operator-ben").await?,
    );
    let listed = store.users().await?;
    let row = |id: &UserId| {
        listed
            .iter()
            .find(|row| row.id == *id)
            .map(|row| row.name.clone())
    };
    assert_eq!(row(&ann).as_deref(), Some("operator-ann"));
    let (shared, own) = (room(store, &ann).await?, room(store, &ben).await?);
    let (_, token) = invite(store, &shared, &ann, Role::Member, 1).await?;
    store.join_by_invite(&token, &ben, NOW).await?;
    let rooms = store.all_rooms().await?;
    let members = rooms.iter().find(|row| row.id == shared).map(|row| row.members);
    assert_eq!(members, Some(2));
    let before = store.bulletins(None).await?.last;
    assert!(matches!(
        store.remove_user(&ann, NOW).await,
        Err(StoreError::LastOwner)
    ));
    assert!(matches!(
        store.remove_user(&random::id(), NOW).await,
        Err(StoreError::Absent)
    ));
    assert_eq!(
        store.bulletins(Some(before)).await?.bulletins,
        [],
        "what failed is not told"
    );
    let signed_in = SignInId(random::token());
    let new = NewSignIn {
        id: signed_in.clone(),
        user_id: ben.clone(),
        device_id: store.enroll_device(&device(&ben, None)).await?,
        address: HERE,
        now: NOW,
        expires_at: NOW + 100,
    };
    store.create_sign_in(&new).await?;
    store.remove_user(&ben, NOW).await?;
    let told = store.bulletins(Some(before)).await?;
    assert_eq!(told.bulletins.len(), 3);
    for notice in [
        Bulletin::MemberGone(shared.clone(), ben.clone()),
        Bulletin::RoomGone(own.clone()),
        Bulletin::SignInEnded(signed_in.clone()),
    ] {
        assert!(told.bulletins.contains(&notice), "{notice:?}");
    }
    assert!(store.user(&ben).await?.is_none() && store.sign_in(&signed_in).await?.is_none());
    assert!(store.room_of(&own, &ben).await?.is_none());
    assert_eq!(store.members(&shared).await?.len(), 1);
    store.remove_room(&shared, NOW).await?;
    let next = store.bulletins(Some(told.last)).await?;
    assert_eq!(next.bulletins, [Bulletin::RoomGone(shared.clone())]);
    assert!(matches!(
        store.remove_room(&shared, NOW).await,
        Err(StoreError::Absent)
    ));
    assert_eq!(store.bulletins(None).await?.last, next.last);
    // The name is free again.
    store.create_user(&new_user("operator-ben")).await?;
    Ok(())
}
