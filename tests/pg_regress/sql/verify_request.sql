-- verify_request() finds the token in the headers of an HTTP request: Authorization: Bearer or X-API-Key, names in any case.
-- Two different tokens are ambiguous, other schemes are no token, and no shape of headers is an error.
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

-- require and client are those of verify()
SELECT verdict, detail FROM tokenauth.verify_request(jsonb_build_object('x-api-key', :'token'), '{admin}');
SELECT verdict FROM tokenauth.verify_request(jsonb_build_object('x-api-key', :'token'), '{devices:read}', '10.0.0.1');
SELECT tokenauth.verify_request('{}', NULL);
\echo :SQLSTATE
SELECT tokenauth.verify_request(NULL, '{"a b"}');
\echo :SQLSTATE

-- it is counted like any other use
SELECT request_count FROM tokenauth.tokens WHERE hint = left(:'token', 12) || '…' || right(:'token', 4) AND last_used_at IS NOT NULL;
