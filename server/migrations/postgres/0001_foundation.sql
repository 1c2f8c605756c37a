-- Everything that migrations/sqlite made until 0007, with the same names. Times are Unix milliseconds; secrets are SHA-256
-- hashes. Texts are compared byte by byte, as SQLite does, whatever the locale of the database is.

CREATE TABLE settings (
    key   TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE users (
    id            TEXT COLLATE "C" PRIMARY KEY,
    name          TEXT COLLATE "C" NOT NULL,
    -- The name as it is compared: NFKC, lower case.
    name_key      TEXT COLLATE "C" NOT NULL UNIQUE,
    -- PHC string; NULL signs in by link only.
    password_hash TEXT COLLATE "C",
    admin         BOOLEAN NOT NULL DEFAULT FALSE,
    created_at    BIGINT NOT NULL,
    -- The invitation by which somebody came who has no account; NULL for an account.
    guest_invite  TEXT COLLATE "C"
);

CREATE TABLE devices (
    id           TEXT COLLATE "C" PRIMARY KEY,
    user_id      TEXT COLLATE "C" NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name         TEXT COLLATE "C" NOT NULL,
    kind         TEXT COLLATE "C" NOT NULL CHECK (kind IN ('page', 'agent')),
    -- Ed25519 public key, base64url; NULL where the device has none.
    public_key   TEXT COLLATE "C",
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    -- Removed devices stay for the authorship of their messages.
    removed_at   BIGINT
);
CREATE UNIQUE INDEX devices_by_key ON devices(user_id, public_key) WHERE public_key IS NOT NULL AND removed_at IS NULL;
CREATE INDEX devices_by_user ON devices(user_id);

CREATE TABLE sessions (
    id           TEXT COLLATE "C" PRIMARY KEY,
    user_id      TEXT COLLATE "C" NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    device_id    TEXT COLLATE "C" NOT NULL REFERENCES devices(id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    ended_at     BIGINT,
    -- The address from which it was last used.
    address      TEXT COLLATE "C"
);
CREATE INDEX sessions_by_user ON sessions(user_id);
CREATE INDEX sessions_by_device ON sessions(device_id);
CREATE INDEX sessions_by_end ON sessions(ended_at) WHERE ended_at IS NOT NULL;

-- One-time sign-in links.
CREATE TABLE links (
    token_hash BYTEA PRIMARY KEY,
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX links_by_user ON links(user_id);

CREATE TABLE rooms (
    id             TEXT COLLATE "C" PRIMARY KEY,
    name           TEXT COLLATE "C" NOT NULL,
    created_at     BIGINT NOT NULL,
    last_seq       BIGINT NOT NULL DEFAULT 0,
    locked         BOOLEAN NOT NULL DEFAULT FALSE,
    lobby          BOOLEAN NOT NULL DEFAULT FALSE,
    -- Days; NULL keeps all.
    retention_days BIGINT,
    -- JSON, as on the wire; NULL is the default.
    policy         TEXT COLLATE "C",
    -- Counts the record's entries, as `last_seq` counts messages.
    last_audit     BIGINT NOT NULL DEFAULT 0,
    -- From which a room may be removed, once nobody is in it; NULL stays.
    expires_at     BIGINT
);
CREATE INDEX rooms_by_expiry ON rooms(expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE members (
    room_id   TEXT COLLATE "C" NOT NULL REFERENCES rooms(id) ON DELETE CASCADE,
    user_id   TEXT COLLATE "C" NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    role      TEXT COLLATE "C" NOT NULL CHECK (role IN ('owner', 'moderator', 'member', 'guest')),
    joined_at BIGINT NOT NULL,
    -- The invitation by which they came; NULL for who made the room.
    invite_id TEXT COLLATE "C",
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX members_by_user ON members(user_id);

CREATE TABLE invites (
    id         TEXT COLLATE "C" PRIMARY KEY,
    room_id    TEXT COLLATE "C" NOT NULL REFERENCES rooms(id) ON DELETE CASCADE,
    token_hash BYTEA NOT NULL UNIQUE,
    role       TEXT COLLATE "C" NOT NULL CHECK (role IN ('owner', 'moderator', 'member', 'guest')),
    created_by TEXT COLLATE "C" NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    max_uses   BIGINT NOT NULL,
    uses       BIGINT NOT NULL DEFAULT 0 CHECK (uses <= max_uses),
    revoked_at BIGINT,
    -- Whether people without an account may use it.
    guest      BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX invites_by_room ON invites(room_id);
CREATE INDEX invites_by_maker ON invites(created_by);

-- Invitations from before `removed_at` let this user in no more; where `banned`, no invitation does.
CREATE TABLE removals (
    room_id    TEXT COLLATE "C" NOT NULL REFERENCES rooms(id) ON DELETE CASCADE,
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    removed_at BIGINT NOT NULL,
    banned     BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX removals_by_user ON removals(user_id);

-- Each row has used its invitation up, which bounds them.
CREATE TABLE lobby (
    room_id   TEXT COLLATE "C" NOT NULL REFERENCES rooms(id) ON DELETE CASCADE,
    user_id   TEXT COLLATE "C" NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    role      TEXT COLLATE "C" NOT NULL CHECK (role IN ('owner', 'moderator', 'member', 'guest')),
    invite_id TEXT COLLATE "C" NOT NULL,
    asked_at  BIGINT NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX lobby_by_user ON lobby(user_id);

CREATE TABLE messages (
    room_id    TEXT COLLATE "C" NOT NULL REFERENCES rooms(id) ON DELETE CASCADE,
    seq        BIGINT NOT NULL,
    user_id    TEXT COLLATE "C" NOT NULL,
    -- The author's name when it was written.
    name       TEXT COLLATE "C" NOT NULL,
    device_id  TEXT COLLATE "C" NOT NULL,
    client_id  TEXT COLLATE "C" NOT NULL,
    text       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    -- User ids, separated by spaces.
    mentions   TEXT COLLATE "C" NOT NULL DEFAULT '',
    edited_at  BIGINT,
    -- A deleted message keeps its place, its author and its `client_id`, and nothing of its text.
    deleted_at BIGINT,
    PRIMARY KEY (room_id, seq),
    UNIQUE (device_id, client_id)
);

CREATE TABLE notification_profiles (
    user_id      TEXT COLLATE "C" PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
    -- JSON: events, rooms, quiet hours, language.
    choices      TEXT COLLATE "C" NOT NULL,
    -- An application of a Gotify; without an address that of the server.
    gotify_url   TEXT COLLATE "C",
    gotify_token TEXT COLLATE "C",
    ntfy_url     TEXT COLLATE "C",
    ntfy_topic   TEXT COLLATE "C",
    ntfy_token   TEXT COLLATE "C"
);

-- One a device; it counts while the device has a session.
CREATE TABLE push_subscriptions (
    device_id  TEXT COLLATE "C" PRIMARY KEY REFERENCES devices(id) ON DELETE CASCADE,
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    endpoint   TEXT COLLATE "C" NOT NULL,
    p256dh     BYTEA NOT NULL,
    auth       BYTEA NOT NULL
);
CREATE INDEX push_subscriptions_by_user ON push_subscriptions(user_id);

-- Notices on their way. One that is done stays for as long as equal ones fall together with it.
CREATE TABLE outbox (
    id          BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    dedup_key   TEXT COLLATE "C" NOT NULL UNIQUE,
    user_id     TEXT COLLATE "C" NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    destination TEXT COLLATE "C" NOT NULL,
    event       TEXT COLLATE "C" NOT NULL,
    room_id     TEXT COLLATE "C" NOT NULL REFERENCES rooms(id) ON DELETE CASCADE,
    title       TEXT COLLATE "C" NOT NULL,
    message     TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL,
    attempts    BIGINT NOT NULL DEFAULT 0,
    next_at     BIGINT NOT NULL,
    done_at     BIGINT
);
CREATE INDEX outbox_due ON outbox(next_at) WHERE done_at IS NULL;
CREATE INDEX outbox_by_user ON outbox(user_id) WHERE done_at IS NULL;
CREATE INDEX outbox_by_room ON outbox(room_id);

-- Accounts at OpenID providers by which accounts here sign in.
CREATE TABLE identities (
    issuer     TEXT COLLATE "C" NOT NULL,
    -- Who they are there; never a name or an e-mail address.
    subject    TEXT COLLATE "C" NOT NULL,
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE UNIQUE INDEX identities_by_user ON identities(user_id, issuer);

-- The record of each room.
CREATE TABLE audit (
    room_id      TEXT COLLATE "C" NOT NULL REFERENCES rooms(id) ON DELETE CASCADE,
    seq          BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    act          TEXT COLLATE "C" NOT NULL,
    -- JSON, as on the wire; NULL for the operator.
    actor        TEXT COLLATE "C",
    -- Separated by spaces.
    capabilities TEXT COLLATE "C" NOT NULL DEFAULT '',
    target       TEXT COLLATE "C",
    session_id   TEXT COLLATE "C",
    jti          TEXT COLLATE "C",
    detail       TEXT COLLATE "C",
    PRIMARY KEY (room_id, seq)
);
CREATE INDEX audit_by_time ON audit(at);

-- What a command changed while the server runs: it tells its sockets. Rows of the last hour are kept.
CREATE TABLE bulletins (
    id      BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at      BIGINT NOT NULL,
    kind    TEXT COLLATE "C" NOT NULL CHECK (kind IN ('sign_in_ended', 'member_gone', 'room_gone')),
    -- A sign-in or a room.
    subject TEXT COLLATE "C" NOT NULL,
    -- Of `member_gone`.
    user_id TEXT COLLATE "C"
);
