-- One row, rewritten within its page every two seconds. A copy that has not received a new one is behind.
CREATE TABLE tokenauth.heartbeat (
    id boolean NOT NULL DEFAULT true,
    at timestamptz NOT NULL,
    timeline integer,
    timelines integer[],
    left_at pg_lsn[],
    system bigint,
    beat uuid,
    after uuid,
    changed bigint,
    gap text,
    CONSTRAINT heartbeat_pkey PRIMARY KEY (id),
    CONSTRAINT heartbeat_is_one_row CHECK (id)
) WITH (fillfactor = 50, vacuum_truncate = off);

COMMENT ON TABLE tokenauth.heartbeat IS 'The primary''s last beat, by which its copies tell how old they are; written while there is a publication for readers, or tokenauth.heartbeat is on';
COMMENT ON COLUMN tokenauth.heartbeat.id IS 'Always true: there is one row';
COMMENT ON COLUMN tokenauth.heartbeat.at IS 'When the primary was alive, by its own clock';
COMMENT ON COLUMN tokenauth.heartbeat.timeline IS 'The timeline that it was on';
COMMENT ON COLUMN tokenauth.heartbeat.timelines IS 'Those that came before, unless their history cannot be read';
COMMENT ON COLUMN tokenauth.heartbeat.left_at IS 'Where each of these was left';
COMMENT ON COLUMN tokenauth.heartbeat.system IS 'Its cluster''s system identifier';
COMMENT ON COLUMN tokenauth.heartbeat.beat IS 'Which beat it is';
COMMENT ON COLUMN tokenauth.heartbeat.after IS 'Which came before';
COMMENT ON COLUMN tokenauth.heartbeat.changed IS 'How many records of changes it has removed';
COMMENT ON COLUMN tokenauth.heartbeat.gap IS 'On a reader: why it lacks something that the primary has changed';

-- Written by each transaction that changes what verification reads, in that transaction itself: whoever has applied one has
-- the other. The next beat removes what it finds and says how much that was, so that a reader counts whether it had all.
CREATE TABLE tokenauth.change (
    id uuid NOT NULL,
    CONSTRAINT change_pkey PRIMARY KEY (id)
) WITH (vacuum_truncate = off);

COMMENT ON TABLE tokenauth.change IS 'A row for each transaction that has changed what verification reads, until the next beat; written while there is a publication for readers';
COMMENT ON COLUMN tokenauth.change.id IS 'Made for the transaction';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.heartbeat', '');
SELECT pg_catalog.pg_extension_config_dump('tokenauth.change', '');
