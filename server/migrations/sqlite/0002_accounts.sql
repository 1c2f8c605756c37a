-- Guests, and where sessions are used from.

-- The invitation by which somebody came who has no account; NULL for an account.
ALTER TABLE users ADD COLUMN guest_invite TEXT;

-- Whether people without an account may use it.
ALTER TABLE invites ADD COLUMN guest INTEGER NOT NULL DEFAULT 0;

-- The address from which a session was last used.
ALTER TABLE sessions ADD COLUMN address TEXT;
