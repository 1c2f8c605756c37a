-- Accounts at OpenID providers by which accounts here sign in.

CREATE TABLE identities (
    issuer     TEXT NOT NULL,
    -- Who they are there; never a name or an e-mail address.
    subject    TEXT NOT NULL,
    user_id    TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX identities_by_user ON identities(user_id, issuer);
