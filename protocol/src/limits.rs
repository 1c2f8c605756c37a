//! Every bound that two ends have to agree on. Bytes unless the name or type says otherwise.

use std::time::Duration;

/// The largest WebSocket frame.
pub const MAX_SIGNAL_FRAME: usize = 64 * 1024;
/// The largest REST body.
pub const MAX_HTTP_BODY: usize = 64 * 1024;
/// The largest frame on a DataChannel, its type byte included.
pub const MAX_CHANNEL_FRAME: usize = 65_600;
/// The most content that one FILE_DATA, TERM_OUT, TERM_IN or TERM_SNAPSHOT carries.
pub const MAX_CHANNEL_DATA: usize = 64 * 1024;
/// The unit in which files are verified and resumed.
pub const FILE_CHUNK: u64 = 1024 * 1024;
/// What a sender of files may have sent and not yet seen acknowledged as written.
pub const FILE_WINDOW: u64 = 16 * 1024 * 1024;
/// The same in chunks, which may be small: SCTP numbers messages with 16 bits, and what waits at a slow receiver must stay far
/// below half of these numbers for its order to be known. A chunk below 64 KiB is two messages.
pub const FILE_WINDOW_CHUNKS: usize = 4_096;
/// The most frames of one FILE_BUNDLE: what an end has to do at once, however small the files are.
pub const MAX_BUNDLE_FRAMES: usize = 128;
/// What a terminal's host keeps unacknowledged for one viewer before it sends a snapshot instead.
pub const TERMINAL_WINDOW: u64 = 512 * 1024;
/// The most bytes of frames in one `terminal.data`, so that in base64 they fit into a WebSocket frame.
pub const TERMINAL_DATA: usize = 45_000;
/// `terminal.data` that one end sends in a second: most of the rate of a socket is for everything else.
pub const TERMINAL_DATA_RATE: u32 = 20;
/// The longest chat message, in characters.
pub const MAX_CHAT_CHARS: usize = 8_000;
/// The longest name of a user, room or device, in characters.
pub const MAX_NAME_CHARS: usize = 64;
/// The fewest characters of a password.
pub const MIN_PASSWORD_CHARS: usize = 8;
/// The most files that a request lists for the accepting person.
pub const MAX_LISTED_FILES: usize = 100;
/// The most entries of one manifest.
pub const MAX_MANIFEST_ENTRIES: usize = 100_000;
/// The most entries of a shared folder that are listed; a longer one says that there is more.
pub const MAX_FOLDER_ENTRIES: usize = 10_000;
/// The most that a search in a shared folder finds.
pub const MAX_FOLDER_FOUND: usize = 200;
/// The most paths that one pull from a shared folder names.
pub const MAX_FOLDER_PATHS: usize = 100;
/// The most text of one preview.
pub const MAX_PREVIEW_TEXT: u64 = 64 * 1024;
/// The largest image, or recording of a terminal, that is previewed.
pub const MAX_PREVIEW_IMAGE: u64 = 8 * 1024 * 1024;
/// The most members that one chat message mentions; further names are plain text.
pub const MAX_MENTIONS: usize = 50;
/// The longest that a room can be told to keep its messages, in days.
pub const MAX_RETENTION_DAYS: u32 = 3_650;
/// The most chat messages of one page of history.
pub const MAX_PAGE: u32 = 100;

/// Frames a socket may send in a second, and at once.
pub const SIGNAL_RATE: u32 = 50;
/// See [`SIGNAL_RATE`].
pub const SIGNAL_BURST: u32 = 100;
/// Live sockets of one user.
pub const MAX_SOCKETS_PER_USER: usize = 20;
/// Messages that wait for one socket before it is closed with 4408.
pub const OUTBOUND_MESSAGES: usize = 256;
/// Bytes that wait for one socket before it is closed with 4408.
pub const OUTBOUND_BYTES: usize = 1024 * 1024;
/// Bad frames in a minute that close a socket.
pub const MAX_BAD_FRAMES: u32 = 10;

/// How long a capability opens a session.
pub const CAPABILITY_TTL: Duration = Duration::from_secs(120);
/// How far two clocks may be apart when a token is judged.
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(5);
/// How long a WebSocket ticket is good for.
pub const TICKET_TTL: Duration = Duration::from_secs(30);
/// How long the code of a device that wants to be paired is good for.
pub const PAIRING_TTL: Duration = Duration::from_secs(300);
/// How long such a device waits between two polls, at first.
pub const PAIRING_INTERVAL: Duration = Duration::from_secs(2);
/// What it adds to that where it asked too soon (RFC 8628, section 3.5).
pub const PAIRING_SLOW_DOWN: Duration = Duration::from_secs(5);
/// How long a sender waits under the number of a code, at most.
pub const CODE_TTL: Duration = Duration::from_secs(3600);
/// How long the number stays its own while it does not ask who came, and an answer is there to be fetched.
pub const CODE_GRACE: Duration = Duration::from_secs(30);
/// How long the server holds a question that has no answer yet.
pub const CODE_WAIT: Duration = Duration::from_secs(5);
/// The most that a message of the key exchange has, in base64url.
pub const MAX_CODE_PAKE: usize = 128;
/// The most that a sealed message has, in base64url.
pub const MAX_CODE_SEALED: usize = 2048;
/// The longest that a room of a short life can be told to stay while nobody is in it, in seconds.
pub const MAX_ROOM_EXPIRY: u64 = 86_400;
/// How long the other end may take to send its HELLO.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a view or control lease lasts without renewal.
pub const LEASE: Duration = Duration::from_secs(60);
/// How often a holder renews its lease.
pub const LEASE_RENEWAL: Duration = Duration::from_secs(30);
