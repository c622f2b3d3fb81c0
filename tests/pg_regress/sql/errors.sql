-- Every refusal of this extension, as a client sees it: SQLSTATE, message, detail and hint.
-- Messages follow PostgreSQL's style; none is uncoded, and none repeats a token or a malformed value.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('api', 'api_', '{user}');
INSERT INTO tokenauth.kind (name, prefix, name_required, lifetime_required, max_lifetime, ceiling, max_active_per_owner)
VALUES ('strict', 'strict_', true, true, '1 year', '{*:read}', 1);
INSERT INTO tokenauth.kind (name, prefix, permission_mode) VALUES ('live', 'live_', 'live');
SELECT tokenauth.put_principal('user:alice', '{devices:read}', '{"site": ["nyc"]}');
SELECT tokenauth.put_principal('user:gone', active => false);
SELECT tokenauth.put_principal('org:acme');
SELECT id FROM tokenauth.issue('strict', 'user:alice', 'n', expires_in => '1 day') \gset
SELECT id AS revoked FROM tokenauth.issue('api', 'user:alice') \gset
SELECT id AS expired FROM tokenauth.issue('api', 'user:alice', expires_in => '1 millisecond') \gset
SELECT tokenauth.revoke(:'revoked');
SELECT id AS rotated FROM tokenauth.issue('api', 'user:alice') \gset
SELECT count(*) FROM tokenauth.rotate(:'rotated', '1 hour');
SELECT id AS disabled FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.disable(:'disabled');
INSERT INTO tokenauth.kind (name, prefix, manage_permission) VALUES ('managed', 'managed_', 'tokens:manage');
SELECT tokenauth.put_principal('user:admin', '{tokens:manage}', '{"site": ["lon"]}');
SELECT pg_sleep(0.01);
CREATE TABLE refused (number integer GENERATED ALWAYS AS IDENTITY, statement text, state text, message text, detail text, hint text);
CREATE FUNCTION try(statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    the_detail text;
    the_hint text;
BEGIN
    EXECUTE statement;
    INSERT INTO refused (statement) VALUES (statement);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS the_detail = PG_EXCEPTION_DETAIL, the_hint = PG_EXCEPTION_HINT;
    INSERT INTO refused (statement, state, message, detail, hint) VALUES (statement, SQLSTATE, SQLERRM, nullif(the_detail, ''), nullif(the_hint, ''));
END
$$;
SELECT count(try(replace(replace(replace(replace(replace(statement, ':id', quote_literal(:'id')), ':revoked', quote_literal(:'revoked')), ':expired', quote_literal(:'expired')), ':rotated', quote_literal(:'rotated')), ':disabled', quote_literal(:'disabled'))))
  FROM (VALUES
    (1, $$SELECT tokenauth.issue(NULL, 'user:alice')$$),
    (2, $$SELECT tokenauth.issue('api', NULL)$$),
    (3, $$SELECT tokenauth.issue('api', 'user:alice', actor => NULL)$$),
    (4, $$SELECT tokenauth.issue('api', 'user:alice', actor => 'user:bob')$$),
    (5, $$SELECT tokenauth.issue('robot', 'user:alice')$$),
    (6, $$SELECT tokenauth.issue('api', 'user:nobody')$$),
    (7, $$SELECT tokenauth.issue('api', 'alice')$$),
    (8, $$SELECT tokenauth.issue('api', 'Al ice:1')$$),
    (9, $$SELECT tokenauth.issue('api', 'user:')$$),
    (10, $$SELECT tokenauth.issue('api', 'org:acme')$$),
    (11, $$SELECT tokenauth.issue('api', 'user:gone')$$),
    (12, $$SELECT tokenauth.issue('strict', 'user:alice', expires_in => '1 day')$$),
    (13, $$SELECT tokenauth.issue('strict', 'user:alice', 'm')$$),
    (14, $$SELECT tokenauth.issue('strict', 'user:alice', 'm', expires_in => '2 years')$$),
    (15, $$SELECT tokenauth.issue('strict', 'user:alice', 'm', expires_in => '1 day')$$),
    (16, $$SELECT tokenauth.issue('strict', 'user:alice', 'm', expires_in => '1 day', scopes => '{devices:write}')$$),
    (17, $$SELECT tokenauth.issue('api', 'user:alice', scopes => '{devices:write}')$$),
    (18, $$SELECT tokenauth.issue('api', 'user:alice', data_scopes => '{"site": ["lon"]}')$$),
    (19, $$SELECT tokenauth.issue('live', 'user:alice', scopes => '{devices:read}')$$),
    (20, $$SELECT tokenauth.issue('live', 'user:alice', data_scopes => '{}')$$),
    (21, $$SELECT tokenauth.issue('api', 'user:alice', scopes => '{devices:read,"hunter 2"}')$$),
    (22, $$SELECT tokenauth.issue('api', 'user:alice', scopes => '{devices:read,NULL}')$$),
    (23, $$SELECT tokenauth.issue('api', 'user:alice', scopes => '{{a},{b}}')$$),
    (24, $$SELECT tokenauth.issue('api', 'user:alice', data_scopes => '{"site": "nyc"}')$$),
    (25, $$SELECT tokenauth.issue('api', 'user:alice', networks => '{10.0.0.0/8,10.0.0.1/8}')$$),
    (26, $$SELECT tokenauth.issue('api', 'user:alice', networks => '{office}')$$),
    (27, $$SELECT tokenauth.issue('api', 'user:alice', networks => array_fill('::/0'::text, '{257}'))$$),
    (28, $$SELECT tokenauth.issue('api', 'user:alice', metadata => '[]')$$),
    (29, $$SELECT tokenauth.issue('api', 'user:alice', name => repeat('n', 256))$$),
    (30, $$SELECT tokenauth.issue('api', 'user:alice', description => repeat('d', 8193))$$),
    (31, $$SELECT tokenauth.issue('api', 'user:alice', expires_in => '1 day', expires_at => '2099-01-01')$$),
    (32, $$SELECT tokenauth.issue('api', 'user:alice', expires_in => '0')$$),
    (33, $$SELECT tokenauth.issue('api', 'user:alice', expires_at => '294276-01-01')$$),
    (34, $$SELECT tokenauth.issue('api', 'user:alice', expires_in => '1 day', not_before => '2099-01-01')$$),
    (35, $$SELECT tokenauth.edit(NULL)$$),
    (36, $$SELECT tokenauth.edit('00000000-0000-0000-0000-000000000000')$$),
    (37, $$SELECT tokenauth.edit(:revoked, name => 'x')$$),
    (38, $$SELECT tokenauth.edit(:expired, name => 'x')$$),
    (39, $$SELECT tokenauth.edit(:id, expires_at => 'infinity')$$),
    (40, $$SELECT tokenauth.enable(:revoked)$$),
    (41, $$SELECT tokenauth.revoke_all()$$),
    (42, $$SELECT tokenauth.revoke_all(kind => 'robot')$$),
    (43, $$SELECT tokenauth.revoke_presented(NULL)$$),
    (44, $$SELECT tokenauth.put_principal(NULL)$$),
    (45, $$SELECT tokenauth.put_principal('user:alice', data_scopes => '[]')$$),
    (46, $$SELECT tokenauth.deactivate('user:nobody')$$),
    (47, $$SELECT tokenauth.verify('x', NULL)$$),
    (48, $$SELECT tokenauth.verify('x', '{"hunter 2"}')$$),
    (49, $$SELECT tokenauth.verify_digest('x', '\x00')$$),
    (50, $$SELECT tokenauth.error_response(ROW('fine', true, 200, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::tokenauth.verification)$$),
    (51, $$INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('k', 'k_', '{User}')$$),
    (52, $$INSERT INTO tokenauth.kind (name, prefix, ceiling) VALUES ('k', 'k_', '{"hunter 2"}')$$),
    (53, $$UPDATE tokenauth.kind SET prefix = 'k_' WHERE name = 'api'$$),
    (54, $$DELETE FROM tokenauth.event$$),
    (55, $$SELECT tokenauth.strip_grants()$$),
    (56, $$SELECT tokenauth.grant_access(session_user::regrole, 'root')$$),
    (57, $$SELECT tokenauth.list(owner => NULL)$$),
    (58, $$SELECT tokenauth.issue('api', 'user:alice', actor => 'user:gone')$$),
    (59, $$SELECT tokenauth.issue('api', 'user:alice', actor => 'org:acme')$$),
    (60, $$SELECT tokenauth.issue('managed', 'user:alice', actor => 'user:admin')$$),
    (61, $$SELECT tokenauth.issue('managed', 'user:alice', scopes => '{}', actor => 'user:admin')$$),
    (62, $$SELECT tokenauth.revoke(:id, actor => 'org:acme')$$),
    (63, $$SELECT tokenauth.add_member('org:acme', 'org:acme')$$),
    (64, $$SELECT tokenauth.add_member('org:acme', 'user:nobody')$$),
    (65, $$SELECT tokenauth.rotate(:rotated)$$),
    (66, $$SELECT tokenauth.edit(:rotated, expires_in => '1 year')$$),
    (67, $$SELECT tokenauth.rotate(:disabled)$$),
    (68, $$SELECT tokenauth.rotate(:disabled, '-1 day')$$),
    (69, $$SELECT tokenauth.rotation_status(NULL)$$),
    (70, $$SELECT tokenauth.grantable('robot', 'user:alice')$$),
    (71, $$INSERT INTO tokenauth.kind (name, prefix, issue_permission) VALUES ('k', 'k_', 'hunter 2')$$)) AS s (number, statement);

-- the table of errors; ids are shown as ID
\pset format unaligned
\pset tuples_only on
SELECT concat_ws(E'\n', regexp_replace(statement, '''[0-9a-f-]{36}''', 'ID'), '    ' || coalesce(state || ': ' || regexp_replace(message, '"[0-9a-f-]{36}"', 'ID'), 'NOT REFUSED'),
                 '    DETAIL: ' || regexp_replace(detail, '[0-9-]{10} [0-9:.]+[+-][0-9:]+', 'MOMENT'), '    HINT: ' || hint)
  FROM refused ORDER BY number;
\pset tuples_only off
\pset format aligned

-- each is coded
SELECT statement, state FROM refused WHERE state IS NULL OR state IN ('XX000', 'P0001', '22000');
-- the style of PostgreSQL: a message begins in lower case and ends without a full stop, detail and hint are sentences
SELECT message FROM refused WHERE message !~ '^[a-z]' OR message ~ '[.!\n]$' OR message ~* '\m(failed|unable|invalid|illegal|please|sorry)\M' OR message ~ '\(\)';
SELECT detail FROM refused WHERE detail !~ '^["A-Z].*\.$';
SELECT hint FROM refused WHERE hint !~ '^["A-Z].*[.)]$';
-- and none repeats what was malformed
SELECT statement FROM refused WHERE concat(message, detail, hint) ~ 'hunter|office|Al ice';
