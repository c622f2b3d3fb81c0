-- One row, rewritten within its page every two seconds. A copy that has not received a new one is behind.
CREATE TABLE tokenauth.heartbeat (
    id boolean NOT NULL DEFAULT true,
    at timestamptz NOT NULL,
    CONSTRAINT heartbeat_pkey PRIMARY KEY (id),
    CONSTRAINT heartbeat_is_one_row CHECK (id)
) WITH (fillfactor = 50, vacuum_truncate = off);

COMMENT ON TABLE tokenauth.heartbeat IS 'The primary''s last beat, by which its copies tell how old they are; written while there is a publication for readers, or tokenauth.heartbeat is on';
COMMENT ON COLUMN tokenauth.heartbeat.id IS 'Always true: there is one row';
COMMENT ON COLUMN tokenauth.heartbeat.at IS 'When the primary was alive, by its own clock';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.heartbeat', '');
