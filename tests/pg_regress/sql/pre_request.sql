-- pre_request() is PostgREST's db-pre-request: it authenticates by the headers in the setting request.headers, or raises
-- SQLSTATE PGRST, of which PostgREST makes the response: its message is the body, its DETAIL status and headers.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_inactive, error_style) VALUES ('api', 'api_', 'suspend', 'uniform'), ('coded', 'coded_', 'suspend', 'coded'), ('problem', 'problem_', 'suspend', 'problem');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT token AS other FROM tokenauth.issue('api', 'user:alice') \gset
SELECT token AS bound FROM tokenauth.issue('api', 'user:alice', networks => '{10.0.0.0/8}') \gset
SELECT token AS coded FROM tokenauth.issue('coded', 'user:alice') \gset
SELECT token AS problem FROM tokenauth.issue('problem', 'user:alice') \gset

-- a request as PostgREST makes it: the headers, then this, then the query
BEGIN;
SELECT set_config('request.headers', json_build_object('host', 'api.example.org', 'authorization', 'Bearer ' || :'token')::text, true) IS NULL AS never;
SELECT tokenauth.pre_request();
SELECT tokenauth.current_owner(), tokenauth.current_scopes();
COMMIT;
-- … the next one begins with nobody, and without its headers is refused
SELECT tokenauth.current_owner();
\set VERBOSITY sqlstate
SELECT tokenauth.pre_request();
\set VERBOSITY default
\echo :SQLSTATE

-- what PostgREST gets; the correlation id is another one each time
CREATE FUNCTION requested(headers text, OUT state text, OUT message text, OUT detail text, OUT owner text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.headers', headers, true);
    PERFORM tokenauth.pre_request();
    owner := tokenauth.current_owner();
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    message := regexp_replace(message, '[0-9a-f]{32}', '<id>', 'g');
END
$$;
SELECT state, jsonb_pretty(message::jsonb) AS message, jsonb_pretty(detail::jsonb) AS detail FROM requested('{}');
SELECT state, jsonb_pretty(message::jsonb) AS message, jsonb_pretty(detail::jsonb) AS detail FROM requested('{"x-api-key": "api_nonsense"}');
-- … in the style of the token's kind
SELECT tokenauth.deactivate('user:alice', 'subscription unpaid – see §7');
SELECT state, jsonb_pretty(message::jsonb) AS message, detail::jsonb FROM requested(json_build_object('x-api-key', :'coded')::text);
SELECT state, jsonb_pretty(message::jsonb) AS message, detail::jsonb FROM requested(json_build_object('x-api-key', :'problem')::text);
SELECT tokenauth.activate('user:alice');

-- each request is a transaction (<T> stands for a token, <O> for another one, <B> for one that is bound to networks)
CREATE TABLE request (number integer GENERATED ALWAYS AS IDENTITY, headers text, header text);
CREATE TABLE answer (number integer, state text, message text, detail text, owner text);
CREATE FUNCTION filled(headers text) RETURNS text LANGUAGE sql
    RETURN replace(replace(replace(headers, '<T>', current_setting('test.token')), '<O>', current_setting('test.other')), '<B>', current_setting('test.bound'));
SELECT set_config('test.token', :'token', false) = :'token', set_config('test.other', :'other', false) = :'other', set_config('test.bound', :'bound', false) = :'bound';
-- tokens are found where verify_request() finds them, and no shape of headers is another error
INSERT INTO request (headers) VALUES
    ('{"authorization": "Bearer <T>"}'), ('{"Authorization": "bearer <T>", "x-api-key": "<T>"}'), ('{"x-api-key": "<T>", "n": 1e400}'),
    ('{"authorization": "Basic dXNlcjpwYXNz"}'), ('{"authorization": 7}'), ('{"cookie": "<T>"}'), ('[]'), ('null'), ('7'),
    ('{"authorization": "Bearer <T>", "x-api-key": "<O>"}'), ('{"x-api-key": "<T>, <O>"}'), ('{"x-api-key": "<T>x"}'), ('{"x-api-key": "<B>"}');
INSERT INTO request (headers) SELECT format('{"x-api-key": "<T>", "deep": %s}', repeat('[', 200) || repeat(']', 200));
-- tokenauth.request_header names the only header to read, of requests whose Authorization carries PostgREST's own JWT
INSERT INTO request (headers, header) VALUES
    ('{"authorization": "Bearer ey.jwt", "x-token": "<T>"}', 'X-Token'), ('{"authorization": "Bearer <O>", "x-api-key": "<O>"}', 'X-Token'), ('{"x-api-key": "<T>"}', '');
\o /dev/null
SELECT format('BEGIN; SET LOCAL tokenauth.request_header = %L; INSERT INTO answer SELECT %s, r.* FROM requested(filled(%L)) r; COMMIT', coalesce(header, ''), number, headers)
  FROM request ORDER BY number \gexec
\o
SELECT left(r.headers, 60) AS headers, r.header, a.state, a.detail::jsonb -> 'status' AS status, a.message::jsonb ->> 'code' AS code, a.owner
  FROM request r JOIN answer a USING (number) ORDER BY number;
-- … with the verdict of verify_request(), and the response of error_response()
SELECT r.headers, v.verdict, v.owner
  FROM request r JOIN answer a USING (number), LATERAL tokenauth.verify_request(filled(r.headers)::jsonb, header => nullif(r.header, '')) v,
       LATERAL tokenauth.error_response(v) e
 WHERE v.owner IS DISTINCT FROM a.owner
    OR NOT v.ok AND (NOT a.message::jsonb @> ((e -> 'body') - 'correlationId')
                     OR a.detail::jsonb <> jsonb_build_object('status', e -> 'status', 'headers', (e -> 'headers') - 'Content-Type'));
-- … what is no JSON presents no token
SELECT state, detail::jsonb -> 'status' AS status FROM requested('{not json');
SELECT state, detail::jsonb -> 'status' AS status FROM requested('');
-- … and neither message nor DETAIL repeats what was presented
SELECT count(*) AS answers, count(*) FILTER (WHERE strpos(message || detail, substr(t, 5, 6)) > 0) AS repeat_it
  FROM answer, unnest(ARRAY[:'token', :'other', :'bound']) AS t WHERE state IS NOT NULL;

-- requests without a token are refused, unless the application has something for everybody
SET tokenauth.allow_anonymous = on;
SELECT h.headers, r.state, r.detail::jsonb -> 'status' AS status, r.owner
  FROM (VALUES ('{}'), ('{"authorization": "Basic dXNlcjpwYXNz"}'), ('{"authorization": "Token something-else"}'), ('{not json'), ('')) h (headers),
       LATERAL requested(h.headers) r;
-- … whoever presents one is authenticated by it or refused: a JWT, which may be for somebody else, is no token of ours
SELECT r.state, r.owner FROM requested(json_build_object('x-api-key', :'token')::text) r;
SELECT state, detail::jsonb -> 'status' AS status FROM requested('{"x-api-key": "api_nonsense"}');
SELECT state, detail::jsonb -> 'status' AS status FROM requested('{"authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"}');
SELECT state, detail::jsonb -> 'status' AS status FROM requested(json_build_object('x-api-key', format('%s, %s', :'token', :'other'))::text);
-- … unless tokenauth.request_header names another header
BEGIN;
SET LOCAL tokenauth.request_header = 'X-API-Key';
SELECT state, owner FROM requested('{"authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"}');
COMMIT;
-- … a request of nobody is no failed attempt: what it calls may still act for the application, and authenticate
BEGIN;
SELECT set_config('request.headers', '{}', true);
SELECT tokenauth.pre_request();
SELECT tokenauth.current_owner();
SELECT tokenauth.put_principal('user:new') IS NULL AS trusted;
SELECT tokenauth.authenticate(:'token');
-- … and nobody inherits an identity from before
SELECT tokenauth.pre_request();
\echo :SQLSTATE
ROLLBACK;
RESET tokenauth.allow_anonymous;

-- the address of the client is in the header that tokenauth.client_header names
SET tokenauth.client_header = 'X-Forwarded-For';
SELECT h.forwarded, r.state, r.owner
  FROM (VALUES ('6.6.6.6, 10.1.2.3'), ('10.1.2.3, 6.6.6.6')) h (forwarded),
       LATERAL requested(json_build_object('x-api-key', :'bound', 'x-forwarded-for', h.forwarded)::text) r;
RESET tokenauth.client_header;

-- one identity for a transaction, and a refusal closes it
BEGIN;
SELECT tokenauth.authenticate(:'other');
SAVEPOINT refused;
SELECT set_config('request.headers', '{}', true);
\set VERBOSITY sqlstate
SELECT tokenauth.pre_request();
ROLLBACK TO refused;
SELECT tokenauth.current_owner();
SELECT tokenauth.pre_request();
\set VERBOSITY default
ROLLBACK;
