-- What Aplomb keeps: callers' accounts and keys, money, answers to repeat, and who changed what.
-- Times are milliseconds since 1970; money is in whole micro-units. docs/guide/store.md explains each table.

CREATE TABLE accounts (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    tier     TEXT,
    -- Always the sum of the account's ledger.
    balance  INTEGER NOT NULL DEFAULT 0,
    -- Always the sum of the account's reservations.
    reserved INTEGER NOT NULL DEFAULT 0,
    created  INTEGER NOT NULL,
    disabled INTEGER
) STRICT;

CREATE TABLE keys (
    -- The part of a key that may be shown.
    id        TEXT PRIMARY KEY,
    -- SHA-256 of the whole key.
    hash      BLOB NOT NULL,
    account   TEXT NOT NULL REFERENCES accounts (id),
    name      TEXT NOT NULL,
    tier      TEXT,
    -- JSON: what the key may be used for.
    scopes    TEXT NOT NULL,
    created   INTEGER NOT NULL,
    expires   INTEGER,
    revoked   INTEGER,
    last_used INTEGER
) STRICT;
CREATE INDEX keys_of_account ON keys (account);

CREATE TABLE ledger (
    n         INTEGER PRIMARY KEY AUTOINCREMENT,
    account   TEXT NOT NULL REFERENCES accounts (id),
    kind      TEXT NOT NULL CHECK (kind IN ('top_up', 'charge', 'correction')),
    -- What the balance changed by: a charge is negative.
    amount    INTEGER NOT NULL,
    -- A charge's reservation, or the payment behind a top-up; none counts twice.
    reference TEXT UNIQUE,
    who       TEXT NOT NULL,
    note      TEXT,
    at        INTEGER NOT NULL
) STRICT;
CREATE INDEX ledger_of_account ON ledger (account, n);

CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: write a correction');
END;
CREATE TRIGGER ledger_is_never_shortened BEFORE DELETE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: write a correction');
END;

CREATE TABLE reservations (
    id      TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id),
    amount  INTEGER NOT NULL CHECK (amount >= 0),
    -- Which gateway is at work for it.
    gateway TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX reservations_of_gateway ON reservations (gateway);

CREATE TABLE idempotency (
    -- Whose key it is: an account, or the hash of a credential.
    scope       TEXT NOT NULL,
    key         TEXT NOT NULL,
    -- SHA-256 of method, path, query and body.
    fingerprint BLOB NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('running', 'finished', 'unknown')),
    -- Names this run of the request; a later one has another.
    token       TEXT NOT NULL,
    gateway     TEXT NOT NULL,
    since       INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    status      INTEGER,
    -- JSON: a list of pairs of name and value.
    headers     TEXT,
    body        BLOB,
    PRIMARY KEY (scope, key)
) STRICT;
CREATE INDEX idempotency_by_end ON idempotency (expires);
CREATE INDEX idempotency_running ON idempotency (gateway) WHERE state = 'running';

CREATE TABLE audit (
    n      INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    who    TEXT NOT NULL,
    what   TEXT NOT NULL,
    target TEXT NOT NULL,
    -- JSON, without secrets.
    before TEXT,
    after  TEXT
) STRICT;

CREATE TABLE gateways (
    id      TEXT PRIMARY KEY,
    -- Grows while the gateway lives.
    beat    INTEGER NOT NULL,
    started INTEGER NOT NULL,
    seen    INTEGER NOT NULL
) STRICT;

CREATE TABLE changes (
    n    INTEGER PRIMARY KEY,
    what TEXT NOT NULL,
    id   TEXT NOT NULL,
    at   INTEGER NOT NULL
) STRICT;
CREATE TABLE last_change (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    n   INTEGER NOT NULL
) STRICT;
INSERT INTO last_change (one, n) VALUES (1, 0);
