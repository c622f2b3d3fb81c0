-- Usage where the library is not preloaded, as here: what needs shared memory says so, and nothing else fails for it.
-- Batches of usage are brought in once each, whoever counted them; tests/cluster has the rest.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset

-- what needs shared memory
SELECT * FROM tokenauth.stats();
\echo :SQLSTATE
SELECT tokenauth.unusual_activity();
\echo :SQLSTATE
SELECT tokenauth.usage_export();
\echo :SQLSTATE
SELECT tokenauth.unusual_activity(NULL);
\echo :SQLSTATE
SELECT tokenauth.unusual_activity('-1 day');
\echo :SQLSTATE
SELECT object, finding FROM tokenauth.doctor();

-- verification counts by itself, and the first use is written at once
SELECT verdict FROM tokenauth.verify(:'token');
SELECT last_used_at IS NOT NULL AS used, request_count, denied_count FROM tokenauth.tokens;
SELECT tokenauth.recent_usage(:'id');

-- usage of another server is brought in once, of a token that was not used here
SELECT id FROM tokenauth.issue('api', 'user:alice', 'other') \gset
SELECT jsonb_build_object('node', 'b3c7f4a2-4f0e-4b3e-9a55-1f2f0e6a7c10', 'batch', 7, 'tokens', jsonb_build_array(
           jsonb_build_object('id', :'id', 'first_use', 1000000, 'last_use', 40000000000000, 'last_denial', 40000100000000, 'requests', 5, 'denials', 2,
                              'client', '2001:db8::7', 'networks', '["10.0.0.0/24", "2001:db8::/48"]'::jsonb),
           -- … of a token that is gone, too
           jsonb_build_object('id', 'b3c7f4a2-4f0e-4b3e-9a55-1f2f0e6a7c11', 'first_use', 0, 'last_use', 0, 'last_denial', 1, 'requests', 0, 'denials', 2,
                              'client', NULL, 'networks', '[]'::jsonb))) AS batch \gset
SELECT tokenauth.usage_import(:'batch');
SELECT tokenauth.usage_import(:'batch');
SELECT last_used_at AT TIME ZONE 'UTC' AS last_used_at, request_count, denied_count FROM tokenauth.tokens WHERE id = :'id';
SELECT first_used_at AT TIME ZONE 'UTC' AS first_used_at, last_denied_at AT TIME ZONE 'UTC' AS last_denied_at, last_client
  FROM tokenauth.usage WHERE token_id = :'id';
SELECT hour AT TIME ZONE 'UTC' AS hour, request_count, denied_count, networks FROM tokenauth.usage_hourly;
-- … nor is an older batch of the same server, but the next one is
SELECT tokenauth.usage_import(jsonb_set(:'batch', '{batch}', '6'));
SELECT tokenauth.usage_import(jsonb_set(:'batch', '{batch}', '8'));
SELECT request_count, denied_count FROM tokenauth.tokens WHERE id = :'id';
-- … a rollback takes it back, batch and all
BEGIN;
SELECT tokenauth.usage_import(jsonb_set(:'batch', '{batch}', '9'));
ROLLBACK;
SELECT tokenauth.usage_import(jsonb_set(:'batch', '{batch}', '9'));

-- what is no batch
SELECT tokenauth.usage_import(NULL);
\echo :SQLSTATE
SELECT tokenauth.usage_import(:'batch'::jsonb - 'node');
\echo :SQLSTATE
SELECT tokenauth.usage_import(jsonb_set(:'batch', '{tokens,0,requests}', '-1'));
\echo :SQLSTATE
SELECT tokenauth.usage_import(jsonb_set(:'batch', '{tokens,0,last_use}', '9223372036854775807'));
\echo :SQLSTATE
SELECT tokenauth.usage_import(jsonb_set(:'batch', '{tokens,0,client}', '"nowhere"'));
\echo :SQLSTATE
