-- The record of each room, and what the operator's commands tell a running server.

-- Counts the record's entries, as `last_seq` counts messages.
ALTER TABLE rooms ADD COLUMN last_audit INTEGER NOT NULL DEFAULT 0;

CREATE TABLE audit (
    room_id      TEXT NOT NULL REFERENCES rooms(id) ON DELETE CASCADE,
    seq          INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    act          TEXT NOT NULL,
    -- JSON, as on the wire; NULL for the operator.
    actor        TEXT,
    -- Separated by spaces.
    capabilities TEXT NOT NULL DEFAULT '',
    target       TEXT,
    session_id   TEXT,
    jti          TEXT,
    detail       TEXT,
    PRIMARY KEY (room_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_by_time ON audit(at);

-- What a command changed while the server runs: it tells its sockets. Rows of the last hour are kept.
CREATE TABLE bulletins (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('sign_in_ended', 'member_gone', 'room_gone')),
    -- A sign-in or a room.
    subject TEXT NOT NULL,
    -- Of `member_gone`.
    user_id TEXT
) STRICT;
