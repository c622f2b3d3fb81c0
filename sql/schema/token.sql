-- Like the other tables, this one has no foreign keys. In REPEATABLE READ and SERIALIZABLE, their checks use the
-- snapshot of the transaction and would refuse an owner that was committed a moment ago; and they lock after the row is
-- written, in another order than we do. issue() keeps what they would guarantee, by locking kind and owner first; a
-- kind with tokens cannot be deleted, and a principal stays as long as it has tokens.
--
-- The columns that verification reads come first and have fixed width: PostgreSQL finds those without walking the row.
-- Those that are narrow stand together, so that nothing is lost to alignment, and lists of words are texts, since an
-- array takes sixteen bytes for each word. An entry of an index can take as much as a tenth of the row, so no index has
-- more in it than it needs.
--
-- A page has room for one new version of a row: the next change finds that the former version has been pruned, and is
-- HOT. Tokens hardly change; a page that is left emptier would be read by every scan.
CREATE TABLE tokenauth.token (
    lookup          bigint NOT NULL,
    id              uuid NOT NULL,
    created_at      timestamptz NOT NULL,
    owner_epoch     integer NOT NULL,
    dies_with_owner boolean NOT NULL,
    crowded         boolean NOT NULL DEFAULT true,
    expires_at      timestamptz,
    not_before      timestamptz,
    revoked_at      timestamptz,
    disabled_at     timestamptz,
    deleted_at      timestamptz,
    digest          bytea NOT NULL,
    algorithm       text NOT NULL,
    pepper          text,
    kind            text COLLATE "C" NOT NULL,
    owner           text COLLATE "C" NOT NULL,
    name            text,
    scopes          text,
    data_scopes     jsonb,
    networks        text[],
    metadata        jsonb,
    description     text,
    hint            text,
    created_by      text NOT NULL,
    revoked_by      text,
    revoke_reason   text,
    rotated_from    uuid,
    rotated_to      uuid,
    sealed          bytea,
    seal            text,
    learned_at      timestamptz,
    derive_key      bytea,
    CONSTRAINT token_pkey PRIMARY KEY (id),
    CONSTRAINT token_lookup_key UNIQUE (lookup),
    CONSTRAINT token_algorithm_known CHECK (algorithm IN ('sha256', 'hmac-sha256', 'sha512', 'sha256-after-bar', 'sha512-of-hex')
        OR algorithm ~ '^hmac-sha256(-after-dot)?:[A-Za-z0-9_.-]{1,63}$'),
    CONSTRAINT token_pepper_with_hmac CHECK ((pepper IS NOT NULL) = (algorithm = 'hmac-sha256')),
    CONSTRAINT token_sealed_with_seal CHECK ((sealed IS NULL) = (seal IS NULL)),
    CONSTRAINT token_deleted_is_revoked CHECK (deleted_at IS NULL OR revoked_at IS NOT NULL)
) WITH (fillfactor = 95, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.02);

-- Entries that are equal are stored once: one of an owner with ten tokens takes what one of a single token would.
CREATE INDEX token_owner_idx ON tokenauth.token (owner, crowded, dies_with_owner, owner_epoch);
-- The tokens of most owners are few, and are sorted when they are listed. An index entry that keeps them in order takes
-- sixty bytes and more, so the first few tokens of an owner have none.
CREATE INDEX token_owner_id_idx ON tokenauth.token (owner, id) WHERE crowded;
-- By the day, of which many tokens have the same. Without a condition on what a revocation changes: it would have to
-- write every index.
CREATE INDEX token_expires_on_idx ON tokenauth.token (((expires_at AT TIME ZONE 'UTC')::date));
-- The keys that tokens need are few, and equal entries are stored once. Tokens without have none. A seal goes with the
-- sealed text when the token is revoked, which is then not HOT; a pepper stays.
CREATE INDEX token_pepper_idx ON tokenauth.token (pepper) WHERE pepper IS NOT NULL;
CREATE INDEX token_seal_idx ON tokenauth.token (seal) WHERE seal IS NOT NULL;
CREATE INDEX token_import_key_idx ON tokenauth.token (algorithm COLLATE "C") WHERE algorithm LIKE 'hmac-%:%';

COMMENT ON TABLE tokenauth.token IS 'Tokens: digests and settings, never the token text in the clear';
COMMENT ON INDEX tokenauth.token_owner_idx IS 'Finds the tokens of an owner, and counts those that no mass death has killed';
COMMENT ON INDEX tokenauth.token_owner_id_idx IS 'Lists the tokens of an owner that has many, newest first';
COMMENT ON INDEX tokenauth.token_expires_on_idx IS 'Finds the tokens that expire soon, by the day in UTC';
COMMENT ON INDEX tokenauth.token_pepper_idx IS 'Finds the peppers that tokens need';
COMMENT ON INDEX tokenauth.token_seal_idx IS 'Finds the seals that stored texts need';
COMMENT ON INDEX tokenauth.token_import_key_idx IS 'Finds the keys of other systems that imported tokens need';
COMMENT ON COLUMN tokenauth.token.lookup IS 'Public part of the token text, by which verification finds the row';
COMMENT ON COLUMN tokenauth.token.id IS 'Public identifier, uuid version 7';
COMMENT ON COLUMN tokenauth.token.created_at IS 'When it was issued';
COMMENT ON COLUMN tokenauth.token.owner_epoch IS 'Epoch of the owner when the token was issued';
COMMENT ON COLUMN tokenauth.token.dies_with_owner IS 'Whether deactivating the owner revokes it (otherwise suspends it): owner_inactive of its kind when it was issued';
COMMENT ON COLUMN tokenauth.token.crowded IS 'Whether its owner had many tokens already when it was issued';
COMMENT ON COLUMN tokenauth.token.expires_at IS 'When it stops working; NULL: never';
COMMENT ON COLUMN tokenauth.token.not_before IS 'When it starts working; NULL: at once';
COMMENT ON COLUMN tokenauth.token.revoked_at IS 'When this token itself was revoked; for mass deaths see mass_death';
COMMENT ON COLUMN tokenauth.token.disabled_at IS 'When it was disabled; NULL: it is not';
COMMENT ON COLUMN tokenauth.token.deleted_at IS 'When it was deleted, and so removed from every list; NULL: it was not';
COMMENT ON COLUMN tokenauth.token.digest IS 'Digest of the token text';
COMMENT ON COLUMN tokenauth.token.algorithm IS 'How the digest was computed';
COMMENT ON COLUMN tokenauth.token.pepper IS 'Identifier of the pepper that the digest is under';
COMMENT ON COLUMN tokenauth.token.kind IS 'The kind it belongs to';
COMMENT ON COLUMN tokenauth.token.owner IS 'The principal it acts for';
COMMENT ON COLUMN tokenauth.token.name IS 'For people';
COMMENT ON COLUMN tokenauth.token.scopes IS 'The scopes it was granted, with a blank between two; NULL for kinds of mode live and all';
COMMENT ON COLUMN tokenauth.token.data_scopes IS 'The data scopes it was granted; NULL for kinds of mode live and all';
COMMENT ON COLUMN tokenauth.token.networks IS 'Networks it may be used from; NULL: any';
COMMENT ON COLUMN tokenauth.token.metadata IS 'The application''s own data';
COMMENT ON COLUMN tokenauth.token.description IS 'For people';
COMMENT ON COLUMN tokenauth.token.hint IS 'Enough of the token text to recognise it';
COMMENT ON COLUMN tokenauth.token.created_by IS 'The principal, or role:name, that issued it';
COMMENT ON COLUMN tokenauth.token.revoked_by IS 'The principal, or role:name, that revoked it';
COMMENT ON COLUMN tokenauth.token.revoke_reason IS 'Why it was revoked';
COMMENT ON COLUMN tokenauth.token.rotated_from IS 'The token it succeeded';
COMMENT ON COLUMN tokenauth.token.rotated_to IS 'The token that succeeded it';
COMMENT ON COLUMN tokenauth.token.sealed IS 'The token text, encrypted, for kinds with reveal; wiped when the token itself is revoked or deleted';
COMMENT ON COLUMN tokenauth.token.seal IS 'Identifier of the key that opens it';
COMMENT ON COLUMN tokenauth.token.learned_at IS 'When import_revocations() last killed, disabled or shortened it; NULL: it never did';
COMMENT ON COLUMN tokenauth.token.derive_key IS 'The public key by which tokens derived from it are recognised, with a code where it has a pepper; NULL: it has none';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.token', '');

-- What the event of a token's issue shows is what its row holds; whoever changes that first leaves it here. Most tokens
-- never change, and for those it would be stored twice.
CREATE TABLE tokenauth.as_issued (
    token_id uuid NOT NULL,
    after    jsonb NOT NULL,
    CONSTRAINT as_issued_pkey PRIMARY KEY (token_id)
);

COMMENT ON TABLE tokenauth.as_issued IS 'Internal: what tokens that have been changed since were when they were issued';
COMMENT ON COLUMN tokenauth.as_issued.token_id IS 'The token';
COMMENT ON COLUMN tokenauth.as_issued.after IS 'What the event of its issue shows of it';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.as_issued', '');

-- One row for each digest algorithm of imported tokens: while it is empty, a text not of our form costs no probe.
CREATE TABLE tokenauth.import (
    algorithm text COLLATE "C" NOT NULL,
    CONSTRAINT import_pkey PRIMARY KEY (algorithm),
    CONSTRAINT import_algorithm_known CHECK (algorithm IN ('sha256', 'sha512', 'sha256-after-bar', 'sha512-of-hex')
        OR algorithm ~ '^hmac-sha256(-after-dot)?:[A-Za-z0-9_.-]{1,63}$')
);

COMMENT ON TABLE tokenauth.import IS 'The algorithms by which the digests of imported tokens were computed';
COMMENT ON COLUMN tokenauth.import.algorithm IS 'There are, or were, imported tokens with such digests';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.import', '');

-- Children are not stored: only those that were revoked by themselves, until they would have ended.
CREATE TABLE tokenauth.derived_death (
    digest     bytea NOT NULL,
    token_id   uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    at         timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CONSTRAINT derived_death_pkey PRIMARY KEY (digest)
);

COMMENT ON TABLE tokenauth.derived_death IS 'Derived tokens that were revoked by themselves and have not ended';
COMMENT ON COLUMN tokenauth.derived_death.digest IS 'SHA-256 of its text';
COMMENT ON COLUMN tokenauth.derived_death.token_id IS 'The token that it was derived from';
COMMENT ON COLUMN tokenauth.derived_death.expires_at IS 'When it would have stopped working';
COMMENT ON COLUMN tokenauth.derived_death.at IS 'When it was revoked here, or import_revocations() learned of it';

CREATE INDEX derived_death_token_id_idx ON tokenauth.derived_death (token_id, expires_at);

COMMENT ON INDEX tokenauth.derived_death_token_id_idx IS 'Counts the deaths of a token''s children that are kept for long';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.derived_death', '');

-- Inserted with the token but kept apart: counting a use never locks or rewrites the row that verification reads. Every
-- flush rewrites the rows of tokens that were used, within their pages as long as these have room: a page is left so
-- empty that its rows find it at their full size too, since no flush rewrites all of them at once
-- (src/operations/usage_worker.rs).
CREATE TABLE tokenauth.usage (
    token_id       uuid NOT NULL,
    last_used_at   timestamptz,
    request_count  bigint NOT NULL DEFAULT 0,
    denied_count   bigint NOT NULL DEFAULT 0,
    first_used_at  timestamptz,
    last_denied_at timestamptz,
    last_client    text,
    CONSTRAINT usage_pkey PRIMARY KEY (token_id)
) WITH (fillfactor = 64, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.02);

COMMENT ON TABLE tokenauth.usage IS 'When and how often tokens were used';
COMMENT ON COLUMN tokenauth.usage.token_id IS 'The token';
COMMENT ON COLUMN tokenauth.usage.last_used_at IS 'When it was last presented and found valid';
COMMENT ON COLUMN tokenauth.usage.request_count IS 'How often it was found valid';
COMMENT ON COLUMN tokenauth.usage.denied_count IS 'How often it was presented and denied';
COMMENT ON COLUMN tokenauth.usage.first_used_at IS 'When it was first found valid; NULL where the library is not preloaded';
COMMENT ON COLUMN tokenauth.usage.last_denied_at IS 'When it was last presented and denied; NULL where the library is not preloaded';
COMMENT ON COLUMN tokenauth.usage.last_client IS 'The address of the client that last presented it; NULL where none was given, or the library is not preloaded';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.usage', '');

-- An announcement is of one expiry: it no longer counts once the token's expiry changes.
CREATE TABLE tokenauth.announced (
    token_id   uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    term       interval NOT NULL,
    CONSTRAINT announced_pkey PRIMARY KEY (token_id)
);

COMMENT ON TABLE tokenauth.announced IS 'Tokens whose coming expiry was announced to listeners';
COMMENT ON COLUMN tokenauth.announced.token_id IS 'The token';
COMMENT ON COLUMN tokenauth.announced.expires_at IS 'The expiry that was announced';
COMMENT ON COLUMN tokenauth.announced.term IS 'The time within which it was to expire: a week, then a day';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.announced', '');

-- Written together with usage, from shared memory. After seven days the worker folds the hours of a day into one row.
CREATE TABLE tokenauth.usage_hourly (
    token_id      uuid NOT NULL,
    hour          timestamptz NOT NULL,
    request_count bigint NOT NULL,
    denied_count  bigint NOT NULL,
    hours_used    smallint,
    period        text NOT NULL DEFAULT 'hour',
    networks      text[] NOT NULL,
    CONSTRAINT usage_hourly_pkey PRIMARY KEY (token_id, hour),
    CONSTRAINT usage_hourly_period_known CHECK (period IN ('hour', 'day')),
    CONSTRAINT usage_hourly_day_has_hours CHECK ((hours_used IS NOT NULL) = (period = 'day'))
) WITH (fillfactor = 70, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.02);

-- Rows of one hour have equal entries, which are stored once.
CREATE INDEX usage_hourly_hour_idx ON tokenauth.usage_hourly (hour);
CREATE INDEX usage_hourly_unfolded_idx ON tokenauth.usage_hourly (hour) WHERE period = 'hour';

COMMENT ON TABLE tokenauth.usage_hourly IS 'How often tokens were used in each hour, after seven days on each day, and from which networks; needs the library preloaded';
COMMENT ON INDEX tokenauth.usage_hourly_hour_idx IS 'Finds recent rows, and old ones to remove';
COMMENT ON INDEX tokenauth.usage_hourly_unfolded_idx IS 'Finds hours to be folded into days';
COMMENT ON COLUMN tokenauth.usage_hourly.token_id IS 'The token';
COMMENT ON COLUMN tokenauth.usage_hourly.hour IS 'When the hour, or the day, began in UTC';
COMMENT ON COLUMN tokenauth.usage_hourly.request_count IS 'How often it was found valid';
COMMENT ON COLUMN tokenauth.usage_hourly.denied_count IS 'How often it was presented and denied';
COMMENT ON COLUMN tokenauth.usage_hourly.hours_used IS 'In how many hours of a day it was found valid; NULL for an hour';
COMMENT ON COLUMN tokenauth.usage_hourly.period IS 'What the row sums up: hour or day';
COMMENT ON COLUMN tokenauth.usage_hourly.networks IS 'Networks of the clients that used it, /24 of IPv4 and /48 of IPv6; at most 32, and four between two flushes';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.usage_hourly', '');

-- The last batch of usage that each server's memory has written to the tables, stored in the same transaction: so no
-- batch is written twice, and a reader knows whether what it finds in memory is already in the tables it reads.
CREATE TABLE tokenauth.usage_batch (
    node  uuid NOT NULL,
    batch bigint NOT NULL,
    at    timestamptz NOT NULL,
    CONSTRAINT usage_batch_pkey PRIMARY KEY (node)
) WITH (fillfactor = 50, vacuum_truncate = off);

COMMENT ON TABLE tokenauth.usage_batch IS 'Internal: the last batch of each server''s usage that is in the tables';
COMMENT ON COLUMN tokenauth.usage_batch.node IS 'A random number for the memory of one server, from one start to the next';
COMMENT ON COLUMN tokenauth.usage_batch.batch IS 'The last batch';
COMMENT ON COLUMN tokenauth.usage_batch.at IS 'When it was written';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.usage_batch', '');

-- Whether all uses of tokens are known, so that one that nobody uses may be revoked. No dump has its row: what is restored
-- was used where nobody counted for it.
CREATE TABLE tokenauth.counting (
    only_row boolean NOT NULL DEFAULT true,
    server   text NOT NULL,
    node     uuid NOT NULL,
    since    timestamptz NOT NULL,
    until    timestamptz NOT NULL,
    CONSTRAINT counting_pkey PRIMARY KEY (only_row),
    CONSTRAINT counting_has_one_row CHECK (only_row)
);

COMMENT ON TABLE tokenauth.counting IS 'Internal: since when every use of a token has been counted';
COMMENT ON COLUMN tokenauth.counting.only_row IS 'True: there is one row';
COMMENT ON COLUMN tokenauth.counting.server IS 'The server, its timeline and the database; anywhere else counting begins anew';
COMMENT ON COLUMN tokenauth.counting.node IS 'The memory that counted last';
COMMENT ON COLUMN tokenauth.counting.since IS 'Since when no use was missed';
COMMENT ON COLUMN tokenauth.counting.until IS 'The worker''s last round';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.counting', 'WHERE false');

CREATE TABLE tokenauth.usage_copy (
    copy  uuid NOT NULL,
    until timestamptz NOT NULL,
    CONSTRAINT usage_copy_pkey PRIMARY KEY (copy)
);

COMMENT ON TABLE tokenauth.usage_copy IS 'Internal: the servers whose usage was brought in; one that is gone is forgotten after 90 days, or when its row is deleted';
COMMENT ON COLUMN tokenauth.usage_copy.copy IS 'Stands for a standby or reader';
COMMENT ON COLUMN tokenauth.usage_copy.until IS 'Until when its usage was brought in';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.usage_copy', '');

-- Tokens of principals that were erased: what arrives of their uses later is stored without addresses.
CREATE TABLE tokenauth.erased (
    token_id uuid NOT NULL,
    CONSTRAINT erased_pkey PRIMARY KEY (token_id)
);

COMMENT ON TABLE tokenauth.erased IS 'Internal: tokens of erased principals, of whose uses no addresses are stored';
COMMENT ON COLUMN tokenauth.erased.token_id IS 'The token';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.erased', '');

-- Ids that were erased: none is put again. Only a digest, which nothing else in the database refers to.
CREATE TABLE tokenauth.erased_id (
    digest bytea NOT NULL,
    CONSTRAINT erased_id_pkey PRIMARY KEY (digest)
);

COMMENT ON TABLE tokenauth.erased_id IS 'Internal: erased principals, which cannot be put again';
COMMENT ON COLUMN tokenauth.erased_id.digest IS 'SHA-256 of the principal';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.erased_id', '');

CREATE TYPE tokenauth.recent_usage AS (
    last_used_at  timestamptz,
    request_count bigint,
    denied_count  bigint
);

COMMENT ON TYPE tokenauth.recent_usage IS 'The usage of a token that shared memory has beyond the table';
COMMENT ON COLUMN tokenauth.recent_usage.last_used_at IS 'When it was last found valid';
COMMENT ON COLUMN tokenauth.recent_usage.request_count IS 'How often it was valid since the table was written';
COMMENT ON COLUMN tokenauth.recent_usage.denied_count IS 'How often it was denied since the table was written';

-- Never read or written: invalidating it tells backends that all they cache is out of date.
CREATE TABLE tokenauth.signal ();

COMMENT ON TABLE tokenauth.signal IS 'Internal: invalidated when backends must drop all that they cache';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.signal', '');
