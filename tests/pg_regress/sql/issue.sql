-- issue() hands out a token within what its kind allows and its owner holds, and shows its text this once.
-- What is left out is the kind's default; what is malformed, out of bounds or not held is refused and leaves nothing.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET IntervalStyle = 'postgres';
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('api', 'api_', '{user,service}');
SELECT tokenauth.put_principal('user:alice', '{devices:*,*:read,reports}', '{"site": ["nyc", "lon"]}');

-- kind and owner are enough: all that the owner holds, for ever
SELECT * FROM tokenauth.issue('api', 'user:alice') \gset
SELECT :'token' ~ '^api_[0-9A-Za-z]{49}$' AS form,
       :'hint' = left(:'token', 12) || '…' || right(:'token', 4) AS hint_shows_twelve_characters,
       substr(:'id', 15, 1) AS uuid_version,
       abs(extract(epoch FROM clock_timestamp() - :'created_at')) < 60 AS created_now;
SELECT kind, owner, name, scopes, expires_at FROM tokenauth.issue('api', 'user:alice');
SELECT verdict, owner, scopes, data_scopes, expires_at, metadata FROM tokenauth.verify(:'token');

-- what is stored is a digest, and nowhere the text
SELECT t.digest = sha256(:'token'), t.algorithm, t.pepper, t::text LIKE '%' || :'token' || '%' AS has_text
  FROM tokenauth.token t WHERE id = :'id';
SELECT count(*) FROM tokenauth.events WHERE events::text LIKE '%' || substr(:'token', 16, 32) || '%';

-- everything given
SELECT * FROM tokenauth.issue('api', 'user:alice',
           name        => 'deploy',
           description => 'for the pipeline',
           scopes      => '{reports,devices:write,devices:write}',
           data_scopes => '{"site": ["nyc"]}',
           expires_in  => '30 days',
           not_before  => '2020-01-01',
           networks    => '{10.0.0.0/8,192.168.1.1,2001:db8::/32,::ffff:172.16.0.0/108}',
           metadata    => '{"pipeline": 7}') \gset
SELECT name, description, scopes, data_scopes, expires_at - created_at AS lifetime, not_before = '2020-01-01' AS not_before,
       networks, metadata, status
  FROM tokenauth.tokens WHERE id = :'id';
SELECT verdict, name, scopes, data_scopes, metadata, expires_at = :'expires_at' AS expires_at
  FROM tokenauth.verify(:'token', client => '10.1.2.3');

-- two tokens have nothing in common
SELECT count(DISTINCT token) AS tokens, count(DISTINCT id) AS ids, count(DISTINCT substr(token, 5, 11)) AS lookups
  FROM generate_series(1, 100) AS n, LATERAL tokenauth.issue('api', 'user:alice', name => n::text);

-- an empty name or description is none
SELECT id FROM tokenauth.issue('api', 'user:alice', name => '', description => '', metadata => '{}') \gset
SELECT name, description, metadata FROM tokenauth.tokens WHERE id = :'id';
-- … but an empty list of networks is refused: it would restrict nothing, where somebody meant to restrict
SELECT tokenauth.issue('api', 'user:alice', networks => '{}');
\echo :SQLSTATE

-- kind and owner must be given and exist
SELECT tokenauth.issue(NULL, 'user:alice');
\echo :SQLSTATE
SELECT tokenauth.issue('api', NULL);
\echo :SQLSTATE
SELECT tokenauth.issue('robot', 'user:alice');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:nobody');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'alice');
\echo :SQLSTATE
-- a token that strayed into another argument is not repeated in the message
\set VERBOSITY sqlstate
SELECT token AS stray FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.issue(:'stray', 'user:alice');
SELECT :'LAST_ERROR_MESSAGE' LIKE '%' || :'stray' || '%' AS leaked;
SELECT tokenauth.issue('api', 'user:' || :'stray');
SELECT :'LAST_ERROR_MESSAGE' LIKE '%' || :'stray' || '%' AS leaked;

\set VERBOSITY default

-- the owner is of a type that the kind allows
SELECT tokenauth.put_principal('org:acme', '{*}');
SELECT tokenauth.issue('api', 'org:acme');
\echo :SQLSTATE

-- only the application's own trusted calls are there yet
SELECT count(*) FROM tokenauth.issue('api', 'user:alice', actor => 'session');
SELECT tokenauth.issue('api', 'user:alice', actor => 'user:nobody');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', actor => '');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', actor => NULL);
\echo :SQLSTATE

-- intersect: chosen scopes, cut to what the owner holds now
SELECT token FROM tokenauth.issue('api', 'user:alice', scopes => '{devices:read,reports}') \gset
SELECT scopes FROM tokenauth.verify(:'token');
SELECT scopes FROM tokenauth.issue('api', 'user:alice', scopes => '{}');
SELECT scopes FROM tokenauth.issue('api', 'user:alice', scopes => '{sites:read,devices:a:b,devices:*}');
SELECT tokenauth.issue('api', 'user:alice', scopes => '{devices:read,admin}');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', scopes => '{*}');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', scopes => '{*:write}');
\echo :SQLSTATE
SELECT data_scopes FROM tokenauth.issue('api', 'user:alice', data_scopes => '{"site": ["nyc"], "rack": ["r1"]}') i, tokenauth.verify(i.token);
SELECT tokenauth.issue('api', 'user:alice', data_scopes => '{"site": ["ams"]}');
\echo :SQLSTATE
-- … an empty object is everything, which the owner does not hold
SELECT tokenauth.issue('api', 'user:alice', data_scopes => '{}');
\echo :SQLSTATE
SELECT data_scopes FROM tokenauth.issue('api', 'user:alice', data_scopes => '{"*": []}') i, tokenauth.verify(i.token);
-- … the owner loses one permission and gains another: the token follows the first only
SELECT tokenauth.put_principal('user:alice', '{devices:*,*:read,admin}');
SELECT scopes FROM tokenauth.verify(:'token');
SELECT tokenauth.put_principal('user:alice', '{devices:*,*:read,reports}');

-- live: the owner's permissions and data scopes of now, nothing to be chosen
INSERT INTO tokenauth.kind (name, prefix, permission_mode) VALUES ('live', 'live_', 'live');
SELECT token, scopes FROM tokenauth.issue('live', 'user:alice') \gset
\echo :scopes
SELECT scopes, data_scopes FROM tokenauth.verify(:'token');
SELECT tokenauth.put_principal('user:alice', '{admin}', '{}');
SELECT scopes, data_scopes FROM tokenauth.verify(:'token');
SELECT tokenauth.put_principal('user:alice', '{devices:*,*:read,reports}', '{"site": ["nyc", "lon"]}');
SELECT scopes, data_scopes FROM tokenauth.tokens WHERE kind = 'live';
SELECT tokenauth.issue('live', 'user:alice', scopes => '{devices:read}');
\echo :SQLSTATE
SELECT tokenauth.issue('live', 'user:alice', scopes => '{}');
\echo :SQLSTATE
SELECT tokenauth.issue('live', 'user:alice', data_scopes => '{}');
\echo :SQLSTATE

-- snapshot: chosen scopes as they were granted
INSERT INTO tokenauth.kind (name, prefix, permission_mode) VALUES ('snapshot', 'snap_', 'snapshot');
SELECT token FROM tokenauth.issue('snapshot', 'user:alice', scopes => '{devices:write}') \gset
SELECT tokenauth.put_principal('user:alice', '{}', '{"*": []}');
SELECT scopes, data_scopes FROM tokenauth.verify(:'token');
SELECT tokenauth.put_principal('user:alice', '{devices:*,*:read,reports}', '{"site": ["nyc", "lon"]}');
SELECT tokenauth.issue('snapshot', 'user:alice', scopes => '{admin}');
\echo :SQLSTATE

-- all: system-wide, whatever the owner holds
INSERT INTO tokenauth.kind (name, prefix, permission_mode, self_service, owner_types) VALUES ('all', 'all_', 'all', false, '{service}');
SELECT tokenauth.put_principal('service:backup', '{}', '{"*": []}');
SELECT scopes FROM tokenauth.issue('all', 'service:backup');
SELECT verdict, v.scopes, v.data_scopes FROM tokenauth.issue('all', 'service:backup') i, tokenauth.verify(i.token, '{anything:at:all,*}') v;
SELECT tokenauth.issue('all', 'service:backup', scopes => '{*}');
\echo :SQLSTATE

-- a ceiling cuts what is held, segment by segment; scopes chosen beyond it are refused
INSERT INTO tokenauth.kind (name, prefix, ceiling) VALUES ('readonly', 'ro_', '{*:read}');
INSERT INTO tokenauth.kind (name, prefix, ceiling, permission_mode) VALUES ('readonly live', 'rol_', '{*:read}', 'live');
INSERT INTO tokenauth.kind (name, prefix, ceiling, permission_mode) VALUES ('readonly snapshot', 'ros_', '{*:read}', 'snapshot');
INSERT INTO tokenauth.kind (name, prefix, ceiling, permission_mode, self_service) VALUES ('readonly all', 'roa_', '{*:read}', 'all', false);
SELECT tokenauth.put_principal('user:bob', '{devices:*,sites:write,reports}');
SELECT k.name, i.scopes AS issued, v.scopes AS verified
  FROM tokenauth.kind k, LATERAL tokenauth.issue(k.name, 'user:bob') i, LATERAL tokenauth.verify(i.token) v
 WHERE k.ceiling IS NOT NULL ORDER BY k.name;
SELECT scopes FROM tokenauth.issue('readonly', 'user:bob', scopes => '{devices:read}');
SELECT tokenauth.issue('readonly', 'user:bob', scopes => '{devices:read,devices:write}');
\echo :SQLSTATE
SELECT tokenauth.issue('readonly', 'user:bob', scopes => '{devices:*}');
\echo :SQLSTATE
SELECT tokenauth.issue('readonly', 'user:bob', scopes => '{sites:read}');
\echo :SQLSTATE

-- lifetimes: none asked for and none by default is for ever; the kind's default; the caller's
INSERT INTO tokenauth.kind (name, prefix, default_lifetime, max_lifetime) VALUES ('bounded', 'bounded_', '90 days', '365 days');
SELECT expires_at - created_at AS lifetime FROM tokenauth.issue('bounded', 'user:alice');
SELECT expires_at - created_at AS lifetime FROM tokenauth.issue('bounded', 'user:alice', expires_in => '1 hour');
SELECT expires_at = date_trunc('day', now() + '10 days') AS as_asked
  FROM tokenauth.issue('bounded', 'user:alice', expires_at => date_trunc('day', now() + '10 days'));
SELECT expires_at FROM tokenauth.issue('api', 'user:alice', expires_at => 'infinity');
-- … the bound holds to the end of its last day, in UTC whatever the session's time zone
\set VERBOSITY terse
SET TimeZone = 'Pacific/Kiritimati';
SELECT expires_at - created_at AS lifetime FROM tokenauth.issue('bounded', 'user:alice', expires_in => '365 days');
SELECT (date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC') + '366 days') AT TIME ZONE 'UTC' AS last \gset
SELECT expires_at = :'last' AS as_asked FROM tokenauth.issue('bounded', 'user:alice', expires_at => :'last');
SELECT tokenauth.issue('bounded', 'user:alice', expires_at => :'last'::timestamptz + '1 day 1 microsecond');
\echo :SQLSTATE
SET TimeZone = 'Pacific/Pago_Pago';
SELECT expires_at = :'last' AS as_asked FROM tokenauth.issue('bounded', 'user:alice', expires_at => :'last');
SELECT tokenauth.issue('bounded', 'user:alice', expires_at => :'last'::timestamptz + '1 day 1 microsecond');
\echo :SQLSTATE
RESET TimeZone;
SELECT tokenauth.issue('bounded', 'user:alice', expires_in => '367 days');
\echo :SQLSTATE
SELECT tokenauth.issue('bounded', 'user:alice', expires_at => 'infinity');
\echo :SQLSTATE
\set VERBOSITY default
-- … a refusal names the latest moment allowed, in the session's time zone
CREATE FUNCTION latest(asked timestamptz) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    PERFORM tokenauth.issue('bounded', 'user:alice', expires_at => asked);
    RETURN NULL;
EXCEPTION WHEN invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN substring(detail FROM 'It may be (.*) at the latest\.');
END
$$;
SET TimeZone = 'America/Los_Angeles';
SELECT latest('infinity') AS latest \gset
SELECT :'latest'::timestamptz = :'last'::timestamptz AS end_of_the_last_day, latest(:'latest') IS NULL AS accepted,
       latest(:'latest'::timestamptz + '1 microsecond') = :'latest' AS refused_beyond;
RESET TimeZone;
SELECT tokenauth.issue('bounded', 'user:alice', expires_in => '1 day', expires_at => now() + '1 day');
\echo :SQLSTATE
SELECT tokenauth.issue('bounded', 'user:alice', expires_at => now() - '1 second'::interval);
\echo :SQLSTATE
SELECT tokenauth.issue('bounded', 'user:alice', expires_in => '0');
\echo :SQLSTATE
-- … a bound without a default is the lifetime of a token that asks for none: nothing of the kind is unbounded
INSERT INTO tokenauth.kind (name, prefix, max_lifetime) VALUES ('bounded only', 'bo_', '10 days');
SELECT expires_at - created_at AS lifetime FROM tokenauth.issue('bounded only', 'user:alice');
-- … a lifetime that must be given
INSERT INTO tokenauth.kind (name, prefix, lifetime_required) VALUES ('limited', 'limited_', true);
SELECT tokenauth.issue('limited', 'user:alice');
\echo :SQLSTATE
\set VERBOSITY sqlstate
SELECT tokenauth.issue('limited', 'user:alice', expires_at => 'infinity');
\set VERBOSITY default
SELECT expires_at - created_at AS lifetime FROM tokenauth.issue('limited', 'user:alice', expires_in => '1 day');
-- … counts from the moment of the call, not of the transaction
BEGIN;
SELECT pg_sleep(0.01);
SELECT created_at > now() AS after_begin, expires_at - created_at AS lifetime
  FROM tokenauth.issue('api', 'user:alice', expires_in => '1 day');
COMMIT;
-- … and a month is a month
SELECT expires_at AT TIME ZONE 'UTC' = created_at AT TIME ZONE 'UTC' + interval '1 month' AS is_a_month
  FROM tokenauth.issue('api', 'user:alice', expires_in => '1 month');

-- a token may begin later, but not at or after its end
SELECT verdict FROM tokenauth.issue('api', 'user:alice', not_before => now() + '1 day') i, tokenauth.verify(i.token);
SELECT verdict FROM tokenauth.issue('api', 'user:alice', not_before => '-infinity') i, tokenauth.verify(i.token);
SELECT tokenauth.issue('api', 'user:alice', not_before => now() + '2 days', expires_in => '1 day');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', not_before => 'infinity');
\echo :SQLSTATE

-- a name that must be given
INSERT INTO tokenauth.kind (name, prefix, name_required) VALUES ('named', 'named_', true);
SELECT name FROM tokenauth.issue('named', 'user:alice', name => 'laptop');
SELECT tokenauth.issue('named', 'user:alice');
\echo :SQLSTATE
SELECT tokenauth.issue('named', 'user:alice', name => '');
\echo :SQLSTATE

-- networks: addresses and networks, no host bits, no names
SELECT tokenauth.issue('api', 'user:alice', networks => '{10.0.0.0/8,10.0.0.1/8}');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', networks => '{localhost}');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', networks => '{10.0.0.0/33}');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', networks => '{10.0.0.0/8,NULL}');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', networks => array_fill('10.0.0.0/8'::text, '{257}'));
\echo :SQLSTATE

-- metadata: an object of at most 8 kB
SELECT tokenauth.issue('api', 'user:alice', metadata => '[1]');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', metadata => 'null');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', metadata => jsonb_build_object('a', repeat('x', 8200)));
\echo :SQLSTATE

-- a maximum per owner: what is alive counts, also when it is disabled or suspended
INSERT INTO tokenauth.kind (name, prefix, max_active_per_owner) VALUES ('two', 'two_', 2);
SELECT id AS first FROM tokenauth.issue('two', 'user:alice') \gset
SELECT id AS second FROM tokenauth.issue('two', 'user:alice', not_before => now() + '1 day') \gset
SELECT tokenauth.issue('two', 'user:alice');
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.issue('two', 'user:bob');
SELECT tokenauth.disable(:'first');
SELECT tokenauth.issue('two', 'user:alice');
\echo :SQLSTATE
SELECT tokenauth.revoke(:'first');
SELECT id AS third FROM tokenauth.issue('two', 'user:alice', expires_in => '50 milliseconds') \gset
SELECT pg_sleep(0.1);
SELECT count(*) FROM tokenauth.issue('two', 'user:alice');
SELECT tokenauth.issue('two', 'user:alice');
\echo :SQLSTATE
SELECT tokenauth.revoke_all('user:alice', 'two');
SELECT count(*) FROM tokenauth.issue('two', 'user:alice');

-- an issue that is rolled back, or refused in a block that catches the error, leaves nothing
BEGIN;
SELECT token FROM tokenauth.issue('api', 'user:alice') \gset
SELECT verdict FROM tokenauth.verify(:'token');
ROLLBACK;
SELECT verdict FROM tokenauth.verify(:'token');
SELECT count(*) AS tokens_before FROM tokenauth.token \gset
DO $$
BEGIN
    PERFORM tokenauth.issue('api', 'user:alice');
    PERFORM tokenauth.issue('api', 'user:alice', scopes => '{admin}');
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'refused: %', SQLERRM;
END
$$;
SELECT count(*) - :tokens_before AS tokens, (SELECT count(*) FROM tokenauth.usage) = count(*) AS each_has_its_usage FROM tokenauth.token;
