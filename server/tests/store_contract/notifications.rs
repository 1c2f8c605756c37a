//! The part of the contract on notifications: choices, places, and the outbox.

use anyhow::Result;
use mesh_protocol::http::{Language, NotificationEvent, RoomNotices};
use mesh_protocol::ids::{RoomId, UserId};
use mesh_server::auth::random;
use mesh_server::config::Secret;
use mesh_server::store::{
    Browser, Choices, Destination, GotifyPlace, MOST_WAITING, NewNotice, NewSignIn, NotificationProfile,
    NtfyPlace, SignInId, Store,
};

use super::{HERE, NOW, device, room, user};

pub async fn notifications(store: &dyn Store) -> Result<()> {
    profiles(store).await?;
    browsers(store).await?;
    equal_notices_fall_together(store).await?;
    a_place_that_fails_is_tried_alone(store).await?;
    what_waits_is_bounded(store).await
}

async fn profiles(store: &dyn Store) -> Result<()> {
    let alice = user(store, "na").await?;
    let own = room(store, &alice).await?;
    assert_eq!(
        store.notification_profile(&alice).await?,
        NotificationProfile::default()
    );
    let mut profile = NotificationProfile {
        choices: Choices {
            muted: true,
            language: Language::Fr,
            rooms: [(own.clone(), RoomNotices::Mentions)].into(),
            ..Choices::default()
        },
        gotify: Some(GotifyPlace {
            url: None,
            token: Secret::new("g"),
        }),
        ntfy: Some(NtfyPlace {
            url: "https://ntfy.example.com".into(),
            topic: "t".into(),
            token: None,
        }),
    };
    store.put_notification_profile(&alice, &profile).await?;
    assert_eq!(store.notification_profile(&alice).await?, profile);
    let (name, audience) = store.audience(&own, NOW).await?.unwrap_or_default();
    assert_eq!((name.as_str(), audience.len()), ("Room", 1));
    assert!(audience[0].gotify && audience[0].ntfy && audience[0].choices == profile.choices);
    profile.gotify = None;
    store.put_notification_profile(&alice, &profile).await?;
    assert_eq!(store.notification_profile(&alice).await?, profile);
    let nowhere: RoomId = random::id();
    assert_eq!(store.audience(&nowhere, NOW).await?, None);
    Ok(())
}

async fn browsers(store: &dyn Store) -> Result<()> {
    let alice = user(store, "nb").await?;
    let own = room(store, &alice).await?;
    let device_id = store.enroll_device(&device(&alice, None)).await?;
    let browser = |endpoint: &str| Browser {
        device_id: device_id.clone(),
        name: String::new(),
        endpoint: Secret::new(endpoint),
        p256dh: vec![4; 65],
        auth: vec![7; 16],
    };
    let endpoints = async |now| -> Result<Vec<String>> {
        let all = store.browsers(&alice, now).await?;
        Ok(all.iter().map(|b| b.endpoint.expose().to_owned()).collect())
    };
    store.put_browser(&alice, &browser("one")).await?;
    assert_eq!(endpoints(NOW).await?, [""; 0], "it is not signed in");
    let sign_in = NewSignIn {
        id: SignInId(random::token()),
        user_id: alice.clone(),
        device_id: device_id.clone(),
        address: HERE,
        now: NOW,
        expires_at: NOW + 100,
    };
    store.create_sign_in(&sign_in).await?;
    store.put_browser(&alice, &browser("two")).await?;
    assert_eq!(endpoints(NOW).await?, ["two"]);
    assert_eq!(endpoints(NOW + 100).await?, [""; 0], "the session is over");
    let audience = store.audience(&own, NOW).await?.unwrap_or_default().1;
    assert_eq!(audience[0].browsers, std::slice::from_ref(&device_id));
    store
        .remove_browser(&user(store, "nc").await?, &device_id)
        .await?;
    assert_eq!(endpoints(NOW).await?, ["two"], "nobody removes another's");
    store.remove_browser(&alice, &device_id).await?;
    assert_eq!(endpoints(NOW).await?, [""; 0]);
    store.put_browser(&alice, &browser("three")).await?;
    store.remove_device(&alice, &device_id, NOW).await?;
    assert_eq!(endpoints(NOW).await?, [""; 0]);
    Ok(())
}

fn notice(user: &UserId, room: &RoomId, key: &str, at: u64) -> NewNotice {
    NewNotice {
        dedup_key: format!("{user} {key}"),
        user_id: user.clone(),
        destination: Destination::Gotify,
        event: NotificationEvent::CallMissed,
        room_id: room.clone(),
        title: "Room".into(),
        message: key.into(),
        at,
    }
}

async fn equal_notices_fall_together(store: &dyn Store) -> Result<()> {
    const WINDOW: u64 = 1_000;
    let alice = user(store, "nd").await?;
    let own = room(store, &alice).await?;
    let queue = async |now| {
        store
            .queue_notices(&[notice(&alice, &own, "k", now)], WINDOW, now)
            .await
    };
    assert_eq!(queue(NOW).await?, 1);
    assert_eq!(queue(NOW + 5_000).await?, 0, "it still waits");
    let taken = store.take_notices(8, NOW + 60, NOW).await?;
    assert_eq!(
        (taken.len(), taken[0].attempts, taken[0].message.as_str()),
        (1, 1, "k")
    );
    assert_eq!(store.take_notices(8, NOW, NOW + 59).await?, []);
    store.notice_done(taken[0].id, NOW + 10).await?;
    assert_eq!(queue(NOW + WINDOW - 1).await?, 0, "it rang a moment ago");
    assert_eq!(store.forget_notices(NOW).await?, 0);
    assert_eq!(queue(NOW + WINDOW).await?, 1);
    let taken = store.take_notices(8, NOW + 9_000, NOW + WINDOW).await?;
    assert_eq!((taken.len(), taken[0].attempts), (1, 1));
    store.notice_done(taken[0].id, NOW + WINDOW).await?;
    assert_eq!(store.forget_notices(NOW + WINDOW + 1).await?, 1);
    let gone: UserId = random::id();
    assert_eq!(
        store
            .queue_notices(&[notice(&gone, &own, "k", NOW)], 0, NOW)
            .await?,
        0
    );
    Ok(())
}

async fn a_place_that_fails_is_tried_alone(store: &dyn Store) -> Result<()> {
    let (alice, bob) = (user(store, "ne").await?, user(store, "nf").await?);
    let own = room(store, &alice).await?;
    let mut later = notice(&alice, &own, "later", NOW + 500);
    later.destination = Destination::Ntfy;
    let all = [
        notice(&alice, &own, "1", NOW),
        notice(&alice, &own, "2", NOW),
        notice(&bob, &own, "3", NOW),
        later,
    ];
    assert_eq!(store.queue_notices(&all, 0, NOW).await?, 4);
    let take = async |now: u64| -> Result<Vec<(i64, String)>> {
        let mut taken = store.take_notices(8, now + 100, now).await?;
        taken.sort_by_key(|one| one.id);
        Ok(taken.into_iter().map(|one| (one.id, one.message)).collect())
    };
    let messages = |taken: &[(i64, String)]| taken.iter().map(|(_, m)| m.clone()).collect::<Vec<_>>();
    let first = take(NOW).await?;
    assert_eq!(messages(&first), ["1", "3"], "one of each place");
    store.postpone_notice(first[0].0, NOW + 300).await?;
    store.notice_done(first[1].0, NOW).await?;
    assert_eq!(
        messages(&take(NOW + 299).await?),
        [""; 0],
        "the second waits behind the first"
    );
    let again = take(NOW + 300).await?;
    assert_eq!(messages(&again), ["1"]);
    store.notice_done(again[0].0, NOW + 300).await?;
    let rest = take(NOW + 301).await?;
    assert_eq!(messages(&rest), ["2"]);
    assert_eq!(
        messages(&take(NOW + 500).await?),
        ["2", "later"],
        "a lease that ran out, and one that is due"
    );
    Ok(())
}

async fn what_waits_is_bounded(store: &dyn Store) -> Result<()> {
    let alice = user(store, "ng").await?;
    let own = room(store, &alice).await?;
    let many: Vec<_> = (0..MOST_WAITING + 5)
        .map(|n| notice(&alice, &own, &n.to_string(), NOW + 1_000_000))
        .collect();
    let most = usize::try_from(MOST_WAITING)?;
    assert_eq!(store.queue_notices(&many, 0, NOW).await?, most);
    assert_eq!(store.waiting_notices(&alice).await?, most as u64);
    store.delete_room(&own, NOW).await?;
    assert_eq!(store.waiting_notices(&alice).await?, 0);
    assert_eq!(
        store
            .take_notices(8, NOW, NOW + 2_000_000)
            .await?
            .iter()
            .filter(|n| n.user_id == alice)
            .count(),
        0
    );
    Ok(())
}
