-- What Aplomb keeps: callers' accounts and keys, money, answers to repeat, and who changed what.
-- Times are milliseconds since 1970; money is in whole micro-units. docs/guide/store.md explains each table.

CREATE TABLE accounts (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    tier     TEXT,
    -- Always the sum of the account's ledger.
    balance  BIGINT NOT NULL DEFAULT 0,
    -- Always the sum of the account's reservations.
    reserved BIGINT NOT NULL DEFAULT 0,
    created  BIGINT NOT NULL,
    disabled BIGINT
);

CREATE TABLE keys (
    -- The part of a key that may be shown.
    id        TEXT PRIMARY KEY,
    -- SHA-256 of the whole key.
    hash      BYTEA NOT NULL,
    account   TEXT NOT NULL REFERENCES accounts (id),
    name      TEXT NOT NULL,
    tier      TEXT,
    -- JSON: what the key may be used for.
    scopes    TEXT NOT NULL,
    created   BIGINT NOT NULL,
    expires   BIGINT,
    revoked   BIGINT,
    last_used BIGINT
);
CREATE INDEX keys_of_account ON keys (account);

CREATE TABLE ledger (
    n         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account   TEXT NOT NULL REFERENCES accounts (id),
    kind      TEXT NOT NULL CHECK (kind IN ('top_up', 'charge', 'correction')),
    -- What the balance changed by: a charge is negative.
    amount    BIGINT NOT NULL,
    -- A charge's reservation, or the payment behind a top-up; none counts twice.
    reference TEXT UNIQUE,
    who       TEXT NOT NULL,
    note      TEXT,
    at        BIGINT NOT NULL
);
CREATE INDEX ledger_of_account ON ledger (account, n);

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: write a correction';
END $$;
CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE OR DELETE ON ledger
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();

CREATE TABLE reservations (
    id      TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id),
    amount  BIGINT NOT NULL CHECK (amount >= 0),
    -- Which gateway is at work for it.
    gateway TEXT NOT NULL,
    at      BIGINT NOT NULL
);
CREATE INDEX reservations_of_gateway ON reservations (gateway);

CREATE TABLE idempotency (
    -- Whose key it is: an account, or the hash of a credential.
    scope       TEXT NOT NULL,
    key         TEXT NOT NULL,
    -- SHA-256 of method, path, query and body.
    fingerprint BYTEA NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('running', 'finished', 'unknown')),
    -- Names this run of the request; a later one has another.
    token       TEXT NOT NULL,
    gateway     TEXT NOT NULL,
    since       BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    status      BIGINT,
    -- JSON: a list of pairs of name and value.
    headers     TEXT,
    body        BYTEA,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_by_end ON idempotency (expires);
CREATE INDEX idempotency_running ON idempotency (gateway) WHERE state = 'running';

CREATE TABLE audit (
    n      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     BIGINT NOT NULL,
    who    TEXT NOT NULL,
    what   TEXT NOT NULL,
    target TEXT NOT NULL,
    -- JSON, without secrets.
    before TEXT,
    after  TEXT
);

CREATE TABLE gateways (
    id      TEXT PRIMARY KEY,
    -- Grows while the gateway lives.
    beat    BIGINT NOT NULL,
    started BIGINT NOT NULL,
    seen    BIGINT NOT NULL
);

CREATE TABLE changes (
    n    BIGINT PRIMARY KEY,
    what TEXT NOT NULL,
    id   TEXT NOT NULL,
    at   BIGINT NOT NULL
);
CREATE TABLE last_change (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    n   BIGINT NOT NULL
);
INSERT INTO last_change (one, n) VALUES (1, 0);
