-- Settings of rooms, who may not come back, who waits to be let in; edited and deleted messages.

ALTER TABLE rooms ADD COLUMN locked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rooms ADD COLUMN lobby INTEGER NOT NULL DEFAULT 0;
-- Days; NULL keeps all.
ALTER TABLE rooms ADD COLUMN retention_days INTEGER;
-- JSON, as on the wire; NULL is the default.
ALTER TABLE rooms ADD COLUMN policy TEXT;

-- The invitation by which they came; NULL for who made the room.
ALTER TABLE members ADD COLUMN invite_id TEXT;

-- Invitations from before `removed_at` let this user in no more; where `banned`, no invitation does.
CREATE TABLE removals (
    room_id    TEXT NOT NULL REFERENCES rooms(id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    removed_at INTEGER NOT NULL,
    banned     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (room_id, user_id)
) STRICT, WITHOUT ROWID;

-- Each row has used its invitation up, which bounds them.
CREATE TABLE lobby (
    room_id   TEXT NOT NULL REFERENCES rooms(id) ON DELETE CASCADE,
    user_id   TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    role      TEXT NOT NULL CHECK (role IN ('owner', 'moderator', 'member', 'guest')),
    invite_id TEXT NOT NULL,
    asked_at  INTEGER NOT NULL,
    PRIMARY KEY (room_id, user_id)
) STRICT, WITHOUT ROWID;

-- User ids, separated by spaces.
ALTER TABLE messages ADD COLUMN mentions TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN edited_at INTEGER;
-- A deleted message keeps its place, its author and its `client_id`, and nothing of its text.
ALTER TABLE messages ADD COLUMN deleted_at INTEGER;
