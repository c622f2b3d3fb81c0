-- edit() changes a token and never its text: NULL leaves a field, an empty value clears it, 'infinity' removes the expiry.
-- Only given fields are compared with what the owner holds; what widens or revives is judged like issue().
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET IntervalStyle = 'postgres';
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:*,sites:read}', '{"site": ["nyc", "lon"]}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice', 'laptop', 'mine', '{devices:read}', '{"site": ["nyc"]}', '30 days',
                                      networks => '{10.0.0.0/8}', metadata => '{"a": 1}') \gset

-- nothing given: nothing changes, and no event says otherwise
SELECT name, description, scopes, data_scopes, expires_at - created_at AS lifetime, networks, metadata, status FROM tokenauth.edit(:'id');
SELECT count(*) FROM tokenauth.events WHERE event = 'token.edited';

-- each field; the answer is the row of tokenauth.tokens
SELECT name FROM tokenauth.edit(:'id', name => 'desktop');
SELECT description FROM tokenauth.edit(:'id', description => 'at home');
SELECT scopes FROM tokenauth.edit(:'id', scopes => '{sites:read,devices:write,devices:write}');
SELECT data_scopes FROM tokenauth.edit(:'id', data_scopes => '{"site": ["lon", "nyc"]}');
SELECT expires_at > now() + '89 days' AND expires_at < now() + '91 days' AS from_now FROM tokenauth.edit(:'id', expires_in => '90 days');
SELECT expires_at = '2099-12-31 00:00Z' AS as_asked FROM tokenauth.edit(:'id', expires_at => '2099-12-31 00:00Z');
SELECT networks FROM tokenauth.edit(:'id', networks => '{192.168.1.1,2001:db8::/32}');
SELECT metadata FROM tokenauth.edit(:'id', metadata => '{"b": [2]}');
SELECT verdict, name, scopes, data_scopes, metadata FROM tokenauth.verify(:'token', client => '192.168.1.1');

-- an empty value clears
SELECT name, description, scopes, expires_at, networks, metadata
  FROM tokenauth.edit(:'id', name => '', description => '', scopes => '{}', expires_at => 'infinity', networks => '{}', metadata => '{}');
SELECT verdict, name, scopes, metadata FROM tokenauth.verify(:'token');

-- an edit is seen by the next verification, and taken back by a rollback
BEGIN;
SELECT scopes FROM tokenauth.edit(:'id', scopes => '{devices:*}');
SELECT scopes FROM tokenauth.verify(:'token');
ROLLBACK;
SELECT scopes FROM tokenauth.verify(:'token');

-- a token that does not exist, or no token
SELECT tokenauth.edit(NULL, name => 'x');
\echo :SQLSTATE
SELECT tokenauth.edit('00000000-0000-0000-0000-000000000000', name => 'x');
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', actor => NULL);
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', actor => 'user:nobody');
\echo :SQLSTATE

-- what is malformed is refused as by issue(), and then nothing changes
\set VERBOSITY terse
SELECT tokenauth.edit(:'id', name => 'x', scopes => '{devices read}');
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', name => 'x', networks => '{10.0.0.1/8}');
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', name => 'x', metadata => '7');
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', name => repeat('n', 256));
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', description => repeat('d', 8193));
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', name => 'x', expires_in => '1 day', expires_at => '2099-12-31');
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', name => 'x', expires_in => '-1 day');
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', name => 'x', expires_at => now());
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', name => 'x', expires_at => '-infinity');
\echo :SQLSTATE
\set VERBOSITY default
SELECT name, expires_at FROM tokenauth.tokens WHERE id = :'id';

-- scopes and data scopes lie within what the owner holds now
SELECT tokenauth.edit(:'id', scopes => '{devices:read,admin}');
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', data_scopes => '{"site": ["ams"]}');
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', data_scopes => '{}');
\echo :SQLSTATE
-- … only given ones are compared: the owner has lost devices:*, the name can change all the same
SELECT scopes FROM tokenauth.edit(:'id', scopes => '{devices:write,sites:read}');
SELECT tokenauth.put_principal('user:alice', '{sites:read}');
SELECT name, scopes FROM tokenauth.edit(:'id', name => 'renamed');
SELECT tokenauth.edit(:'id', scopes => '{devices:write,sites:read}');
\echo :SQLSTATE
SELECT scopes FROM tokenauth.edit(:'id', scopes => '{sites:read}');
SELECT tokenauth.put_principal('user:alice', '{devices:*,sites:read}');

-- a snapshot token keeps what its owner has lost, but is not given more life then
INSERT INTO tokenauth.kind (name, prefix, permission_mode) VALUES ('snapshot', 'snap_', 'snapshot');
SELECT token, id AS snap FROM tokenauth.issue('snapshot', 'user:alice', scopes => '{devices:write}', expires_in => '1 day', networks => '{10.0.0.0/8}') \gset
SELECT tokenauth.put_principal('user:alice', '{sites:read}');
SELECT name FROM tokenauth.edit(:'snap', name => 'renamed');
SELECT tokenauth.edit(:'snap', expires_in => '30 days');
\echo :SQLSTATE
SELECT tokenauth.edit(:'snap', expires_at => 'infinity');
\echo :SQLSTATE
SELECT tokenauth.edit(:'snap', networks => '{}');
\echo :SQLSTATE
SELECT scopes FROM tokenauth.edit(:'snap', scopes => '{sites:read}');
SELECT tokenauth.put_principal('user:alice', '{devices:*,sites:read}');

-- kinds whose tokens carry no scopes of their own
INSERT INTO tokenauth.kind (name, prefix, permission_mode) VALUES ('live', 'live_', 'live');
SELECT id AS live FROM tokenauth.issue('live', 'user:alice') \gset
SELECT name, scopes FROM tokenauth.edit(:'live', name => 'x');
SELECT tokenauth.edit(:'live', scopes => '{sites:read}');
\echo :SQLSTATE
SELECT tokenauth.edit(:'live', data_scopes => '{"site": ["nyc"]}');
\echo :SQLSTATE

-- a ceiling
INSERT INTO tokenauth.kind (name, prefix, ceiling) VALUES ('readonly', 'ro_', '{*:read}');
SELECT id AS ro FROM tokenauth.issue('readonly', 'user:alice') \gset
SELECT scopes FROM tokenauth.edit(:'ro', scopes => '{sites:read}');
SELECT tokenauth.edit(:'ro', scopes => '{devices:write}');
\echo :SQLSTATE

-- what the kind demands stays demanded
INSERT INTO tokenauth.kind (name, prefix, name_required, lifetime_required, max_lifetime) VALUES ('strict', 'strict_', true, true, '365 days');
SELECT id AS strict FROM tokenauth.issue('strict', 'user:alice', 'n', expires_in => '1 day') \gset
SELECT tokenauth.edit(:'strict', name => '');
\echo :SQLSTATE
SELECT tokenauth.edit(:'strict', name => '   ');
\echo :SQLSTATE
\set VERBOSITY terse
SELECT tokenauth.edit(:'strict', expires_at => 'infinity');
\echo :SQLSTATE
SELECT tokenauth.edit(:'strict', expires_in => '367 days');
\echo :SQLSTATE
\set VERBOSITY default
SELECT name, expires_at > now() + '364 days' AS extended FROM tokenauth.edit(:'strict', name => 'm', expires_in => '365 days');
INSERT INTO tokenauth.kind (name, prefix, lifetime_required) VALUES ('limited', 'limited_', true);
SELECT id AS limited FROM tokenauth.issue('limited', 'user:alice', expires_in => '1 day') \gset
\set VERBOSITY sqlstate
SELECT tokenauth.edit(:'limited', expires_at => 'infinity');
\set VERBOSITY default

-- the expiry stays after the beginning
SELECT id AS later FROM tokenauth.issue('api', 'user:alice', not_before => now() + '2 days') \gset
SELECT tokenauth.edit(:'later', expires_in => '1 day');
\echo :SQLSTATE
SELECT status FROM tokenauth.edit(:'later', expires_in => '3 days');

-- a revoked token cannot be edited, nor one that died with others, nor a deleted one
\set VERBOSITY sqlstate
SELECT id AS dead FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.revoke(:'dead');
SELECT tokenauth.edit(:'dead', name => 'x');
SELECT tokenauth.delete(:'dead');
SELECT tokenauth.edit(:'dead', name => 'x');
SELECT id AS mass FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.revoke_all('user:alice');
SELECT tokenauth.edit(:'mass', name => 'x');
SELECT tokenauth.edit(:'mass', expires_in => '1 day');

-- an expired token can be deleted only …
SELECT id, token FROM tokenauth.issue('api', 'user:alice', expires_in => '1 millisecond') \gset
SELECT pg_sleep(0.01);
SELECT tokenauth.edit(:'id', name => 'x');
SELECT tokenauth.edit(:'id', expires_in => '1 day');
SELECT tokenauth.delete(:'id');
-- … unless its kind lets it be edited: then it lives again
INSERT INTO tokenauth.kind (name, prefix, expired_editable, max_active_per_owner) VALUES ('editable', 'ed_', true, 1);
SELECT id, token FROM tokenauth.issue('editable', 'user:alice', expires_in => '1 millisecond') \gset
SELECT pg_sleep(0.01);
SELECT name, status FROM tokenauth.edit(:'id', name => 'x');
SELECT name, status FROM tokenauth.edit(:'id', expires_in => '1 hour');
SELECT verdict FROM tokenauth.verify(:'token');
-- … if there is room for it
SELECT tokenauth.revoke(:'id');
SELECT id, token FROM tokenauth.issue('editable', 'user:alice', expires_in => '1 millisecond') \gset
SELECT pg_sleep(0.01);
SELECT count(*) FROM tokenauth.issue('editable', 'user:alice');
SELECT tokenauth.edit(:'id', expires_in => '1 hour');
SELECT verdict FROM tokenauth.verify(:'token');
\set VERBOSITY default

-- an inactive owner: its suspended token can be renamed, not widened
INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('patient', 'patient_', 'suspend');
SELECT id FROM tokenauth.issue('patient', 'user:alice', expires_in => '1 day') \gset
SELECT tokenauth.deactivate('user:alice');
SELECT name, status FROM tokenauth.edit(:'id', name => 'renamed');
SELECT tokenauth.edit(:'id', expires_in => '30 days');
\echo :SQLSTATE
SELECT tokenauth.activate('user:alice');

-- a disabled token can be edited, and stays disabled
SELECT id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.disable(:'id');
SELECT name, status FROM tokenauth.edit(:'id', name => 'x', expires_in => '1 day');

-- history tells each change, before and after
SELECT before -> 'name' AS name, after -> 'name' AS name, before -> 'scopes' AS scopes, after -> 'scopes' AS scopes
  FROM tokenauth.events WHERE event = 'token.edited' ORDER BY id LIMIT 4;
