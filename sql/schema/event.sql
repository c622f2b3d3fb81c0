-- What a token was when it was issued is in its row, or in tokenauth.as_issued once that has changed; the view shows it.
-- No change of a token is recorded but by functions of ours, which see to that.
CREATE TABLE tokenauth.event (
    id             uuid NOT NULL,
    at             timestamptz NOT NULL,
    token_id       uuid,
    acting_token   uuid,
    event          text NOT NULL,
    kind           text,
    owner          text,
    actor          text,
    acting_label   text,
    role           text NOT NULL,
    session_role   text,
    client         text,
    before         jsonb,
    after          jsonb,
    correlation_id text,
    CONSTRAINT event_pkey PRIMARY KEY (id)
);

-- Without the id behind it, an index entry of an owner takes a fifth, since equal ones are stored once. Few owners have
-- so many events that sorting theirs takes long, and for those the planner walks the primary key. Neither index has a
-- condition: that would be prepared for each row, and what is NULL takes next to nothing. NULL comes first, so that the
-- newest token is at the end, where pages are filled.
CREATE INDEX event_token_id_idx ON tokenauth.event (token_id NULLS FIRST);
CREATE INDEX event_owner_idx ON tokenauth.event (owner);

COMMENT ON TABLE tokenauth.event IS 'History: one row for each change, written in its transaction; rows never change, and only purge() removes them';
COMMENT ON INDEX tokenauth.event_token_id_idx IS 'Finds the history of a token';
COMMENT ON INDEX tokenauth.event_owner_idx IS 'Finds the history of a principal and its tokens';
COMMENT ON COLUMN tokenauth.event.id IS 'Identifier, uuid version 7';
COMMENT ON COLUMN tokenauth.event.at IS 'When it happened';
COMMENT ON COLUMN tokenauth.event.event IS 'What happened, such as token.issued';
COMMENT ON COLUMN tokenauth.event.token_id IS 'The token concerned';
COMMENT ON COLUMN tokenauth.event.kind IS 'The kind concerned';
COMMENT ON COLUMN tokenauth.event.owner IS 'The principal concerned';
COMMENT ON COLUMN tokenauth.event.actor IS 'The principal that asked for it; NULL for a trusted call';
COMMENT ON COLUMN tokenauth.event.acting_token IS 'The token that authenticated the transaction; NULL when none did';
COMMENT ON COLUMN tokenauth.event.acting_label IS 'The label of that token, if it was derived from another';
COMMENT ON COLUMN tokenauth.event.role IS 'The effective user, whose access was used';
COMMENT ON COLUMN tokenauth.event.session_role IS 'The role that was logged in; NULL when it is the same';
COMMENT ON COLUMN tokenauth.event.client IS 'Address of the database client; NULL over a Unix socket';
COMMENT ON COLUMN tokenauth.event.before IS 'The changed fields as they were';
COMMENT ON COLUMN tokenauth.event.after IS 'The changed fields as they are now; NULL for a token that was issued, whose row has them';
COMMENT ON COLUMN tokenauth.event.correlation_id IS 'The id of the last verification before it in the same transaction; NULL: there was none';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.event', '');

CREATE TABLE tokenauth.key (
    id          text COLLATE "C" NOT NULL,
    check_value bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT key_pkey PRIMARY KEY (id),
    CONSTRAINT key_check_value_length CHECK (pg_catalog.octet_length(check_value) = 32)
);

COMMENT ON TABLE tokenauth.key IS 'Keys in use, so that a missing or wrong key can be told from an unknown token';
COMMENT ON COLUMN tokenauth.key.id IS 'Identifier of the key in the key file';
COMMENT ON COLUMN tokenauth.key.check_value IS 'HMAC-SHA-256 of a constant under the key';
COMMENT ON COLUMN tokenauth.key.created_at IS 'When the key was first used here';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.key', '');
