-- verify_request() finds the token in the headers of an HTTP request: Authorization or X-API-Key, names in any case.
-- Two different tokens are ambiguous, and no shape of headers is an error.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT token FROM tokenauth.issue('api', 'user:alice') \gset
SELECT token AS other FROM tokenauth.issue('api', 'user:alice') \gset
CREATE TABLE request (number integer GENERATED ALWAYS AS IDENTITY, headers text, header text);

-- where the token is found (<T> stands for a token, <O> for another one)
INSERT INTO request (headers) VALUES
    ('{"Authorization": "Bearer <T>"}'), ('{"authorization": "bearer <T>"}'), ('{"AUTHORIZATION": "  BEARER   <T>  "}'),
    ('{"X-API-Key": "<T>"}'), ('{"x-api-key": " <T> "}'), ('{"X-API-Key": "Bearer <T>"}'), ('{"authorization": ["Bearer <T>"]}'),
    ('{"Authorization": "Bearer <T>", "X-API-Key": "<T>"}'), ('{"Authorization": "Basic dXNlcjpwYXNz", "X-API-Key": "<T>"}'),
    ('{"Authorization": "Basic dXNlcjpwYXNz, Bearer <T>"}'), ('{"Host": "a", "Accept": "*/*", "authorization": "Bearer <T>"}'),
    ('{"X-API-Key": ["<T>", "<T>"]}');
-- where there is none
INSERT INTO request (headers) VALUES
    (NULL), ('null'), ('{}'), ('[]'), ('"Bearer <T>"'), ('7'), ('["authorization", "Bearer <T>"]'), ('{"Authorization": "<T>"}'),
    ('{"Authorization": "Basic <T>"}'), ('{"Authorization": "Bearer<T>"}'), ('{"Authorization": "Bearer"}'), ('{"Authorization": ""}'),
    ('{"Authorization": null}'), ('{"Authorization": {"Bearer": "<T>"}}'), ('{"X_API_KEY": "<T>"}'), ('{"Cookie": "<T>"}'), ('{"X-API-Key": []}');
-- where there are two
INSERT INTO request (headers) VALUES
    ('{"Authorization": "Bearer <T>", "X-API-Key": "<O>"}'), ('{"Authorization": "Bearer <T>", "authorization": "Bearer <O>"}'),
    ('{"X-API-Key": ["<T>", "<O>"]}'), ('{"Authorization": "Bearer <T>, Bearer <O>"}'), ('{"Authorization": "Bearer <T>", "X-API-Key": "x"}');
-- where it is malformed
INSERT INTO request (headers) VALUES
    ('{"Authorization": "Bearer x"}'), ('{"X-API-Key": "<T> <T>"}'), ('{"X-API-Key": "<T>\n"}'), ('{"X-API-Key": "<T>\u00e9"}');
-- where only one header is read, for requests whose Authorization carries something else
INSERT INTO request (headers, header) VALUES
    ('{"Authorization": "Bearer <O>", "X-Token": "<T>"}', 'X-Token'), ('{"Authorization": "Bearer <O>", "x-token": "Bearer <T>"}', 'X-TOKEN'),
    ('{"Authorization": "Bearer <T>", "X-API-Key": "<O>"}', 'authorization'), ('{"Authorization": "Bearer <T>"}', 'X-Token'),
    ('{"Authorization": "Bearer <T>"}', ''), ('{"Authorization": "Bearer <T>"}', NULL);
SELECT headers, header, v.verdict, v.http_status
  FROM request, LATERAL tokenauth.verify_request(replace(replace(headers, '<T>', :'token'), '<O>', :'other')::jsonb, header => header) v
 ORDER BY number;

-- a token is found whatever else the headers hold: a number of any size, objects nested deep
SELECT verdict FROM tokenauth.verify_request(jsonb_build_object('x-api-key', :'token', 'n', '1e400'::jsonb));
SELECT verdict FROM tokenauth.verify_request(jsonb_build_object('x-api-key', :'token', 'deep', (repeat('[', 200) || repeat(']', 200))::jsonb));

-- … nor are headers of more than a megabyte looked into
SELECT verdict FROM tokenauth.verify_request(jsonb_build_object('x-api-key', :'token', 'long', repeat('x', 1000000)));
SELECT verdict FROM tokenauth.verify_request(jsonb_build_object('x-api-key', :'token', 'long', repeat('x', 1100000)));

-- under other schemes what is a token counts, and what is none is as if it were not there (<B> stands for user and password
-- of Basic, of which one is a token, <2> for two different ones, <I> for an imported token)
SELECT tokenauth.import('api', 'user:alice', encode(sha256('old-key-of-alice'), 'hex'), 'sha256') IS NOT NULL AS imported;
CREATE FUNCTION basic(login text, password text) RETURNS text LANGUAGE sql
    RETURN translate(encode(convert_to(login || ':' || password, 'UTF8'), 'base64'), E'\n', '');
CREATE FUNCTION filled(headers text, token text, other text) RETURNS jsonb LANGUAGE sql
    RETURN replace(replace(replace(replace(replace(headers, '<T>', token), '<O>', other), '<B>', basic('git', token)),
                           '<2>', basic(token, other)), '<I>', 'old-key-of-alice')::jsonb;
SELECT h.headers, v.verdict
  FROM (VALUES (1, '{"Authorization": "Token <T>"}'), (2, '{"Authorization": "token\t <T>\r\n"}'), (3, '{"Authorization": "ApiKey <T>"}'),
               (4, '{"Authorization": "Api-Key <T>"}'), (5, '{"Authorization": "KEY <T>"}'), (6, '{"Authorization": "Basic <B>"}'),
               (7, '{"Authorization": "basic <B>, Bearer <T>"}'), (8, '{"Authorization": "Key <I>"}'), (9, '{"Authorization": "Bearer <I>"}'),
               (10, '{"Authorization": "Token something-else"}'), (11, '{"Authorization": "Token something-else", "X-API-Key": "<T>"}'),
               (12, '{"Authorization": "Basic dXNlcjpwYXNz", "X-API-Key": "something-else"}'), (13, '{"Authorization": "Key"}'),
               (14, '{"Authorization": "Basic <2>"}'), (15, '{"Authorization": "Token <T>", "X-API-Key": "<O>"}'),
               (16, '{"Authorization": "Token <T>", "X-API-Key": "<T>"}'), (17, '{"Authorization": "Tokens <T>"}'),
               (18, '{"Authorization": "Bearer\t<T>\n"}')) h (number, headers),
       LATERAL tokenauth.verify_request(filled(h.headers, :'token', :'other')) v
 ORDER BY h.number;

-- tokenauth.client_header names the header in which proxies write the client's address: the last one is that of the proxy
-- in front, and with tokenauth.client_proxies that of one before it
SELECT token AS bound FROM tokenauth.issue('api', 'user:alice', networks => '{10.0.0.0/8}') \gset
CREATE TABLE forwarded (number integer GENERATED ALWAYS AS IDENTITY, forwarded jsonb, client text);
INSERT INTO forwarded (forwarded, client) VALUES
    ('"10.0.0.1"', NULL), ('"10.0.0.1:443"', NULL), ('"6.6.6.6, 10.0.0.1"', NULL), ('"10.0.0.1, 6.6.6.6"', NULL), ('["10.0.0.1", "6.6.6.6"]', NULL),
    ('["6.6.6.6", "10.0.0.1"]', NULL), ('"10.0.0.1, unknown"', NULL), ('"10.0.0.1,"', NULL), ('""', NULL), ('7', NULL), ('null', NULL),
    ('"10.0.0.1"', '6.6.6.6'), ('"6.6.6.6"', '10.0.0.1'), ('"10.0.0.1"', 'unknown');
CREATE VIEW seen AS
    SELECT number, forwarded, client, v.verdict, v.detail ->> 'client' AS denied
      FROM forwarded, LATERAL tokenauth.verify_request(jsonb_build_object('x-api-key', current_setting('test.bound'), 'x-forwarded-for', forwarded), '{}', client) v;
SELECT set_config('test.bound', :'bound', false) = :'bound' AS set;
-- … as long as no header is named, nobody is believed
SELECT count(*), denied FROM seen WHERE client IS NULL GROUP BY denied;
SET tokenauth.client_header = 'X-Forwarded-For';
SELECT forwarded, client, verdict, denied FROM seen ORDER BY number;
SET tokenauth.client_proxies = 2;
SELECT forwarded, client, verdict, denied FROM seen WHERE number <= 7 ORDER BY number;
RESET tokenauth.client_proxies;
-- … two spellings of the header are in no order
SELECT detail FROM tokenauth.verify_request(jsonb_build_object('x-api-key', :'bound', 'x-forwarded-for', '10.0.0.1', 'X-Forwarded-For', '10.0.0.2'));
-- … it is for functions that read headers
SELECT verdict, detail FROM tokenauth.verify(:'bound');
RESET tokenauth.client_header;
-- … and a name is short
SELECT set_config('tokenauth.client_header', repeat('x', 256), false);
\echo :SQLSTATE
SELECT set_config('tokenauth.request_header', repeat('x', 256), false);
\echo :SQLSTATE

-- require and client are those of verify()
SELECT verdict, detail FROM tokenauth.verify_request(jsonb_build_object('x-api-key', :'token'), '{admin}');
SELECT verdict FROM tokenauth.verify_request(jsonb_build_object('x-api-key', :'token'), '{devices:read}', '10.0.0.1');
SELECT tokenauth.verify_request('{}', NULL);
\echo :SQLSTATE
SELECT tokenauth.verify_request(NULL, '{"a b"}');
\echo :SQLSTATE

-- it is counted like any other use
SELECT request_count FROM tokenauth.tokens WHERE hint = left(:'token', 12) || '…' || right(:'token', 4) AND last_used_at IS NOT NULL;
