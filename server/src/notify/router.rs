//! Who is told of what, and where. One task; what it decides goes into the outbox of the store.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use mesh_protocol::http::{NotificationEvent, Role};
use mesh_protocol::ids::RoomId;
use mesh_protocol::signal::{CallMissed, ServerMessage};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::calls::Calls;
use super::rules::{Case, told_at};
use super::text::sentence;
use super::{Audience, Happening, What};
use crate::bus::{Bus, BusEvent};
use crate::clock::Clock;
use crate::hub::Hub;
use crate::store::{Destination, NewNotice, Recipient, Store, StoreError};
use crate::ws::event::event;

/// Notices about the same fall together within this time, in milliseconds: a busy room rings once.
pub(super) const WINDOW_MS: u64 = 60_000;
/// What is routed at once: the members of a room are read once for all of it.
const BATCH: usize = 256;
/// How often calls that ring are looked at.
const TICK: Duration = Duration::from_secs(1);

/// What rang lately, so that a busy room writes nothing to the database. Only a shortcut: the store decides. Bound: 20,000,
/// then those that are over go, and else all.
#[derive(Default)]
pub(super) struct Rung(HashMap<String, u64>);

impl Rung {
    const MOST: usize = 20_000;

    fn lately(&self, key: &str, now: u64) -> bool {
        self.0.get(key).is_some_and(|until| *until > now)
    }

    fn ring(&mut self, key: String, now: u64) {
        if self.0.len() >= Self::MOST {
            self.0.retain(|_, until| *until > now);
        }
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        self.0.insert(key, now + WINDOW_MS);
    }
}

pub(super) struct Router {
    pub(super) store: Arc<dyn Store>,
    pub(super) hub: Arc<Hub>,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) clock: Arc<dyn Clock>,
    /// Held for a look.
    pub(super) calls: Arc<Mutex<Calls>>,
    /// Wakes the outbox.
    pub(super) wake: Arc<Notify>,
    pub(super) server_default: bool,
    pub(super) rung: Rung,
}

impl Router {
    /// Until everyone who tells something is gone, and what they told is routed. Nobody answers then what still rings.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Happening>) {
        let mut ticks = tokio::time::interval(TICK);
        let mut batch = Vec::new();
        let mut over = false;
        while !over {
            let missed = tokio::select! {
                came = waiting.recv_many(&mut batch, BATCH) => {
                    over = came == 0;
                    if over { self.calls.lock().all() } else { Vec::new() }
                }
                _ = ticks.tick() => {
                    // Also where it went on at another node.
                    let there = |room: &RoomId, peer: &_| self.hub.room(room).is_some_and(|room| room.find(peer).is_some());
                    self.calls.lock().missed(self.clock.now_ms(), there)
                }
            };
            batch.extend(missed.into_iter().map(Happening::from));
            let mut rooms: HashMap<RoomId, Vec<Happening>> = HashMap::new();
            for happening in batch.drain(..) {
                rooms
                    .entry(happening.room_id.clone())
                    .or_default()
                    .push(happening);
            }
            for (room, happenings) in rooms {
                if let Err(error) = self.route(&room, happenings).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "notifications of a room were not queued");
                }
            }
        }
    }

    async fn route(&mut self, room: &RoomId, happenings: Vec<Happening>) -> Result<(), StoreError> {
        for happening in &happenings {
            self.show_missed(happening);
        }
        let now = self.clock.now_ms();
        let Some((name, recipients)) = self.store.audience(room, now).await? else {
            return Ok(());
        };
        let watchers = self
            .hub
            .room(room)
            .map(|live| live.watchers())
            .unwrap_or_default();
        let mut notices = Vec::new();
        let mut keys = HashSet::new();
        for happening in &happenings {
            for recipient in &recipients {
                let looking = watchers.contains(&recipient.user_id);
                for notice in self.notices(happening, &name, recipient, looking, now) {
                    let known = self.rung.lately(&notice.dedup_key, now);
                    if !known && keys.insert(notice.dedup_key.clone()) {
                        notices.push(notice);
                    }
                }
            }
        }
        if notices.is_empty() {
            return Ok(());
        }
        self.store.queue_notices(&notices, WINDOW_MS, now).await?;
        for key in keys {
            self.rung.ring(key, now);
        }
        self.wake.notify_one();
        Ok(())
    }

    /// One for each place of the recipient, where the happening concerns them and they want to hear of it.
    fn notices(
        &self,
        what: &Happening,
        room_name: &str,
        to: &Recipient,
        looking: bool,
        now: u64,
    ) -> Vec<NewNotice> {
        let concerned = match &what.to {
            Audience::Members => true,
            Audience::Moderators => to.role >= Role::Moderator,
            Audience::User(user) => to.user_id == *user,
        };
        if !concerned || to.user_id == what.author {
            return Vec::new();
        }
        let mentioned = what.mentions.contains(&to.user_id);
        let told = told_at(&Case {
            choices: &to.choices,
            event: what.what.event(),
            room: &what.room_id,
            mentioned,
            looking,
            now,
        });
        let Some(at) = told else {
            return Vec::new();
        };
        let language = to.choices.language;
        let message = sentence(&what.what, mentioned, &what.author_name, room_name, language);
        let notice = |destination: Destination| NewNotice {
            dedup_key: dedup_key(what, to, &destination),
            user_id: to.user_id.clone(),
            destination,
            event: what.what.event(),
            room_id: what.room_id.clone(),
            title: room_name.to_owned(),
            message: message.clone(),
            at,
        };
        self.destinations(to).into_iter().map(notice).collect()
    }

    fn destinations(&self, to: &Recipient) -> Vec<Destination> {
        let mut all: Vec<_> = to.browsers.iter().cloned().map(Destination::Browser).collect();
        if to.gotify {
            all.push(Destination::Gotify);
        }
        if to.ntfy {
            all.push(Destination::Ntfy);
        }
        if all.is_empty() && self.server_default {
            all.push(Destination::Server);
        }
        all
    }

    /// Whoever was called and is connected learns at once that they missed it.
    fn show_missed(&self, happening: &Happening) {
        let What::CallMissed(session) = &happening.what else {
            return;
        };
        let message = ServerMessage::CallMissed(CallMissed {
            room_id: happening.room_id.clone(),
            session_id: session.clone(),
            user_id: happening.author.clone(),
            name: happening.author_name.clone(),
        });
        let to_user = match &happening.to {
            Audience::User(user) => Some(user.clone()),
            Audience::Members | Audience::Moderators => None,
        };
        let room_id = happening.room_id.clone();
        let to = to_user.as_ref().map_or(room_id.as_str(), |user| user.as_str());
        let frame = event(&*self.clock, to, message);
        self.bus.publish(match to_user {
            Some(user_id) => BusEvent::User { user_id, frame },
            None => BusEvent::Room { room_id, frame },
        });
    }
}

/// What falls together: messages of a room, whoever wrote them; anything else by its author. The Gotify of the server is
/// one place, whoever is told there.
fn dedup_key(what: &Happening, to: &Recipient, destination: &Destination) -> String {
    let event = what.what.event();
    let of_user = match destination {
        Destination::Server => "",
        _ => to.user_id.as_str(),
    };
    let by = match event {
        NotificationEvent::ChatMessageCreated => "",
        _ => what.author.as_str(),
    };
    let kind = match what.what {
        What::Asks(access) => format!("{access:?}"),
        _ => String::new(),
    };
    let (room, event) = (&what.room_id, event.as_str());
    format!("{of_user} {destination} {room} {event} {by} {kind}")
}
