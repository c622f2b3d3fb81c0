-- No error of this extension repeats a token: every function is called with one in every argument that could hold it, alone
-- and inside of other text, and whatever it raises is searched for any six characters of the secret.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('api', 'api_', '{user,org}');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT tokenauth.put_principal('org:acme');
CREATE TABLE users (id integer, active boolean);
INSERT INTO users VALUES (1, true);
CREATE TEMPORARY TABLE issued AS SELECT * FROM tokenauth.issue('api', 'user:alice');

-- every function by its arguments, each with what it is usually given and, if it could hold a token, what a careless caller gives
CREATE TEMPORARY TABLE argument AS
SELECT p.oid::regproc AS function, a.number, a.name, format_type(a.type, NULL) AS type,
       CASE WHEN a.type = 'uuid'::regtype THEN '(SELECT id FROM issued)'
            WHEN a.type = 'regclass'::regtype THEN '''users''::regclass'
            WHEN a.type = 'regrole'::regtype THEN 'current_user::regrole'
            WHEN a.type = 'bytea'::regtype THEN 'sha256(''x'')'
            ELSE coalesce(quote_literal(u.usual), 'NULL') || '::' || format_type(a.type, NULL) END AS usual,
       c.careless
  FROM pg_proc p
 CROSS JOIN unnest(p.proargtypes::oid[], p.proargnames[1:p.pronargs]) WITH ORDINALITY AS a (type, name, number)
  LEFT JOIN (VALUES ('kind', 'api'), ('owner', 'user:alice'), ('principal', 'user:alice'), ('org', 'org:acme'), ('member', 'user:alice'),
                    ('actor', 'session'), ('type', 'customer'), ('id', 'id::text'), ('col', 'id'), ('algorithm', 'sha256'), ('access', 'verify'),
                    ('digest', repeat('0', 64)), ('require', '{}'), ('headers', '{}'), ('text', 'x')) AS u (name, usual) ON u.name = a.name
  LEFT JOIN (VALUES ('text', '$1'), ('name', '$1::name'), ('bytea', 'convert_to($1, ''UTF8'')'), ('text[]', 'ARRAY[$1]'), ('text[]', 'ARRAY[''devices:read'', $1, NULL]'),
                    ('text[]', 'ARRAY[[$1], [$1]]'), ('jsonb', 'to_jsonb($1)'), ('jsonb', 'jsonb_build_object($1, $1)'), ('jsonb', 'jsonb_build_object(''site'', ARRAY[$1, NULL])'),
                    ('jsonb', 'jsonb_build_object(''Authorization'', $1, ''X-API-Key'', $1 || ''x'')')) AS c (type, careless)
         ON c.type = format_type(a.type, NULL)
 WHERE p.pronamespace = 'tokenauth'::regnamespace AND p.prorettype <> 'trigger'::regtype;
CREATE TEMPORARY TABLE call AS
SELECT a.function, a.name,
       format('SELECT %s(%s)', a.function, (SELECT string_agg(CASE WHEN b.number = a.number THEN a.careless ELSE b.usual END, ', ' ORDER BY b.number)
                                              FROM (SELECT DISTINCT function, number, usual FROM argument) b WHERE b.function = a.function)) AS statement
  FROM argument a
 WHERE a.careless IS NOT NULL;

-- what it raises, and whether that repeats six characters of the secret; nothing that it does is kept
CREATE TEMPORARY TABLE raised (function regproc, argument text, state text, repeats boolean);
CREATE FUNCTION try(function regproc, argument text, statement text, careless text, secret text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    the_message text;
    the_detail text;
    the_hint text;
    the_context text;
BEGIN
    EXECUTE statement USING careless;
    RAISE EXCEPTION USING ERRCODE = 'UE000';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS the_message = MESSAGE_TEXT, the_detail = PG_EXCEPTION_DETAIL, the_hint = PG_EXCEPTION_HINT, the_context = PG_EXCEPTION_CONTEXT;
    INSERT INTO raised
    SELECT function, argument, SQLSTATE, bool_or(concat_ws(' ', the_message, the_detail, the_hint, the_context) LIKE '%' || substr(secret, n, 6) || '%')
      FROM generate_series(1, length(secret) - 5) AS n;
END
$$;
SET client_min_messages = error;
SELECT count(try(c.function, c.name, c.statement, replace(shape, 'T', i.token), substr(i.token, 4 + 11 + 1, 32))) > 500 AS tried
  FROM call c CROSS JOIN issued i
 CROSS JOIN unnest(ARRAY['T', 'user:T', 'hmac-sha256:T', 'T:x', '*:T', ' T ', 'Bearer T', 'T T', 'T::text', '"T"', repeat('T ', 300)]) AS shape;
RESET client_min_messages;

-- there were refusals enough for this to mean something, of all functions that refuse anything of the sort
SELECT count(*) > 300 AS refused FROM raised WHERE state <> 'UE000';
SELECT count(DISTINCT function) >= 25 AS functions_that_refuse FROM raised WHERE state <> 'UE000';
-- none repeats a token, but the parser's own about an expression that does not parse or names no column: SQL text of the caller's
SELECT function, argument, state, count(*) FROM raised WHERE repeats AND NOT (function::text LIKE 'tokenauth.bind\_%' AND state IN ('42601', '42703')) GROUP BY function, argument, state ORDER BY function::text, argument;
-- and none is an internal error
SELECT function, argument, state, count(*) FROM raised WHERE state IN ('XX000', 'P0001', '22000') GROUP BY function, argument, state ORDER BY function::text, argument;

-- what a bound expression raises about the value of a row is masked as well
CREATE TABLE customers (id integer, note text);
INSERT INTO customers SELECT 1, 'my key: ' || token FROM issued;
SELECT try('tokenauth.bind_principals', 'active', $$SELECT tokenauth.bind_principals('customers', 'customer', 'id::text', active => 'note::boolean')$$, '', substr(token, 4 + 11 + 1, 32)) FROM issued;
SELECT state, repeats FROM raised ORDER BY ctid DESC LIMIT 1;

-- a name that is cut right after a token, where it went on before, is masked as well
SELECT try('tokenauth.issue', 'kind', 'SELECT tokenauth.issue($1, ''user:alice'')', repeat('/', 128 - length(token)) || token || 'runs-on', substr(token, 4 + 11 + 1, 32)) FROM issued;
SELECT state, repeats FROM raised ORDER BY ctid DESC LIMIT 1;
