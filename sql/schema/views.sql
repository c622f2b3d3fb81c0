-- The status checks the same facts in the same order as verification. What it says of death and expiry, statements of
-- ours say in the same words (src/catalog/token/life.rs), and list() makes the same rows without it
-- (src/lifecycle/shown.rs).
CREATE VIEW tokenauth.tokens AS
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

COMMENT ON VIEW tokenauth.tokens IS 'Every token that was not deleted, with its current status';
COMMENT ON COLUMN tokenauth.tokens.status IS 'active, disabled, not_yet_valid, expired, revoked or suspended';
COMMENT ON COLUMN tokenauth.tokens.hint IS 'Enough of the token text to recognise it';
COMMENT ON COLUMN tokenauth.tokens.owner IS 'The principal it acts for';
COMMENT ON COLUMN tokenauth.tokens.name IS 'For people';
COMMENT ON COLUMN tokenauth.tokens.kind IS 'The kind it belongs to';
COMMENT ON COLUMN tokenauth.tokens.expires_at IS 'When it stops working; NULL: never';
COMMENT ON COLUMN tokenauth.tokens.last_used_at IS 'When it was last found valid';
COMMENT ON COLUMN tokenauth.tokens.request_count IS 'How often it was found valid';
COMMENT ON COLUMN tokenauth.tokens.denied_count IS 'How often it was presented and denied';
COMMENT ON COLUMN tokenauth.tokens.created_at IS 'When it was issued';
COMMENT ON COLUMN tokenauth.tokens.created_by IS 'The principal, or role:name, that issued it';
COMMENT ON COLUMN tokenauth.tokens.description IS 'For people';
COMMENT ON COLUMN tokenauth.tokens.scopes IS 'The scopes it was granted; NULL for kinds of mode live and all';
COMMENT ON COLUMN tokenauth.tokens.data_scopes IS 'The data scopes it was granted; NULL for kinds of mode live and all';
COMMENT ON COLUMN tokenauth.tokens.not_before IS 'When it starts working; NULL: at once';
COMMENT ON COLUMN tokenauth.tokens.networks IS 'Networks it may be used from; NULL: any';
COMMENT ON COLUMN tokenauth.tokens.revoked_at IS 'When it died';
COMMENT ON COLUMN tokenauth.tokens.revoked_by IS 'The principal, or role:name, that killed it';
COMMENT ON COLUMN tokenauth.tokens.revoke_reason IS 'Why it died';
COMMENT ON COLUMN tokenauth.tokens.rotated_from IS 'The token it succeeded';
COMMENT ON COLUMN tokenauth.tokens.metadata IS 'The application''s own data';
COMMENT ON COLUMN tokenauth.tokens.id IS 'Public identifier';

-- The event of an issue does not repeat what the row of the token holds, or held until it was changed. Looked up for those
-- rows that are shown: a view that joins tables would not pass on the refusal to change history.
CREATE VIEW tokenauth.events AS
SELECT e.id,
       e.at,
       e.event,
       e.token_id,
       e.kind,
       e.owner,
       e.actor,
       e.acting_token,
       e.acting_label,
       e.role,
       e.session_role,
       e.client,
       e.before,
       CASE WHEN e.after IS NULL AND e.event IN ('token.issued', 'token.imported') THEN coalesce(
           (SELECT a.after FROM tokenauth.as_issued a WHERE a.token_id = e.token_id),
           (SELECT pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
                       'hint', t.hint,
                       'name', t.name,
                       'description', t.description,
                       'scopes', pg_catalog.string_to_array(t.scopes, ' '),
                       'data_scopes', t.data_scopes,
                       'expires_at', pg_catalog.to_jsonb(t.expires_at AT TIME ZONE 'UTC') #>> '{}' || '+00:00',
                       'not_before', pg_catalog.to_jsonb(t.not_before AT TIME ZONE 'UTC') #>> '{}' || '+00:00',
                       'networks', t.networks,
                       'metadata', t.metadata,
                       'rotated_from', t.rotated_from))
              FROM tokenauth.token t WHERE t.id = e.token_id))
           ELSE e.after END AS after,
       e.correlation_id
  FROM tokenauth.event e;

COMMENT ON VIEW tokenauth.events IS 'Every change of a kind, principal, membership or token, and samples of denials';
COMMENT ON COLUMN tokenauth.events.id IS 'Identifier, uuid version 7';
COMMENT ON COLUMN tokenauth.events.at IS 'When it happened';
COMMENT ON COLUMN tokenauth.events.event IS 'What happened, such as token.issued';
COMMENT ON COLUMN tokenauth.events.token_id IS 'The token concerned';
COMMENT ON COLUMN tokenauth.events.kind IS 'The kind concerned';
COMMENT ON COLUMN tokenauth.events.owner IS 'The principal concerned';
COMMENT ON COLUMN tokenauth.events.actor IS 'The principal that asked for it; NULL for a trusted call';
COMMENT ON COLUMN tokenauth.events.acting_token IS 'The token that authenticated the transaction; NULL when none did';
COMMENT ON COLUMN tokenauth.events.acting_label IS 'The label of that token, if it was derived from another';
COMMENT ON COLUMN tokenauth.events.role IS 'The effective user, whose access was used';
COMMENT ON COLUMN tokenauth.events.session_role IS 'The role that was logged in; NULL when it is the same';
COMMENT ON COLUMN tokenauth.events.client IS 'Address of the database client; NULL over a Unix socket';
COMMENT ON COLUMN tokenauth.events.before IS 'The changed fields as they were';
COMMENT ON COLUMN tokenauth.events.after IS 'The changed fields as they are now';
COMMENT ON COLUMN tokenauth.events.correlation_id IS 'The id of the last verification before it in the same transaction; NULL: there was none';

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
