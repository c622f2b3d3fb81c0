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
COMMENT ON FUNCTION tokenauth.count_findings IS 'Internal: how many findings doctor has in the areas that it examines by catalogs alone, for the view metrics';
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
COMMENT ON INDEX tokenauth.token_pepper_idx IS 'Finds the peppers that tokens need';
COMMENT ON INDEX tokenauth.token_seal_idx IS 'Finds the seals that stored texts need';

-- Last, since it is for everything that this script has made: nothing of that is granted to anybody.
SELECT tokenauth.strip_grants();
