//! The stable codes of every error, and the close codes of the WebSocket.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:tt),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[cfg_attr(test, derive(ts_rs::TS), ts(export))]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// The code as it is written on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

codes! {
    /// Codes of REST errors (`code` of the problem details).
    HttpCode {
        BadRequest = "BAD_REQUEST",
        Unauthenticated = "UNAUTHENTICATED",
        WrongCredentials = "WRONG_CREDENTIALS",
        LinkInvalid = "LINK_INVALID",
        LocalLoginOff = "LOCAL_LOGIN_OFF",
        OidcExpired = "OIDC_EXPIRED",
        OidcRefused = "OIDC_REFUSED",
        OidcInvalid = "OIDC_INVALID",
        OidcNoAccount = "OIDC_NO_ACCOUNT",
        OidcTaken = "OIDC_TAKEN",
        OidcUnavailable = "OIDC_UNAVAILABLE",
        Forbidden = "FORBIDDEN",
        OriginRefused = "ORIGIN_REFUSED",
        CapNotAllowed = "CAP_NOT_ALLOWED",
        RoomNotFound = "ROOM_NOT_FOUND",
        NotFound = "NOT_FOUND",
        MethodNotAllowed = "METHOD_NOT_ALLOWED",
        CodeInvalid = "CODE_INVALID",
        AuthorizationPending = "AUTHORIZATION_PENDING",
        SlowDown = "SLOW_DOWN",
        ExpiredToken = "EXPIRED_TOKEN",
        AccessDenied = "ACCESS_DENIED",
        InviteInvalid = "INVITE_INVALID",
        CodeGone = "CODE_GONE",
        RoomLocked = "ROOM_LOCKED",
        Banned = "BANNED",
        NameTaken = "NAME_TAKEN",
        SetupDone = "SETUP_DONE",
        TooLarge = "TOO_LARGE",
        Throttled = "THROTTLED",
        StoreUnavailable = "STORE_UNAVAILABLE",
        Internal = "INTERNAL",
    }
}

impl HttpCode {
    /// The HTTP status that goes with the code.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest
            | Self::OidcExpired
            | Self::AuthorizationPending
            | Self::SlowDown
            | Self::ExpiredToken
            | Self::AccessDenied => 400,
            Self::Unauthenticated | Self::WrongCredentials | Self::LinkInvalid => 401,
            Self::LocalLoginOff
            | Self::OidcRefused
            | Self::OidcInvalid
            | Self::OidcNoAccount
            | Self::Forbidden
            | Self::OriginRefused
            | Self::CapNotAllowed
            | Self::RoomLocked
            | Self::Banned => 403,
            Self::RoomNotFound | Self::NotFound | Self::CodeInvalid => 404,
            Self::MethodNotAllowed => 405,
            Self::NameTaken | Self::SetupDone | Self::OidcTaken => 409,
            Self::InviteInvalid | Self::CodeGone => 410,
            Self::TooLarge => 413,
            Self::Throttled => 429,
            Self::Internal => 500,
            Self::OidcUnavailable => 502,
            Self::StoreUnavailable => 503,
        }
    }
}

codes! {
    /// Codes of `error` messages on the WebSocket.
    SignalCode {
        BadFrame = "BAD_FRAME",
        BadPayload = "BAD_PAYLOAD",
        UnknownType = "UNKNOWN_TYPE",
        MissingRoomId = "MISSING_ROOM_ID",
        RoomNotFound = "ROOM_NOT_FOUND",
        InLobby = "IN_LOBBY",
        CapRequired = "CAP_REQUIRED",
        CapExpired = "CAP_EXPIRED",
        CapReplayed = "CAP_REPLAYED",
        Unroutable = "UNROUTABLE",
        RateLimited = "RATE_LIMITED",
        StoreUnavailable = "STORE_UNAVAILABLE",
    }
}

codes! {
    /// Codes of BYE and FILE_ERROR between two peers.
    ChannelCode {
        Done = "DONE",
        Stopped = "STOPPED",
        CapRefused = "CAP_REFUSED",
        Revoked = "REVOKED",
        LeaseLapsed = "LEASE_LAPSED",
        HelloTimeout = "HELLO_TIMEOUT",
        Protocol = "PROTOCOL",
        SourceChanged = "SOURCE_CHANGED",
        SourceGone = "SOURCE_GONE",
        HashMismatch = "HASH_MISMATCH",
        DiskFull = "DISK_FULL",
        BadPath = "BAD_PATH",
        ReadOnly = "READ_ONLY",
        TooLarge = "TOO_LARGE",
        Cancelled = "CANCELLED",
        Io = "IO",
    }
}

/// Close codes of the WebSocket beyond those of RFC 6455.
pub mod close {
    /// The session that opened the socket has ended: sign in again.
    pub const SESSION_ENDED: u16 = 4401;
    /// The client did not read what waited for it.
    pub const TOO_SLOW: u16 = 4408;
    /// Too many sockets of this user, or too many bad frames.
    pub const TOO_MANY: u16 = 4429;
    /// Not the WebSocket protocol (RFC 6455).
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// A text that is not UTF-8 (RFC 6455).
    pub const NOT_UTF8: u16 = 1007;
    /// A frame over the limit (RFC 6455).
    pub const TOO_LARGE: u16 = 1009;
    /// The server is going away; reconnect soon (IANA: service restart).
    pub const RESTART: u16 = 1012;
}
