//! The part of the contract on passwords, guests and accounts at OpenID providers.

#[path = "notifications.rs"]
pub mod notifications;

use anyhow::Result;
use mesh_protocol::http::Role;
use mesh_server::auth::random;
use mesh_server::store::{Entry, Identity, NewInvite, NewSignIn, NewUser, SignInId, Store, StoreError};

use super::{HERE, NOW, device, invite, new_user, room, user};

pub async fn another_name_is_the_only_one(store: &dyn Store) -> Result<()> {
    let (alice, _) = (user(store, "renames").await?, user(store, "stays").await?);
    let key_of = async |key: &str| -> Result<_> { Ok(store.user_by_name(key).await?.map(|user| user.id)) };
    assert!(matches!(
        store.rename_user(&alice, "STAYS", "stays").await,
        Err(StoreError::NameTaken)
    ));
    assert_eq!(key_of("renames").await?, Some(alice.clone()));
    // The same name in another spelling is no other account's.
    store.rename_user(&alice, "RENAMES", "renames").await?;
    store.rename_user(&alice, "Nora", "nora").await?;
    assert_eq!(key_of("renames").await?, None);
    assert_eq!(key_of("nora").await?, Some(alice.clone()));
    assert_eq!(
        store.user(&alice).await?.map(|user| user.name).as_deref(),
        Some("Nora")
    );
    assert!(matches!(
        store.rename_user(&random::id(), "Nemo", "nemo").await,
        Err(StoreError::Absent)
    ));
    Ok(())
}

pub async fn a_changed_password_ends_what_the_old_one_opened(store: &dyn Store) -> Result<()> {
    let (alice, bob) = (user(store, "pa").await?, user(store, "pb").await?);
    let mut sign_ins = Vec::new();
    for who in [&alice, &alice, &alice, &bob] {
        let new = NewSignIn {
            id: SignInId(random::token()),
            user_id: who.clone(),
            device_id: store.enroll_device(&device(who, None)).await?,
            address: HERE,
            now: NOW,
            expires_at: NOW + 100,
        };
        store.create_sign_in(&new).await?;
        sign_ins.push(new.id);
    }
    let (link, others) = (random::hash("link of pa"), random::hash("link of pb"));
    store.create_link(&link, &alice, NOW + 100, NOW).await?;
    store.create_link(&others, &bob, NOW + 100, NOW).await?;
    let mut ended = store
        .change_password(&alice, Some("new"), Some(&sign_ins[0]), NOW + 1)
        .await?;
    ended.sort_by(|a, b| a.0.cmp(&b.0));
    let mut expected = sign_ins[1..3].to_vec();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(ended, expected);
    assert_eq!(store.sign_ins(&alice, NOW + 2).await?.len(), 1);
    assert!(matches!(
        store.take_link(&link, NOW + 2).await,
        Err(StoreError::LinkInvalid)
    ));
    assert_eq!(store.take_link(&others, NOW + 2).await?, bob);
    let hash = async || -> Result<_> { Ok(store.user(&alice).await?.and_then(|user| user.password_hash)) };
    assert_eq!(hash().await?.as_deref(), Some("new"));
    assert_eq!(
        store.change_password(&alice, None, None, NOW + 3).await?,
        [sign_ins[0].clone()]
    );
    assert_eq!(hash().await?, None);
    assert_eq!(store.sign_ins(&bob, NOW + 3).await?.len(), 1);
    let nobody = random::id();
    assert!(matches!(
        store.change_password(&nobody, None, None, NOW).await,
        Err(StoreError::Absent)
    ));
    Ok(())
}

pub async fn guests_come_and_go(store: &dyn Store) -> Result<()> {
    let owner = user(store, "ga").await?;
    let home = room(store, &owner).await?;
    let (_, open) = invite(store, &home, &owner, Role::Guest, 4).await?;
    let (_, closed) = invite(store, &home, &owner, Role::Member, 4).await?;
    let guest = |now| NewUser {
        now,
        password_hash: None,
        ..new_user(&random::token())
    };
    let (ann, ben, eve) = (guest(NOW), guest(NOW), guest(NOW));
    assert!(matches!(
        store.admit_guest(&closed, &ann).await,
        Err(StoreError::InviteInvalid)
    ));
    assert_eq!(
        store.invites(&home, NOW).await?[1].uses,
        0,
        "what failed counts nothing"
    );
    for one in [&ann, &ben, &eve] {
        assert_eq!(*store.admit_guest(&open, one).await?.room_id(), home);
        let known = store.user(&one.id).await?.expect("it exists");
        assert!(known.guest && known.password_hash.is_none());
        let sign_in = NewSignIn {
            id: SignInId(one.id.to_string()),
            user_id: one.id.clone(),
            device_id: store.enroll_device(&device(&one.id, None)).await?,
            address: HERE,
            now: NOW,
            expires_at: NOW + 500_000,
        };
        store.create_sign_in(&sign_in).await?;
        assert!(store.sign_in(&sign_in.id).await?.is_some_and(|s| s.guest));
    }
    assert_eq!(
        store.room_of(&home, &ann.id).await?.map(|room| room.role),
        Some(Role::Guest)
    );
    let of = |one: &NewUser| SignInId(one.id.to_string());
    assert_eq!(store.remove_member(&home, &ann.id, NOW + 1).await?, [of(&ann)]);
    assert!(
        store.peek_invite(&open, NOW + 1).await?.guest,
        "who leaves closes nothing"
    );
    assert!(matches!(
        store.remove_member(&home, &ann.id, NOW + 1).await,
        Err(StoreError::Absent)
    ));
    assert_eq!(store.expel_member(&home, &ben.id, NOW + 2).await?, [of(&ben)]);
    assert!(matches!(
        store.admit_guest(&open, &guest(NOW + 2)).await,
        Err(StoreError::InviteInvalid)
    ));
    // Whose session has run out has no way back: the place is cleared when the next one comes.
    let (earlier, _) = invite(store, &home, &owner, Role::Guest, 4).await?;
    let again = random::hash("again");
    let lasting = NewInvite {
        id: random::id(),
        token_hash: again,
        expires_at: NOW + 900_000,
        ..earlier
    };
    store.create_invite(&lasting).await?;
    store.admit_guest(&again, &guest(NOW + 499_999)).await?;
    assert_eq!(
        store.members(&home).await?.len(),
        3,
        "the owner, who is still here, who has just come"
    );
    store.admit_guest(&again, &guest(NOW + 500_000)).await?;
    assert_eq!(store.members(&home).await?.len(), 3);
    assert!(store.room_of(&home, &eve.id).await?.is_none());
    let (_, last) = invite(store, &home, &owner, Role::Guest, 1).await?;
    let zoe = guest(NOW);
    store.admit_guest(&last, &zoe).await?;
    let sign_in = NewSignIn {
        id: of(&zoe),
        user_id: zoe.id.clone(),
        device_id: store.enroll_device(&device(&zoe.id, None)).await?,
        address: HERE,
        now: NOW,
        expires_at: NOW + 100,
    };
    store.create_sign_in(&sign_in).await?;
    assert_eq!(store.delete_room(&home, NOW + 3).await?, [of(&zoe)]);
    Ok(())
}

fn identity(issuer: &str, subject: &str) -> Identity {
    Identity {
        issuer: issuer.into(),
        subject: subject.into(),
    }
}

pub async fn a_provider_s_account_is_one_account(store: &dyn Store) -> Result<()> {
    let (ann, elsewhere) = (identity("https://id", "1"), identity("https://other", "1"));
    assert!(store.user_by_identity(&ann).await?.is_none());
    let new = new_user("oidc-ia");
    assert_eq!(store.register_identity(&ann, &new, None).await?, None);
    let found = store.user_by_identity(&ann).await?;
    assert_eq!(found.map(|user| user.id), Some(new.id.clone()));
    assert!(store.user_by_identity(&elsewhere).await?.is_none());
    assert!(
        store.is_linked(&new.id, "https://id").await? && !store.is_linked(&new.id, "https://other").await?
    );

    // All or nothing.
    let again = store.register_identity(&ann, &new_user("oidc-ib"), None).await;
    assert!(matches!(again, Err(StoreError::IdentityTaken)));
    assert!(store.user_by_name("oidc-ib").await?.is_none());
    let same_name = store
        .register_identity(&elsewhere, &new_user("oidc-ia"), None)
        .await;
    assert!(matches!(same_name, Err(StoreError::NameTaken)));
    assert!(store.user_by_identity(&elsewhere).await?.is_none());

    let owner = user(store, "oidc-io").await?;
    let home = room(store, &owner).await?;
    let (_, token) = invite(store, &home, &owner, Role::Member, 1).await?;
    let taken = store
        .register_identity(&ann, &new_user("oidc-ic"), Some(&token))
        .await;
    assert!(matches!(taken, Err(StoreError::IdentityTaken)));
    let guest = new_user("oidc-id");
    let entry = store.register_identity(&elsewhere, &guest, Some(&token)).await?;
    assert!(
        matches!(entry, Some(Entry::Entered(room, _)) if room == home),
        "the first try used nothing up"
    );
    let used = store
        .register_identity(&identity("x", "y"), &new_user("oidc-ie"), Some(&token))
        .await;
    assert!(matches!(used, Err(StoreError::InviteInvalid)));

    let bob = identity("https://id", "2");
    store.link_identity(&bob, &owner, NOW).await?;
    store.link_identity(&bob, &owner, NOW).await?;
    for (wrong, who) in [
        (&bob, &new.id),
        (&identity("https://id", "3"), &owner),
        (&ann, &owner),
    ] {
        let linked = store.link_identity(wrong, who, NOW).await;
        assert!(matches!(linked, Err(StoreError::IdentityTaken)));
    }
    store.unlink_identity(&owner, "https://id").await?;
    assert!(store.user_by_identity(&bob).await?.is_none());
    let gone = store.unlink_identity(&owner, "https://id").await;
    assert!(matches!(gone, Err(StoreError::Absent)));
    let nobody = store.link_identity(&bob, &random::id(), NOW).await;
    assert!(nobody.is_err());
    Ok(())
}
