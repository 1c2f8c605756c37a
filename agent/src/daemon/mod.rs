//! The daemon: it holds shells, answers requests to this device, and obeys commands of its owner.
//!
//! Owns [`Daemon`]: one connection to the server, one socket for commands, one loop. Everything that may wait (consent,
//! sessions, shells) is a task of its own, counted by [`Core`] and ended by one token. Enter at [`Daemon::start`].
//!
//! **Invariant**: nothing is shared or received without consent given in advance, by starting a share, or at the
//! [`consent::Desk`].

pub mod consent;
mod deciding;
mod desktop;
mod files;
mod folders;
pub mod ipc;
mod lease_clock;
mod recorder;
pub mod roster;
pub mod rules;
mod serve;
mod share;
mod shares;
mod steering;
mod terminals;
mod viewer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mesh_peer::session::SessionContext;
use mesh_peer::signal::ControlPlane;
use mesh_protocol::capability::Feature;
use mesh_protocol::http::Room;
use mesh_protocol::ids::RoomId;
use mesh_protocol::signal::{ClientMessage, ServerMessage, SetPresence, Status as PresenceStatus};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::consent::Desk;
use self::folders::Folders;
use self::ipc::TransferStatus;
use self::shares::Shares;
use crate::config::{Paths, Settings, StoredSession};
use crate::exit::{Failure, Outcome};
use crate::notice::{self, Notices, What};
use crate::online::{Incoming, Online};
use crate::transfer::again::CutOffers;

/// Requests and sessions at once; the next is declined as busy.
const MAX_SESSIONS: usize = 64;
/// Commands connected at once; the next waits.
const MAX_COMMANDS: usize = 32;
/// How often the list of rooms is read anew: someone may have let this person into another.
const ROOMS_EVERY: Duration = Duration::from_secs(60);
/// How long tasks have to end once everything is to stop.
const STOP_WITHIN: Duration = Duration::from_millis(1500);
/// How long a share has to say goodbye.
const SHARE_STOP_WITHIN: Duration = Duration::from_millis(300);

/// How the daemon is to behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether someone is at the terminal of the daemon itself and can be asked.
    pub asks: bool,
    pub policy: consent::Policy,
    /// Where received files go.
    pub downloads: PathBuf,
}

/// Tells the owner what happens, where someone looks.
pub type Notify = Arc<dyn Fn(String) + Send + Sync>;

/// What all tasks of the daemon share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Core {
    context: SessionContext,
    desk: Desk,
    shares: Shares,
    folders: Folders,
    session: Arc<StoredSession>,
    settings: Arc<Settings>,
    options: Arc<Options>,
    /// Held for copies only.
    rooms: Arc<Mutex<Vec<Room>>>,
    transfers: Arc<Mutex<BTreeMap<u64, TransferStatus>>>,
    /// Held for a look only.
    cut: Arc<Mutex<CutOffers>>,
    places: Arc<Semaphore>,
    live: Arc<AtomicUsize>,
    numbers: Arc<AtomicU64>,
    tasks: TaskTracker,
    stop: CancellationToken,
    connected: Arc<std::sync::atomic::AtomicBool>,
    notify: Notify,
    notices: Notices,
    /// Ways to ask the owner beside a terminal: a desktop that shows buttons.
    askers: Arc<AtomicUsize>,
}

/// A daemon that is ready to run.
pub struct Daemon {
    core: Core,
    online: Online,
    listener: ipc::Listener,
    socket: PathBuf,
    /// Released with the process: its being held means that a daemon runs.
    _lock: std::fs::File,
}

impl Daemon {
    /// Makes sure that it is the only one, that the server knows this device, and that commands can reach it.
    pub async fn start(
        paths: &Paths,
        settings: &Settings,
        options: Options,
        (control, session): (ControlPlane, StoredSession),
        stop: CancellationToken,
        notify: Notify,
    ) -> Outcome<Self> {
        paths.create()?;
        let lock = lock(paths)?;
        let rooms = crate::cli::rooms_of(&control).await?;
        let rules = rules::Rules::load(paths.consent_file())?;
        let (listener, socket) = listen(paths)?;
        let tasks = TaskTracker::new();
        let mut notices = Notices::new(&session.device_name, &session.server);
        if let Some(place) = settings.gotify()? {
            let events = settings.gotify_events.clone();
            notices.add(events, notice::Gotify::new(&place)?, &tasks, stop.clone());
        }
        let desktop = desktop::start(settings, &mut notices, &tasks, stop.clone()).await;
        let online = Online::start(control, settings);
        let told = notices.clone();
        let core = Core {
            context: online.context.clone(),
            desk: Desk::new(options.policy.clone(), rules).with_bell(move |question| {
                told.tell(&What::Asks {
                    capability: question.capability,
                    who: question.who.clone(),
                    room: question.room.clone(),
                });
            }),
            shares: Shares::default(),
            folders: Folders::default(),
            session: Arc::new(session),
            settings: Arc::new(settings.clone()),
            options: Arc::new(options),
            rooms: Arc::new(Mutex::new(rooms)),
            transfers: Arc::default(),
            cut: Arc::default(),
            places: Arc::new(Semaphore::new(MAX_SESSIONS)),
            live: Arc::default(),
            numbers: Arc::default(),
            tasks,
            stop,
            connected: Arc::default(),
            notify,
            notices,
            askers: Arc::default(),
        };
        if let Some(desktop) = desktop {
            core.tasks.spawn(desktop.run(core.clone()));
        }
        Ok(Self {
            core,
            online,
            listener,
            socket,
            _lock: lock,
        })
    }

    /// Where consent is asked for.
    pub fn desk(&self) -> Desk {
        self.core.desk.clone()
    }

    /// Runs until it is stopped, or signed out. `ready` is called once the rooms are entered.
    pub async fn run(mut self, ready: impl FnOnce()) -> Outcome {
        let mut ready = Some(ready);
        let commands = Arc::new(Semaphore::new(MAX_COMMANDS));
        // One list at a time is on its way.
        let (rooms_found, mut new_rooms) = mpsc::channel::<Vec<Room>>(1);
        let mut rooms_due = tokio::time::interval(ROOMS_EVERY);
        let outcome = loop {
            tokio::select! {
                () = self.core.stop.cancelled() => break Ok(()),
                incoming = self.online.next() => {
                    match incoming {
                        Incoming::Ended(reason) => {
                            self.core.notices.tell(&What::SignedOut);
                            break Err(crate::online::ended(&reason, &self.core.session.server));
                        }
                        incoming => self.incoming(incoming).await,
                    }
                    let rooms = self.core.room_ids();
                    if self.online.is_connected() && rooms.iter().all(|room| self.online.roster.rooms.contains_key(room))
                        && let Some(ready) = ready.take()
                    {
                        tracing::info!(version = env!("CARGO_PKG_VERSION"), server = self.core.session.server, "the daemon is up");
                        ready();
                    }
                }
                accepted = accept(&mut self.listener, &commands) => if let Some((stream, place)) = accepted {
                    let core = self.core.clone();
                    self.core.tasks.spawn(async move {
                        serve::serve(core, stream).await;
                        drop(place);
                    });
                },
                _ = rooms_due.tick() => self.core.look_for_rooms(rooms_found.clone()),
                Some(rooms) = new_rooms.recv() => self.enter(rooms).await,
            }
        };
        self.shut_down().await;
        outcome
    }

    async fn incoming(&mut self, incoming: Incoming) {
        self.core
            .connected
            .store(self.online.is_connected(), Ordering::Relaxed);
        let Incoming::Message { from, message } = incoming else {
            if matches!(incoming, Incoming::Connected) {
                self.online.join(&self.core.room_ids(), &self.core.offers()).await;
            }
            return;
        };
        let roster = &self.online.roster;
        match (from, message) {
            (None, ServerMessage::RoomState(state)) => {
                self.core.announce_again(&state.room_id);
                self.core.announce_folders_again(&state.room_id);
            }
            (Some(from), ServerMessage::TerminalShareRequest(request)) => {
                let asking = terminals::Asking::new(roster, &request.room_id, from);
                self.core
                    .admit(|core| terminals::requested(core, asking, request));
            }
            (Some(from), ServerMessage::ShareFolderRequest(request)) => {
                let asking = terminals::Asking::new(roster, &request.room_id, from);
                self.core.admit(|core| folders::requested(core, asking, request));
            }
            (Some(from), ServerMessage::ShareFileRequest(request)) => {
                let asking = terminals::Asking::new(roster, &request.room_id, from);
                self.core.admit(|core| files::offered(core, asking, request));
            }
            _ => {}
        }
    }

    async fn enter(&mut self, rooms: Vec<Room>) {
        let known = self.core.room_ids();
        let new: Vec<RoomId> = rooms
            .iter()
            .map(|room| room.room_id.clone())
            .filter(|id| !known.contains(id))
            .collect();
        *self.core.rooms() = rooms;
        self.online.join(&new, &self.core.offers()).await;
    }

    /// Shells and channels first; the connection to the server last, so that the room learns of it.
    async fn shut_down(self) {
        self.core.stop.cancel();
        let _ = std::fs::remove_file(&self.socket);
        drop(self.listener);
        let shares = self.core.shares.all();
        futures_util::future::join_all(shares.iter().map(|share| share.stop(SHARE_STOP_WITHIN))).await;
        self.core.tasks.close();
        if tokio::time::timeout(STOP_WITHIN, self.core.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some tasks did not end in time");
        }
        self.online.close().await;
    }
}

impl Core {
    fn rooms(&self) -> MutexGuard<'_, Vec<Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room_ids(&self) -> Vec<RoomId> {
        self.rooms().iter().map(|room| room.room_id.clone()).collect()
    }

    fn transfers(&self) -> MutexGuard<'_, BTreeMap<u64, TransferStatus>> {
        self.transfers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) -> MutexGuard<'_, CutOffers> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Starts a task for a request, if there is a place; otherwise the request is left to time out at its sender, who
    /// then floods.
    fn admit<F: Future<Output = ()> + Send + 'static>(&self, task: impl FnOnce(Self) -> F) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            tracing::warn!("a request was dropped: too many at once");
            return;
        };
        let task = task(self.clone());
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::pin!(task);
            tokio::select! {
                () = &mut task => {}
                // Sessions end in order on the same token; this is for what still asks or opens.
                () = async { stop.cancelled().await; tokio::time::sleep(STOP_WITHIN).await } => {}
            }
            drop(place);
        });
    }

    fn look_for_rooms(&self, found: mpsc::Sender<Vec<Room>>) {
        let (control, stop) = (self.context.control().clone(), self.stop.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                rooms = control.rooms() => if let Ok(rooms) = rooms {
                    let _ = found.try_send(rooms);
                },
            }
        });
    }

    /// What this device answers requests for now: what was allowed, what the owner can be asked for, and a terminal or folder
    /// where one is shared. Anything else would only be declined.
    fn offers(&self) -> Vec<Feature> {
        let may = |feature: Feature| {
            let askers = self.askers.load(Ordering::Relaxed) > 0;
            let asked = (self.options.asks || askers) && !self.options.policy.deny;
            asked || self.desk.allows(feature.capability())
        };
        let terminal = may(Feature::Terminal) || !self.shares.all().is_empty();
        let offers = [
            terminal.then_some(Feature::Terminal),
            may(Feature::File).then_some(Feature::File),
            (!self.folders.all().is_empty()).then_some(Feature::Folder),
        ];
        offers.into_iter().flatten().collect()
    }

    /// Tells every room what this device offers now.
    async fn tell_presence(&self) {
        let offers = self.offers();
        for room_id in self.room_ids() {
            let presence = SetPresence {
                room_id,
                status: PresenceStatus::Online,
                offers: offers.clone(),
            };
            // Offline, it is remembered.
            let _ = self
                .context
                .signal()
                .send(ClientMessage::PresenceSet(presence))
                .await;
        }
    }

    /// Counts a live session for as long as the guard lives.
    fn count_live(&self) -> Live {
        self.live.fetch_add(1, Ordering::Relaxed);
        Live(self.live.clone())
    }

    /// Counts a way to ask the owner for as long as the guard lives; the rooms are to be told of it then.
    #[cfg(any(not(target_os = "linux"), feature = "desktop"))]
    fn count_asker(&self) -> Live {
        self.askers.fetch_add(1, Ordering::Relaxed);
        Live(self.askers.clone())
    }

    fn tell(&self, sentence: impl Into<String>) {
        (self.notify)(sentence.into());
    }
}

struct Live(Arc<AtomicUsize>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn accept(
    listener: &mut ipc::Listener,
    places: &Arc<Semaphore>,
) -> Option<(ipc::Stream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok(stream) if ipc::same_user(&stream) => Some((stream, place)),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(%error, "a command could not be taken");
            // Out of descriptors: trying again at once would only spin.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// Waits until no daemon runs any more, at most `within`.
pub async fn wait_until_gone(paths: &Paths, within: Duration) -> bool {
    let until = tokio::time::Instant::now() + within;
    loop {
        if lock(paths).is_ok() {
            return true;
        }
        if tokio::time::Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn lock(paths: &Paths) -> Outcome<std::fs::File> {
    let path = paths.lock_file();
    let cannot =
        |error: std::io::Error| Failure::general(format!("{} cannot be used: {error}.", path.display()));
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(already_runs()),
        Err(std::fs::TryLockError::Error(error)) => Err(cannot(error)),
    }
}

/// There is one daemon.
pub fn already_runs() -> Failure {
    Failure::general("A daemon is already running: `mesh status` shows what it does, `mesh down` stops it.")
}

/// The lock is held: whatever is at the socket's path is of a daemon that is gone.
fn listen(paths: &Paths) -> Outcome<(ipc::Listener, PathBuf)> {
    let path = paths.socket()?;
    let listener = ipc::Listener::bind(&path).map_err(|error| {
        Failure::general(format!(
            "The socket {} cannot be opened: {error}; remove whatever stands there.",
            path.display()
        ))
    })?;
    Ok((listener, path))
}
