-- Whatever a caller sets or shadows, a function does the same: its own tables, its own operators, the same answers.
-- Names in pg_temp and in front of the search path are never called.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)

-- tables, functions and operators with our names, where a careless search would find them first
CREATE TEMPORARY TABLE token (id uuid, captured text);
CREATE TEMPORARY TABLE kind (LIKE tokenauth.kind);
CREATE TEMPORARY TABLE principal (captured text);
CREATE TEMPORARY TABLE event (captured text);
CREATE SCHEMA evil;
CREATE FUNCTION evil.capture() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'captured'; END $$;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'captured'; END $$;
CREATE FUNCTION evil.jsonb_strip_nulls(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE 'captured'; END $$;
CREATE FUNCTION evil.texteq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'captured'; END $$;
CREATE FUNCTION evil.uuideq(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'captured'; END $$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.texteq);
CREATE OPERATOR evil.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = evil.uuideq);
SELECT 'a'::text OPERATOR(evil.=) 'a'::text;

-- settings that change how SQL is read, planned and shown
SET search_path = evil, pg_temp, pg_catalog;
SET transform_null_equals = on;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET backslash_quote = on;
SET array_nulls = off;
SET row_security = off;
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'sql_standard';
SET TimeZone = 'Asia/Kathmandu';
SET bytea_output = 'escape';
SET extra_float_digits = -15;
SET quote_all_identifiers = on;
SET plan_cache_mode = force_generic_plan;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SET enable_bitmapscan = off;
SET enable_seqscan = off;
SET synchronous_commit = off;
SET default_transaction_isolation = 'serializable';
SET check_function_bodies = off;
SET xmloption = document;
SET client_encoding = 'UTF8';

-- … and the whole life of a token
INSERT INTO tokenauth.kind (name, prefix, default_lifetime, ceiling) VALUES ('api', 'api_', '90 days', '{devices:*}');
SELECT tokenauth.put_principal('user:alice', '{devices:*}', '{"site": ["nyc"]}');
SELECT tokenauth.put_principal('user:alice');
SELECT token, id FROM tokenauth.issue('api', 'user:alice', 'it''s', 'a\b', networks => '{10.0.0.0/8}') \gset
-- … of which most are issued and taken over without a statement, but for these
BEGIN;
INSERT INTO tokenauth.kind (name, prefix, max_active_per_owner) VALUES ('few', 'few_', 1);
SELECT tokenauth.import('api', 'user:alice', pg_catalog.repeat('ab', 32), 'sha256-after-bar') IS NOT NULL AS imported;
SELECT (tokenauth.issue('few', 'user:alice')).kind;
SHOW search_path;
SELECT tokenauth.issue('few', 'user:alice');
ROLLBACK;
SHOW search_path;
-- … nor without our path what an administrator has put on a table: an index, a default, the condition of a trigger
BEGIN;
SET LOCAL search_path = pg_catalog;
CREATE FUNCTION public.noted(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM clock_timestamp(); RETURN $1; END $$;
CREATE FUNCTION public.issue_three() RETURNS bigint LANGUAGE sql AS $$ SELECT count(tokenauth.issue('api', 'user:alice')) FROM generate_series(1, 3) $$;
SAVEPOINT plain;
CREATE INDEX ON tokenauth.token (public.noted(name));
SET LOCAL search_path = evil, pg_temp, pg_catalog;
SELECT public.issue_three();
ROLLBACK TO plain;
ALTER TABLE tokenauth.token ALTER revoke_reason SET DEFAULT public.noted(NULL);
SET LOCAL search_path = evil, pg_temp, pg_catalog;
SELECT public.issue_three();
ROLLBACK TO plain;
CREATE TRIGGER noted AFTER INSERT ON tokenauth.usage FOR EACH ROW WHEN (public.noted(NEW.token_id::text) = '') EXECUTE FUNCTION tokenauth.signal_change();
SET LOCAL search_path = evil, pg_temp, pg_catalog;
SELECT public.issue_three();
-- … which by the caller's would call the caller's
SELECT public.noted('captured');
ROLLBACK;
SELECT verdict, scopes, data_scopes FROM tokenauth.verify(:'token', '{devices:read}', '10.0.0.1');
SELECT verdict FROM tokenauth.verify_digest(pg_catalog.left(:'token', 15), pg_catalog.sha256(:'token'), client => '10.0.0.1');
SELECT verdict FROM tokenauth.verify_request(pg_catalog.jsonb_build_object('x-api-key', :'token'), client => '10.0.0.1');
SELECT name, description, networks, status FROM tokenauth.edit(:'id', name => 'x', networks => '{}', expires_in => '1 day');
SELECT tokenauth.disable(:'id'), tokenauth.enable(:'id');
SELECT name, status FROM tokenauth.list(owner => 'user:alice');
SELECT name, status FROM tokenauth.tokens;
SELECT tokenauth.error_response(v) -> 'status' AS status FROM tokenauth.verify('x') v;
SELECT tokenauth.revoke(:'id', 'gone');
SELECT verdict FROM tokenauth.verify(:'token');
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.revoke_all(kind => 'api');
SELECT tokenauth.revoke_all('user:alice');
SELECT tokenauth.deactivate('user:alice'), tokenauth.activate('user:alice');
SELECT tokenauth.drop_principal('user:alice');
SELECT verdict FROM tokenauth.verify(:'token');
SELECT tokenauth.issue('api', NULL);
\echo :SQLSTATE

RESET ALL;
-- times in history are written one way, whatever the session's style
SELECT after ->> 'expires_at' ~ '^\d{4}-\d\d-\d\dT' AS iso FROM tokenauth.events WHERE event = 'token.issued';
SELECT count(*) FROM pg_temp.token;

-- text in another client encoding, and characters that it cannot say
SET client_encoding = 'LATIN1';
SELECT verdict FROM tokenauth.verify(E'api_\u00e9');
RESET client_encoding;
