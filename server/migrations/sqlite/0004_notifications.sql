-- Who wants to hear of what, where, and what has still to be told.

CREATE TABLE notification_profiles (
    user_id      TEXT PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
    -- JSON: events, rooms, quiet hours, language.
    choices      TEXT NOT NULL,
    -- An application of a Gotify; without an address that of the server.
    gotify_url   TEXT,
    gotify_token TEXT,
    ntfy_url     TEXT,
    ntfy_topic   TEXT,
    ntfy_token   TEXT
) STRICT, WITHOUT ROWID;

-- One a device; it counts while the device has a session.
CREATE TABLE push_subscriptions (
    device_id  TEXT PRIMARY KEY REFERENCES devices(id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    endpoint   TEXT NOT NULL,
    p256dh     BLOB NOT NULL,
    auth       BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX push_subscriptions_by_user ON push_subscriptions(user_id);

-- Notices on their way. One that is done stays for as long as equal ones fall together with it.
CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY,
    dedup_key   TEXT NOT NULL UNIQUE,
    user_id     TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    destination TEXT NOT NULL,
    event       TEXT NOT NULL,
    room_id     TEXT NOT NULL REFERENCES rooms(id) ON DELETE CASCADE,
    title       TEXT NOT NULL,
    message     TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER NOT NULL,
    done_at     INTEGER
) STRICT;
CREATE INDEX outbox_due ON outbox(next_at) WHERE done_at IS NULL;
CREATE INDEX outbox_by_user ON outbox(user_id) WHERE done_at IS NULL;
