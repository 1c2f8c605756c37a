//! The Secret Service of a Linux desktop (GNOME Keyring, KWallet, KeePassXC), over the session's bus.
//!
//! By zbus itself and not by `keyring`, whose calls unlock a store that is locked by asking the person, and wait for that: on a
//! machine without a screen, for ever. Here a locked store is no store, a prompt is a failure, and everything is bounded.
//! Secrets cross the bus in the clear (`plain`): whoever can read a session's bus can read its store.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use zbus::Connection;
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Type, Value};

use super::{Item, SecretStore, StoreError};
use crate::config::Secret;
use crate::session_bus;

/// How long one act may take, whatever it consists of.
const WITHIN: Duration = Duration::from_secs(5);
/// "No object": nothing to prompt for, no such collection.
const NONE: &str = "/";
const SCHEMA: &str = "org.mesh.Agent";

/// A secret as it crosses the bus.
#[derive(Debug, Serialize, Deserialize, Type)]
struct Envelope {
    session: OwnedObjectPath,
    parameters: Vec<u8>,
    value: Vec<u8>,
    content_type: String,
}

type Attributes<'a> = HashMap<&'a str, &'a str>;

#[zbus::proxy(
    interface = "org.freedesktop.Secret.Service",
    default_service = "org.freedesktop.secrets",
    default_path = "/org/freedesktop/secrets"
)]
trait Service {
    fn open_session(&self, algorithm: &str, input: &Value<'_>)
    -> zbus::Result<(OwnedValue, OwnedObjectPath)>;
    fn read_alias(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
}

#[zbus::proxy(
    interface = "org.freedesktop.Secret.Collection",
    default_service = "org.freedesktop.secrets"
)]
trait Collection {
    fn search_items(&self, attributes: &Attributes<'_>) -> zbus::Result<Vec<OwnedObjectPath>>;
    fn create_item(
        &self,
        properties: HashMap<&str, Value<'_>>,
        secret: &Envelope,
        replace: bool,
    ) -> zbus::Result<(OwnedObjectPath, OwnedObjectPath)>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn locked(&self) -> zbus::Result<bool>;
}

#[zbus::proxy(
    interface = "org.freedesktop.Secret.Item",
    default_service = "org.freedesktop.secrets"
)]
trait StoredItem {
    fn get_secret(&self, session: &ObjectPath<'_>) -> zbus::Result<Envelope>;
    fn delete(&self) -> zbus::Result<OwnedObjectPath>;
}

struct SecretService {
    bus: Connection,
    collection: OwnedObjectPath,
    session: OwnedObjectPath,
    /// Tells agents of one person apart.
    state: String,
}

/// The default collection, if it is open.
pub(super) async fn open(state: &Path) -> Result<Box<dyn SecretStore>, StoreError> {
    let bus = session_bus::connect().await;
    let bus = bus.ok_or_else(|| StoreError("this session has no bus".to_owned()))?;
    let state = state.display().to_string();
    let opened = within(async {
        let service = ServiceProxy::new(&bus).await?;
        let collection = service.read_alias("default").await?;
        if collection.as_str() == NONE {
            return Ok(None);
        }
        let session = service.open_session("plain", &Value::from("")).await?.1;
        Ok(Some((collection, session)))
    });
    let (collection, session) = opened
        .await?
        .ok_or_else(|| StoreError("it has no default collection".to_owned()))?;
    let store = SecretService {
        bus,
        collection,
        session,
        state,
    };
    store.must_be_open().await?;
    Ok(Box::new(store))
}

async fn within<T>(work: impl Future<Output = zbus::Result<T>>) -> Result<T, StoreError> {
    match timeout(WITHIN, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(zbus::Error::MethodError(name, _, _))) if name.ends_with(".ServiceUnknown") => {
            Err(StoreError("this session has none".to_owned()))
        }
        Ok(Err(error)) => Err(StoreError(error.to_string())),
        Err(_) => Err(StoreError("it does not answer".to_owned())),
    }
}

fn prompted(prompt: &OwnedObjectPath) -> Result<(), StoreError> {
    if prompt.as_str() == NONE {
        Ok(())
    } else {
        Err(StoreError("it wants to ask you first".to_owned()))
    }
}

impl SecretService {
    async fn collection(&self) -> zbus::Result<CollectionProxy<'_>> {
        CollectionProxy::builder(&self.bus)
            .path(&self.collection)?
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await
    }

    /// A locked one gives and takes nothing without asking the person.
    async fn must_be_open(&self) -> Result<(), StoreError> {
        let locked = within(async { self.collection().await?.locked().await }).await?;
        if locked {
            return Err(StoreError("it is locked".to_owned()));
        }
        Ok(())
    }

    fn attributes(&self, item: Item) -> Attributes<'_> {
        HashMap::from([
            ("xdg:schema", SCHEMA),
            ("item", item.as_str()),
            ("folder", self.state.as_str()),
        ])
    }

    async fn find(&self, item: Item) -> Result<Option<OwnedObjectPath>, StoreError> {
        self.must_be_open().await?;
        let attributes = self.attributes(item);
        let found = within(async { self.collection().await?.search_items(&attributes).await }).await?;
        Ok(found.into_iter().next())
    }
}

impl SecretStore for SecretService {
    fn name(&self) -> &'static str {
        "the secret store of your session"
    }

    fn get(&self, item: Item) -> BoxFuture<'_, Result<Option<Secret>, StoreError>> {
        Box::pin(async move {
            let Some(path) = self.find(item).await? else {
                return Ok(None);
            };
            let envelope = within(async {
                let item = StoredItemProxy::builder(&self.bus).path(path)?.build().await?;
                item.get_secret(&self.session).await
            });
            let text = String::from_utf8(envelope.await?.value);
            // The error would name the bytes.
            let text = text.map_err(|_| StoreError("what it gives is no text".to_owned()))?;
            Ok(Some(Secret::new(text)))
        })
    }

    fn set<'a>(&'a self, item: Item, secret: &'a Secret) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.must_be_open().await?;
            let attributes = self.attributes(item);
            let properties = HashMap::from([
                ("org.freedesktop.Secret.Item.Label", Value::from(item.label())),
                ("org.freedesktop.Secret.Item.Attributes", Value::from(attributes)),
            ]);
            let envelope = Envelope {
                session: self.session.clone(),
                parameters: Vec::new(),
                value: secret.expose().as_bytes().to_vec(),
                content_type: "text/plain".to_owned(),
            };
            let made = within(async {
                let collection = self.collection().await?;
                collection.create_item(properties, &envelope, true).await
            });
            prompted(&made.await?.1)
        })
    }

    fn delete(&self, item: Item) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let Some(path) = self.find(item).await? else {
                return Ok(());
            };
            let deleted = within(async {
                let item = StoredItemProxy::builder(&self.bus).path(path)?.build().await?;
                item.delete().await
            });
            prompted(&deleted.await?)
        })
    }
}
