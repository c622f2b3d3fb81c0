\echo Use "ALTER EXTENSION tokenauth UPDATE TO '0.2.0'" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

-- A library that is older than this script, since it was loaded before its file was replaced, is told by one clear error.
CREATE FUNCTION tokenauth.require_library() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'require_library_wrapper';
SELECT tokenauth.require_library();
DROP FUNCTION tokenauth.require_library();

-- The view metrics, and the functions whose answers it shows.
CREATE FUNCTION tokenauth.server_metrics() RETURNS TABLE (
    name   text,
    labels jsonb,
    value  double precision
)
STRICT VOLATILE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'server_metrics_wrapper';

CREATE FUNCTION tokenauth.count_findings() RETURNS TABLE (
    area     text,
    findings bigint
)
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'count_findings_wrapper';

CREATE FUNCTION tokenauth.count_expiring() RETURNS TABLE (
    within text,
    tokens bigint
)
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'count_expiring_wrapper';

COMMENT ON FUNCTION tokenauth.server_metrics IS 'Internal: what the memory of this server counts, for the view metrics';
COMMENT ON FUNCTION tokenauth.count_findings IS 'Internal: how many findings doctor has in each area without reading whole tables, for the view metrics';
COMMENT ON FUNCTION tokenauth.count_expiring IS 'Internal: how many tokens that are alive expire within a day, and within a week, for the view metrics';

-- Each part names its metric, so that the planner leaves out what a query by name does not ask for; what is in memory
-- costs next to nothing. Nothing reads all tokens: the numbers of rows and pages are those that the planner goes by.
CREATE VIEW tokenauth.metrics AS
SELECT m.name, m.labels, m.value
  FROM tokenauth.server_metrics() m
UNION ALL
SELECT 'tokenauth_extension_info'::text, pg_catalog.jsonb_build_object('version', e.extversion), 1::double precision
  FROM pg_catalog.pg_extension e
 WHERE e.extname = 'tokenauth'
UNION ALL
SELECT 'tokenauth_doctor_findings'::text, pg_catalog.jsonb_build_object('area', f.area), f.findings::double precision
  FROM tokenauth.count_findings() f
UNION ALL
SELECT 'tokenauth_tokens_expiring'::text, pg_catalog.jsonb_build_object('within', e.within), e.tokens::double precision
  FROM tokenauth.count_expiring() e
UNION ALL
-- A standby has no such counts of its own.
SELECT m.name, '{}'::jsonb, pg_catalog.pg_stat_get_tuples_inserted(m.inserted)::double precision
  FROM (VALUES ('tokenauth_tokens_issued_total'::text, 'tokenauth.token'::regclass),
               ('tokenauth_mass_deaths_total', 'tokenauth.mass_death'::regclass),
               ('tokenauth_events_total', 'tokenauth.event'::regclass)) m (name, inserted)
 WHERE NOT pg_catalog.pg_is_in_recovery()
UNION ALL
SELECT m.name, pg_catalog.jsonb_build_object('table', c.relname), m.value
  FROM pg_catalog.pg_class c
 CROSS JOIN LATERAL (
       SELECT pg_catalog.sum(r.relpages) AS pages
         FROM (SELECT c.relpages
               UNION ALL
               SELECT t.relpages FROM pg_catalog.pg_class t WHERE t.oid = c.reltoastrelid
               UNION ALL
               SELECT i.relpages
                 FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
                WHERE x.indrelid = c.oid) r) s
 CROSS JOIN LATERAL (
       VALUES ('tokenauth_table_rows'::text, c.reltuples::double precision),
              ('tokenauth_table_size_bytes',
               s.pages::double precision * pg_catalog.current_setting('block_size')::double precision)) m (name, value)
 WHERE c.oid IN ('tokenauth.token'::regclass, 'tokenauth.principal'::regclass, 'tokenauth.member'::regclass,
                 'tokenauth.mass_death'::regclass, 'tokenauth.event'::regclass, 'tokenauth.usage'::regclass,
                 'tokenauth.usage_hourly'::regclass)
   -- Of one that was neither vacuumed nor analyzed yet, neither is known.
   AND c.reltuples >= 0;

COMMENT ON VIEW tokenauth.metrics IS 'What a monitoring system reads: metrics by the conventions of Prometheus, each at a price that does not grow with the tokens';
COMMENT ON COLUMN tokenauth.metrics.name IS 'Name; that of a counter ends in _total';
COMMENT ON COLUMN tokenauth.metrics.labels IS 'An object from label to value';
COMMENT ON COLUMN tokenauth.metrics.value IS 'The value';

-- Comments that say in a sentence what a function does.
COMMENT ON FUNCTION tokenauth.authenticate_digest IS 'Authenticates the transaction as authenticate does, given the SHA-256 of the token';
COMMENT ON FUNCTION tokenauth.authenticate_request IS 'Authenticates the transaction as authenticate does, by the token in the headers of an HTTP request';
COMMENT ON FUNCTION tokenauth.sign_in_digest IS 'Verifies a token as sign_in does, given its SHA-256';
COMMENT ON FUNCTION tokenauth.sign_in_request IS 'Verifies as sign_in does, for the token in the headers of an HTTP request';
COMMENT ON FUNCTION tokenauth.current_owner IS 'Returns the principal that the transaction acts for; NULL when nobody is authenticated';
COMMENT ON FUNCTION tokenauth.current_owner_type IS 'Returns the type of the principal that the transaction acts for';
COMMENT ON FUNCTION tokenauth.current_owner_id IS 'Returns the id of the principal that the transaction acts for, without its type';
COMMENT ON FUNCTION tokenauth.current_token_id IS 'Returns the id of the token that authenticated the transaction';
COMMENT ON FUNCTION tokenauth.current_kind IS 'Returns the kind of the token that authenticated the transaction';
COMMENT ON FUNCTION tokenauth.current_scopes IS 'Returns the scopes that the token granted when it authenticated the transaction';
COMMENT ON FUNCTION tokenauth.has_scope IS 'Tells whether the transaction is authenticated by a token that grants this scope';
COMMENT ON FUNCTION tokenauth.data_scope IS 'Returns the allowed values of a dimension; NULL when unrestricted, none when nobody is authenticated';
COMMENT ON FUNCTION tokenauth.in_data_scope IS 'Tells whether the transaction is authenticated by a token that allows this value of a dimension';
COMMENT ON FUNCTION tokenauth.pre_request IS 'Authenticates the transaction by the headers of PostgREST''s request, as its db-pre-request, or raises the response';
COMMENT ON FUNCTION tokenauth.strip_grants IS 'Internal: revokes what default privileges grant while the extension is created or updated';
COMMENT ON FUNCTION tokenauth.doctor IS 'Lists what is not as it ought to be, and what to do about it, the most urgent first';
COMMENT ON FUNCTION tokenauth.expiring IS 'Lists tokens that are alive and expire within this time, the first to expire first';
COMMENT ON FUNCTION tokenauth.idle IS 'Lists tokens that are alive and were neither issued nor used within this time, the longest idle first';
COMMENT ON FUNCTION tokenauth.contains_token IS 'Tells whether a text contains a token';
COMMENT ON FUNCTION tokenauth.mask IS 'Returns the text with every token in it hidden except for its hint';
COMMENT ON FUNCTION tokenauth.report IS 'Shows the state of things on one page: tokens by kind, expiring, idle, unusual, newly dead, drift, settings';
COMMENT ON FUNCTION tokenauth.sync_principal IS 'Keeps principals or memberships in step with a table, as the function of a trigger on it';
COMMENT ON FUNCTION tokenauth.stats IS 'Shows how often each verdict was given in this database, on this server';
COMMENT ON FUNCTION tokenauth.unusual_activity IS 'Lists recent unusual use of tokens, with its evidence';
COMMENT ON FUNCTION tokenauth.covers IS 'Tells whether a list of scopes grants all of this scope or pattern';

-- Digests of older systems that hash a part of the text, the bytes that it spells, or under a key
ALTER TABLE tokenauth.token
    DROP CONSTRAINT token_algorithm_known,
    ADD CONSTRAINT token_algorithm_known CHECK (algorithm IN ('sha256', 'hmac-sha256', 'sha512', 'sha256-after-bar', 'sha512-of-hex')
        OR algorithm ~ '^hmac-sha256(-after-dot)?:[A-Za-z0-9_.-]{1,63}$');
ALTER TABLE tokenauth.import
    DROP CONSTRAINT import_algorithm_known,
    ADD CONSTRAINT import_algorithm_known CHECK (algorithm IN ('sha256', 'sha512', 'sha256-after-bar', 'sha512-of-hex')
        OR algorithm ~ '^hmac-sha256(-after-dot)?:[A-Za-z0-9_.-]{1,63}$');
COMMENT ON COLUMN tokenauth.token.digest IS 'Digest of the token text';

-- Derived tokens.
ALTER TABLE tokenauth.kind
    DROP CONSTRAINT kind_derivable_not_supported_yet,
    DROP CONSTRAINT kind_max_derived_lifetime_not_supported_yet,
    ADD CONSTRAINT kind_max_derived_lifetime_positive CHECK (max_derived_lifetime > '0');
ALTER TABLE tokenauth.token DROP CONSTRAINT token_derive_key_not_supported_yet;

COMMENT ON COLUMN tokenauth.kind.derivable IS 'Whether holders may derive narrower, short-lived tokens from its tokens';
COMMENT ON COLUMN tokenauth.kind.max_derived_lifetime IS 'Longest lifetime of such a token';
COMMENT ON COLUMN tokenauth.token.derive_key IS 'The public key by which tokens derived from it are recognised, with a code where it has a pepper; NULL: it has none';

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

CREATE FUNCTION tokenauth.signal_derived_death() RETURNS trigger
STRICT VOLATILE PARALLEL UNSAFE LANGUAGE c AS 'MODULE_PATHNAME', 'signal_derived_death_wrapper';

COMMENT ON FUNCTION tokenauth.signal_derived_death IS 'Internal: trigger on the table of children that were revoked by themselves';

CREATE TRIGGER signal
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.derived_death
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_derived_death();
CREATE TRIGGER signal_row
    AFTER INSERT OR UPDATE OR DELETE ON tokenauth.derived_death
    FOR EACH ROW EXECUTE FUNCTION tokenauth.signal_derived_death();

ALTER TABLE tokenauth.derived_death ENABLE ALWAYS TRIGGER signal, ENABLE ALWAYS TRIGGER signal_row;

COMMENT ON TRIGGER signal ON tokenauth.derived_death IS 'Keeps a transaction that writes from caching; after TRUNCATE every backend drops what it caches';
COMMENT ON TRIGGER signal_row ON tokenauth.derived_death IS 'Makes every backend drop what it caches of a revoked child and its parent';

CREATE FUNCTION tokenauth.derive(
    token text,
    expires_in interval DEFAULT '5 mins',
    scopes text[] DEFAULT NULL,
    data_scopes jsonb DEFAULT NULL,
    networks text[] DEFAULT NULL,
    label text DEFAULT NULL
) RETURNS text
VOLATILE PARALLEL UNSAFE LANGUAGE c AS 'MODULE_PATHNAME', 'derive_wrapper';

COMMENT ON FUNCTION tokenauth.derive IS 'Derives from a token another one, which works for a short time and grants no more';

CREATE FUNCTION tokenauth.current_derived() RETURNS jsonb
STRICT STABLE PARALLEL RESTRICTED LANGUAGE c AS 'MODULE_PATHNAME', 'current_derived_wrapper';

COMMENT ON FUNCTION tokenauth.current_derived IS 'Returns label and end of the derived token that authenticated the transaction; NULL for any other';

-- doctor(): the keys that tokens need are found by an index.
CREATE INDEX token_pepper_idx ON tokenauth.token (pepper) WHERE pepper IS NOT NULL;
CREATE INDEX token_seal_idx ON tokenauth.token (seal) WHERE seal IS NOT NULL;
CREATE INDEX token_import_key_idx ON tokenauth.token (algorithm COLLATE "C") WHERE algorithm LIKE 'hmac-%:%';
COMMENT ON INDEX tokenauth.token_pepper_idx IS 'Finds the peppers that tokens need';
COMMENT ON INDEX tokenauth.token_seal_idx IS 'Finds the seals that stored texts need';
COMMENT ON INDEX tokenauth.token_import_key_idx IS 'Finds the keys of other systems that imported tokens need';

-- introspect
CREATE FUNCTION tokenauth."introspect"(
	"token" text,
	"require" text[] DEFAULT '{}',
	"client" text DEFAULT NULL
) RETURNS jsonb
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'introspect_wrapper';
COMMENT ON FUNCTION tokenauth.introspect IS 'Verifies a token, and answers as RFC 7662 describes it';

-- max_age and max_idle
ALTER TABLE tokenauth.kind
    DROP CONSTRAINT kind_max_age_not_supported_yet,
    DROP CONSTRAINT kind_max_idle_not_supported_yet,
    ADD CONSTRAINT kind_max_age_in_range CHECK (max_age > '0' AND max_age <= '1000 years'),
    ADD CONSTRAINT kind_max_idle_in_range CHECK (max_idle > '0' AND max_idle <= '1000 years');
COMMENT ON COLUMN tokenauth.kind.max_age IS 'The age at which its tokens expire, whatever their expires_at; NULL: none';
COMMENT ON COLUMN tokenauth.kind.max_idle IS 'How long a token may go unused before it is revoked; needs the library preloaded; NULL: as long as it likes';
CREATE OR REPLACE VIEW tokenauth.tokens AS
SELECT CASE
           WHEN NOT (t.revoked_at IS NULL
                     AND p.dropped_at IS NULL
                     AND t.owner_epoch >= p.all_dead_before_epoch
                     AND (NOT t.dies_with_owner OR p.active AND t.owner_epoch >= p.revocable_dead_before_epoch))
                THEN 'revoked'
           WHEN t.disabled_at IS NOT NULL THEN 'disabled'
           WHEN t.not_before > c.now THEN 'not_yet_valid'
           WHEN least(t.expires_at, (t.created_at AT TIME ZONE 'UTC' + k.max_age) AT TIME ZONE 'UTC') <= c.now THEN 'expired'
           WHEN NOT p.active THEN 'suspended'
           ELSE 'active'
       END AS status,
       t.hint,
       t.owner,
       t.name,
       t.kind,
       least(t.expires_at, (t.created_at AT TIME ZONE 'UTC' + k.max_age) AT TIME ZONE 'UTC') AS expires_at,
       greatest(u.last_used_at, (m.recent).last_used_at) AS last_used_at,
       coalesce(u.request_count, 0) + coalesce((m.recent).request_count, 0) AS request_count,
       coalesce(u.denied_count, 0) + coalesce((m.recent).denied_count, 0) AS denied_count,
       t.created_at,
       t.created_by,
       t.description,
       pg_catalog.string_to_array(t.scopes, ' ') AS scopes,
       t.data_scopes,
       t.not_before,
       t.networks,
       -- A token shows one death: the first.
       CASE WHEN d.at < t.revoked_at OR t.revoked_at IS NULL THEN d.at ELSE t.revoked_at END AS revoked_at,
       CASE WHEN d.at < t.revoked_at OR t.revoked_at IS NULL THEN d.by ELSE t.revoked_by END AS revoked_by,
       CASE WHEN d.at < t.revoked_at OR t.revoked_at IS NULL THEN d.reason ELSE t.revoke_reason END AS revoke_reason,
       t.rotated_from,
       t.metadata,
       t.id
  FROM tokenauth.token t
  JOIN tokenauth.principal p ON p.principal = t.owner
  LEFT JOIN tokenauth.kind k ON k.name = t.kind
  LEFT JOIN tokenauth.usage u ON u.token_id = t.id
 -- Once for each token, not once for each column.
 CROSS JOIN LATERAL (SELECT tokenauth.recent_usage(t.id) AS recent OFFSET 0) m
  CROSS JOIN (SELECT pg_catalog.clock_timestamp() AS now) c
  LEFT JOIN LATERAL (
       SELECT m.at, m.by, m.reason
         FROM tokenauth.mass_death m
        WHERE m.owner = t.owner
          AND m.epoch > t.owner_epoch
          AND (m.covers = 'all' OR t.dies_with_owner)
        ORDER BY m.epoch
        LIMIT 1) d ON true
 WHERE t.deleted_at IS NULL;

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

-- noncompliant and enforce
CREATE FUNCTION tokenauth."noncompliant"(
	"kind" text DEFAULT '*'
) RETURNS TABLE (
	"id" uuid,
	"owner" text,
	"kind" text,
	"rule" TEXT,
	"since" timestamptz,
	"hint" text
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'noncompliant_wrapper';
COMMENT ON FUNCTION tokenauth.noncompliant IS 'Lists tokens that are alive and break a rule that their kind has today, once for each rule';
CREATE FUNCTION tokenauth."enforce"(
	"kind" text,
	"rules" text[],
	"reason" text DEFAULT NULL,
	"dry_run" bool DEFAULT true
) RETURNS bigint
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'enforce_wrapper';
COMMENT ON FUNCTION tokenauth.enforce IS 'Applies rules of a kind to the tokens that break them; returns how many, of all rules together';

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

-- erase
CREATE FUNCTION tokenauth."erase"(
	"principal" text
) RETURNS bigint
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'erase_wrapper';
COMMENT ON FUNCTION tokenauth.erase IS 'Forgets a principal: drops it, and replaces its id wherever it stands; returns in how many rows';

-- scan_pattern and report_leak
CREATE FUNCTION tokenauth."scan_pattern"(
	"kind" text
) RETURNS TEXT
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'scan_pattern_wrapper';
COMMENT ON FUNCTION tokenauth.scan_pattern IS 'Returns a regular expression that finds every token of a kind, and those derived from them, in any text';
CREATE FUNCTION tokenauth."report_leak"(
	"report" jsonb,
	"reason" text DEFAULT 'leaked'
) RETURNS jsonb
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'report_leak_wrapper';
COMMENT ON FUNCTION tokenauth.report_leak IS 'Takes a report of leaked tokens, revokes those that are ours, and answers which these are';

-- Readers: beats by which copies tell how old they are, and what readers subscribe to.
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

CREATE FUNCTION tokenauth.follow_beats() RETURNS trigger
STRICT VOLATILE PARALLEL UNSAFE LANGUAGE c AS 'MODULE_PATHNAME', 'follow_beats_wrapper';

COMMENT ON FUNCTION tokenauth.follow_beats IS 'Internal: trigger by which a reader notices that it lacks something that its primary has changed';

CREATE TRIGGER follow
    BEFORE INSERT OR UPDATE OR DELETE ON tokenauth.heartbeat
    FOR EACH ROW EXECUTE FUNCTION tokenauth.follow_beats();
CREATE TRIGGER follow_truncate
    AFTER TRUNCATE ON tokenauth.heartbeat
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.follow_beats();
CREATE TRIGGER follow
    AFTER DELETE ON tokenauth.change
    FOR EACH ROW EXECUTE FUNCTION tokenauth.follow_beats();

ALTER TABLE tokenauth.heartbeat ENABLE REPLICA TRIGGER follow, ENABLE REPLICA TRIGGER follow_truncate;
ALTER TABLE tokenauth.change ENABLE REPLICA TRIGGER follow;
COMMENT ON TRIGGER follow ON tokenauth.heartbeat IS 'Believes no beat once this reader lacks something that the primary has changed';
COMMENT ON TRIGGER follow_truncate ON tokenauth.heartbeat IS 'The same when somebody has emptied the table on the primary';
COMMENT ON TRIGGER follow ON tokenauth.change IS 'Counts what a beat removes';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.heartbeat', '');
SELECT pg_catalog.pg_extension_config_dump('tokenauth.change', '');

CREATE FUNCTION tokenauth.make_publication(name text DEFAULT 'tokenauth') RETURNS text[]
VOLATILE PARALLEL UNSAFE LANGUAGE c AS 'MODULE_PATHNAME', 'make_publication_wrapper';

COMMENT ON FUNCTION tokenauth.make_publication IS 'Publishes the tables that readers follow, and returns their names';
COMMENT ON FUNCTION tokenauth.usage_export IS 'Returns a batch of the usage that this standby or reader has counted, for usage_import on the primary; NULL when there is none';
COMMENT ON FUNCTION tokenauth.usage_import IS 'Adds a batch of usage from a standby or a reader, each batch once; returns the number of its tokens, 0 for a batch added before';

-- Readers: whatever else a statement by hand could change there.
CREATE FUNCTION tokenauth.guard_copied() RETURNS trigger
STRICT VOLATILE PARALLEL UNSAFE LANGUAGE c AS 'MODULE_PATHNAME', 'guard_copied_wrapper';

COMMENT ON FUNCTION tokenauth.guard_copied IS 'Internal: trigger on tables that a reader does not write, and of which backends cache nothing';

CREATE TRIGGER guard_copied
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.member
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();
CREATE TRIGGER guard_copied
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.mass_death
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();
CREATE TRIGGER guard_copied
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.key
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();
CREATE TRIGGER guard_copied
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.heartbeat
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();
CREATE TRIGGER guard_copied
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.change
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();
CREATE TRIGGER guard_copied
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON tokenauth.usage_batch
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();
CREATE TRIGGER guard_copied
    BEFORE INSERT ON tokenauth.event
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_copied();

ALTER TABLE tokenauth.member ENABLE ALWAYS TRIGGER guard_copied;
ALTER TABLE tokenauth.mass_death ENABLE ALWAYS TRIGGER guard_copied;
ALTER TABLE tokenauth.key ENABLE ALWAYS TRIGGER guard_copied;
ALTER TABLE tokenauth.heartbeat ENABLE ALWAYS TRIGGER guard_copied;
ALTER TABLE tokenauth.change ENABLE ALWAYS TRIGGER guard_copied;
ALTER TABLE tokenauth.usage_batch ENABLE ALWAYS TRIGGER guard_copied;
ALTER TABLE tokenauth.event ENABLE ALWAYS TRIGGER guard_copied;

COMMENT ON TRIGGER guard_copied ON tokenauth.member IS 'Refuses on a reader every change but those of its subscription';
COMMENT ON TRIGGER guard_copied ON tokenauth.mass_death IS 'Refuses on a reader every change but those of its subscription';
COMMENT ON TRIGGER guard_copied ON tokenauth.key IS 'Refuses on a reader every change but those of its subscription';
COMMENT ON TRIGGER guard_copied ON tokenauth.heartbeat IS 'Refuses on a reader every change but those of its subscription';
COMMENT ON TRIGGER guard_copied ON tokenauth.change IS 'Refuses on a reader every change but those of its subscription';
COMMENT ON TRIGGER guard_copied ON tokenauth.usage_batch IS 'Refuses on a reader every change but those of its subscription';
COMMENT ON TRIGGER guard_copied ON tokenauth.event IS 'Refuses on a reader to record what it does not do';

-- The fence
CREATE FUNCTION tokenauth.accept_restore() RETURNS bool
VOLATILE STRICT PARALLEL UNSAFE LANGUAGE c AS 'MODULE_PATHNAME', 'accept_restore_wrapper';

COMMENT ON FUNCTION tokenauth.accept_restore IS 'Lets a server that has come back older than it was verify and change tokens again; returns whether it was fenced';

-- Pages of tokens in one status
CREATE INDEX principal_stopping_idx ON tokenauth.principal (principal)
    WHERE CASE WHEN active THEN all_dead_before_epoch > 0 OR revocable_dead_before_epoch > 0 OR dropped_at IS NOT NULL
               ELSE true END;

COMMENT ON INDEX tokenauth.principal_stopping_idx IS 'Finds the principals that may keep tokens of theirs from working: inactive or dropped ones, and those whose tokens died at once';

-- Principals written by hand
CREATE TRIGGER signal_insert
    AFTER INSERT ON tokenauth.principal
    FOR EACH ROW WHEN (NEW.all_dead_before_epoch > 0 OR tokenauth.signal_principal('', NEW.principal))
    EXECUTE FUNCTION tokenauth.signal_change();
CREATE TRIGGER signal_truncate
    AFTER TRUNCATE ON tokenauth.principal
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.signal_change();

ALTER TABLE tokenauth.principal ENABLE ALWAYS TRIGGER signal_insert, ENABLE ALWAYS TRIGGER signal_truncate;

COMMENT ON TRIGGER signal_insert ON tokenauth.principal IS 'Has a row that was written by hand know of the deaths of its tokens';
COMMENT ON TRIGGER signal_truncate ON tokenauth.principal IS 'Remembers that all tokens have died whose owners somebody has removed';

-- Last, since it is for everything that this script has made: nothing of that is granted to anybody.
SELECT tokenauth.strip_grants();
