-- Rooms that are made for one transfer.

-- Unix milliseconds from which a room may be removed, once nobody is in it; NULL stays.
ALTER TABLE rooms ADD COLUMN expires_at INTEGER;
CREATE INDEX rooms_by_expiry ON rooms(expires_at) WHERE expires_at IS NOT NULL;
