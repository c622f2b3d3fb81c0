-- A client manages tokens with its own token: under an identity, calls act as the identity, and hand out no more than the token
-- presented grants. A narrow token never becomes a wider one, whatever its owner holds and whatever role the session has.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_client, regress_tokenauth_app;
RESET client_min_messages;
INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, issue_permission, manage_permission, expired_editable) VALUES
    ('key', 'key_', '{user,org}', 'intersect', NULL, 'tokens:manage', true),
    ('gated', 'gated_', '{user,org}', 'intersect', 'tokens:issue', 'tokens:manage', true),
    ('live', 'live_', '{user,org}', 'live', NULL, 'tokens:manage', true),
    ('system', 'system_', '{user,org}', 'all', 'tokens:issue', 'tokens:manage', true);
SELECT tokenauth.put_principal('user:ann', '{devices:*,sites:read,tokens:*}', '{"site": ["nyc", "lon"]}');
SELECT tokenauth.put_principal('user:ben', '{devices:read}', '{"site": ["nyc"]}');
SELECT tokenauth.put_principal('org:acme', '{devices:*}', '{"site": ["nyc"]}');
SELECT tokenauth.add_member('org:acme', 'user:ann', '{tokens:manage}');
SELECT tokenauth.add_member('org:acme', 'user:ben', '{devices:write}');
-- the client's role runs SQL for end users and has no right to speak for anybody; the application's has
CREATE ROLE regress_tokenauth_client;
CREATE ROLE regress_tokenauth_app;
SELECT tokenauth.grant_access('regress_tokenauth_client', 'self'), tokenauth.grant_access('regress_tokenauth_app', 'admin');
-- all that ann holds; and of it reading in New York only
SELECT token AS wide, id AS wide_id FROM tokenauth.issue('key', 'user:ann', 'wide') \gset
SELECT token AS narrow, id AS narrow_id FROM tokenauth.issue('key', 'user:ann', 'narrow', scopes => '{devices:read}', data_scopes => '{"site": ["nyc"]}') \gset
SELECT token AS live, id AS live_id FROM tokenauth.issue('live', 'user:ann', 'live') \gset
SELECT token AS bens, id AS bens_id FROM tokenauth.issue('key', 'user:ben', 'ben''s') \gset
SELECT token AS acmes, id AS acmes_id FROM tokenauth.issue('key', 'org:acme', 'acme''s', scopes => '{devices:read}') \gset

-- a client with nothing but its key: it makes another, names it, sees both, replaces one and kills it
SET ROLE regress_tokenauth_client;
SELECT tokenauth.issue('key', 'user:ben');
\echo :SQLSTATE
BEGIN;
SELECT tokenauth.authenticate(:'bens');
SELECT id AS second FROM tokenauth.issue('key', 'user:ben', 'second') \gset
SELECT name, scopes FROM tokenauth.edit(:'second', name => 'laptop');
SELECT name, owner, created_by = 'user:ben' AS by_itself, status FROM tokenauth.list() ORDER BY created_at;
SELECT tokenauth.grantable('key', 'user:ben');
SELECT id AS third FROM tokenauth.rotate(:'second', '1 hour') \gset
SELECT predecessor = :'second' AS old, successor = :'third' AS new FROM tokenauth.rotation_status(:'third');
SELECT tokenauth.disable(:'third'), tokenauth.enable(:'third'), tokenauth.revoke(:'second'), tokenauth.delete(:'third');
-- … it may name itself, and nobody else
SELECT tokenauth.grantable('key', 'user:ben', actor => 'user:ben');
SAVEPOINT other;
SELECT tokenauth.grantable('key', 'user:ben', actor => 'user:ann');
\echo :SQLSTATE
ROLLBACK TO other;
SELECT tokenauth.issue('key', 'user:ben', actor => 'nobody at all');
\echo :SQLSTATE
ROLLBACK TO other;
SELECT tokenauth.revoke(:'bens_id', actor => NULL);
\echo :SQLSTATE
ROLLBACK TO other;
COMMIT;
RESET ROLE;
-- … and history has it as the actor, with the token that acted and the role through which it did
SELECT event, actor, acting_token = :'bens_id' AS by_bens, role, session_role = session_user AS logged_in FROM tokenauth.events WHERE token_id IN (:'second', :'third') ORDER BY id;
SELECT status, revoked_by FROM tokenauth.tokens WHERE id = :'second';

-- what a statement comes to by each token, taken back afterwards
CREATE FUNCTION attempt(token text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tokenauth.authenticate(token);
    EXECUTE statement;
    RAISE SQLSTATE 'RB000';
EXCEPTION WHEN OTHERS THEN
    RETURN CASE SQLSTATE WHEN 'RB000' THEN 'done' ELSE SQLSTATE END;
END
$$;
GRANT EXECUTE ON FUNCTION attempt TO regress_tokenauth_client;
CREATE TABLE presented (number integer, name text, token text);
INSERT INTO presented VALUES (1, 'wide', :'wide'), (2, 'narrow', :'narrow'), (3, 'live', :'live'), (4, 'bens', :'bens'), (5, 'acmes', :'acmes');
CREATE TABLE held AS
SELECT 'disabled' AS name, id FROM tokenauth.issue('key', 'user:ann', 'disabled')
UNION ALL SELECT 'no sites', id FROM tokenauth.issue('key', 'user:ann', 'no sites', scopes => '{devices:read}')
UNION ALL SELECT 'within narrow', id FROM tokenauth.issue('key', 'user:ann', 'within narrow', scopes => '{devices:read}', data_scopes => '{"site": ["nyc"]}')
UNION ALL SELECT 'system', id FROM tokenauth.issue('system', 'user:ann', 'system');
SELECT tokenauth.disable(id) FROM held WHERE name = 'disabled';
CREATE FUNCTION id_of(text) RETURNS uuid LANGUAGE sql AS 'SELECT id FROM held WHERE name = $1';
CREATE TABLE operation (number integer GENERATED ALWAYS AS IDENTITY, what text, statement text);
-- … outcome of each operation by each token
CREATE VIEW matrix AS
SELECT o.number, o.what, string_agg(p.name, ' ' ORDER BY p.number) FILTER (WHERE result = 'done') AS done,
       string_agg(p.name, ' ' ORDER BY p.number) FILTER (WHERE result = '42501') AS "42501",
       string_agg(p.name, ' ' ORDER BY p.number) FILTER (WHERE result = '42704') AS "42704",
       string_agg(p.name || '=' || result, ' ' ORDER BY p.number) FILTER (WHERE result NOT IN ('done', '42501', '42704')) AS other
  FROM operation o CROSS JOIN presented p CROSS JOIN LATERAL attempt(p.token, o.statement) AS result
 GROUP BY o.number, o.what;

-- handing out: as much as the token presented grants now, in scopes and in data
INSERT INTO operation (what, statement) VALUES
    ('issue all that ann holds', $$SELECT tokenauth.issue('key', 'user:ann')$$),
    ('issue as much as narrow', $$SELECT tokenauth.issue('key', 'user:ann', scopes => '{devices:read}', data_scopes => '{"site": ["nyc"]}')$$),
    ('issue less than narrow', $$SELECT tokenauth.issue('key', 'user:ann', scopes => '{devices:read}', data_scopes => '{"site": []}')$$),
    ('issue other scopes', $$SELECT tokenauth.issue('key', 'user:ann', scopes => '{sites:read}', data_scopes => '{"site": ["nyc"]}')$$),
    ('issue for more data', $$SELECT tokenauth.issue('key', 'user:ann', scopes => '{devices:read}')$$),
    ('import', $$SELECT tokenauth.import('key', 'user:ann', repeat('ab', 32), 'sha256', scopes => '{devices:read}')$$),
    ('rotate the wide one', format('SELECT tokenauth.rotate(%L)', :'wide_id')),
    ('rotate one for more data', format('SELECT tokenauth.rotate(%L)', id_of('no sites'))),
    ('rotate one within narrow', format('SELECT tokenauth.rotate(%L)', id_of('within narrow'))),
    ('enable', format('SELECT tokenauth.enable(%L)', id_of('disabled'))),
    ('edit narrow: scopes', format($$SELECT tokenauth.edit(%L, scopes => '{devices:*}')$$, :'narrow_id')),
    ('edit narrow: data scopes', format($$SELECT tokenauth.edit(%L, data_scopes => '{"site": ["nyc", "lon"]}')$$, :'narrow_id')),
    ('edit narrow: as it is', format($$SELECT tokenauth.edit(%L, scopes => '{devices:read}')$$, :'narrow_id')),
    ('edit narrow: expiry', format($$SELECT tokenauth.edit(%L, expires_in => '1 day')$$, :'narrow_id')),
    ('edit wide: expiry', format($$SELECT tokenauth.edit(%L, expires_in => '1 day')$$, :'wide_id')),
    ('edit wide: networks', format($$SELECT tokenauth.edit(%L, networks => '{}')$$, :'wide_id')),
    ('edit wide: narrower', format($$SELECT tokenauth.edit(%L, scopes => '{devices:read}', data_scopes => '{"site": ["nyc"]}')$$, :'wide_id'));
SELECT what, done, "42501", "42704", other FROM matrix ORDER BY number;
-- … it is the same for the client's role as for a superuser's: under an identity there are no trusted calls
CREATE TEMPORARY TABLE as_superuser AS SELECT * FROM matrix;
GRANT SELECT ON matrix, operation, presented, as_superuser TO regress_tokenauth_client;
SET ROLE regress_tokenauth_client;
SELECT what, done, "42501" FROM matrix WHERE what <> 'import' EXCEPT SELECT what, done, "42501" FROM as_superuser;
RESET ROLE;
-- … to reveal is to hand out: who may is told that the text was not kept, 55000, and the others are told nothing
UPDATE tokenauth.kind SET reveal = true WHERE name IN ('key', 'live');
TRUNCATE operation;
INSERT INTO operation (what, statement) VALUES
    ('reveal the wide one', format('SELECT tokenauth.reveal(%L)', :'wide_id')),
    ('reveal one within narrow', format('SELECT tokenauth.reveal(%L)', id_of('within narrow'))),
    ('reveal live', format('SELECT tokenauth.reveal(%L)', :'live_id'));
SELECT what, done, "42501", "42704", other FROM matrix ORDER BY number;
UPDATE tokenauth.kind SET reveal = false;

-- what neither hands out nor widens is the owner's to do, by whatever token of its own
TRUNCATE operation;
INSERT INTO operation (what, statement) VALUES
    ('name another', format($$SELECT tokenauth.edit(%L, name => 'n')$$, :'wide_id')),
    ('disable another', format('SELECT tokenauth.disable(%L)', :'wide_id')),
    ('revoke another', format('SELECT tokenauth.revoke(%L)', :'wide_id')),
    ('delete another', format('SELECT tokenauth.delete(%L)', :'wide_id')),
    ('revoke all of ann''s', $$SELECT tokenauth.revoke_all('user:ann')$$),
    ('present one', format('SELECT tokenauth.revoke_presented(%L)', :'acmes'));
SELECT what, done, "42501", "42704", other FROM matrix ORDER BY number;

-- tokens of others: an organisation's by the membership of the owner, everybody's by what the token itself grants
TRUNCATE operation;
INSERT INTO operation (what, statement) VALUES
    ('revoke acme''s', format('SELECT tokenauth.revoke(%L)', :'acmes_id')),
    ('revoke all of acme''s', $$SELECT tokenauth.revoke_all('org:acme')$$),
    ('revoke ben''s', format('SELECT tokenauth.revoke(%L)', :'bens_id')),
    ('status of ben''s', format('SELECT tokenauth.rotation_status(%L)', :'bens_id')),
    ('issue for acme to read', $$SELECT tokenauth.issue('key', 'org:acme', scopes => '{devices:read}')$$),
    ('issue for acme to write', $$SELECT tokenauth.issue('key', 'org:acme', scopes => '{devices:write}')$$),
    ('issue for ben', $$SELECT tokenauth.issue('key', 'user:ben')$$);
SELECT what, done, "42501", "42704", other FROM matrix ORDER BY number;
-- … and so is the list
BEGIN; SELECT tokenauth.authenticate(:'wide'); SELECT owner, count(*) FROM tokenauth.list() GROUP BY owner ORDER BY owner; COMMIT;
BEGIN; SELECT tokenauth.authenticate(:'narrow'); SELECT owner, count(*) FROM tokenauth.list() GROUP BY owner ORDER BY owner; COMMIT;
BEGIN; SELECT tokenauth.authenticate(:'bens'); SELECT owner, count(*) FROM tokenauth.list() GROUP BY owner ORDER BY owner; COMMIT;

-- issue_permission must be granted by the token, not only held by its owner
TRUNCATE operation;
INSERT INTO operation (what, statement) VALUES
    ('issue gated', $$SELECT tokenauth.issue('gated', 'user:ann', scopes => '{devices:read}', data_scopes => '{"site": ["nyc"]}')$$);
SELECT what, done, "42501", "42704", other FROM matrix ORDER BY number;
BEGIN; SELECT tokenauth.authenticate(:'narrow'); SELECT tokenauth.grantable('key', 'user:ann') AS key, tokenauth.grantable('gated', 'user:ann') AS gated; COMMIT;

-- live and system-wide tokens grow by themselves: only a token of the same kind hands one out
TRUNCATE operation;
INSERT INTO operation (what, statement) VALUES
    ('issue live', $$SELECT tokenauth.issue('live', 'user:ann')$$),
    ('rotate live', format('SELECT tokenauth.rotate(%L)', :'live_id')),
    ('name live', format($$SELECT tokenauth.edit(%L, name => 'n')$$, :'live_id')),
    ('issue system', $$SELECT tokenauth.issue('system', 'user:ann')$$),
    ('rotate system', format('SELECT tokenauth.rotate(%L)', id_of('system')));
SELECT what, done, "42501", "42704", other FROM matrix ORDER BY number;
SELECT token AS system FROM tokenauth.issue('system', 'user:ann') \gset
SELECT what, attempt(:'system', statement) FROM operation ORDER BY number;
BEGIN;
SELECT tokenauth.authenticate(:'wide');
SELECT tokenauth.issue('live', 'user:ann');
ROLLBACK;

-- what the token grants is judged now, and not as it was when it was presented
BEGIN;
SELECT tokenauth.authenticate(:'wide');
SELECT scopes FROM tokenauth.edit(:'wide_id', scopes => '{devices:read}');
SELECT tokenauth.has_scope('devices:write') AS as_presented, tokenauth.grantable('key', 'user:ann') AS now;
SELECT tokenauth.edit(:'wide_id', scopes => '{devices:*}');
\echo :SQLSTATE
ROLLBACK;

-- a token that has died since it was presented hands out nothing, kills nothing and sees nothing
BEGIN;
SELECT tokenauth.authenticate(:'narrow');
SELECT tokenauth.revoke(:'narrow_id');
SELECT tokenauth.current_owner();
SAVEPOINT dead;
SELECT tokenauth.issue('key', 'user:ann', scopes => '{devices:read}', data_scopes => '{"site": ["nyc"]}');
\echo :SQLSTATE
ROLLBACK TO dead;
SELECT tokenauth.revoke(:'wide_id');
\echo :SQLSTATE
ROLLBACK TO dead;
SELECT tokenauth.revoke_all('user:ann');
\echo :SQLSTATE
ROLLBACK TO dead;
SELECT count(*) FROM tokenauth.list();
\echo :SQLSTATE
ROLLBACK;
BEGIN;
SELECT tokenauth.authenticate(:'narrow');
SELECT tokenauth.disable(:'narrow_id');
SELECT tokenauth.enable(:'narrow_id');
\echo :SQLSTATE
ROLLBACK;

-- nothing else is changed under an identity, not even by a superuser
CREATE TABLE account (id text PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
CREATE TABLE membership (org text, member text);
INSERT INTO account VALUES ('1');
SELECT tokenauth.bind_principals('account', 'account', 'id', active => 'is_active');
TRUNCATE operation;
INSERT INTO operation (what, statement) VALUES
    ('put_principal', $$SELECT tokenauth.put_principal('user:ann', '{*}')$$),
    ('deactivate', $$SELECT tokenauth.deactivate('user:ben')$$),
    ('activate', $$SELECT tokenauth.activate('user:ben')$$),
    ('drop_principal', $$SELECT tokenauth.drop_principal('user:ben')$$),
    ('add_member', $$SELECT tokenauth.add_member('org:acme', 'user:ben', '{*}')$$),
    ('remove_member', $$SELECT tokenauth.remove_member('org:acme', 'user:ben')$$),
    ('bind_principals', $$SELECT tokenauth.bind_principals('presented', 'other', 'name')$$),
    ('bind_members', $$SELECT tokenauth.bind_members('membership', 'org', 'member')$$),
    ('unbind_principals', $$SELECT tokenauth.unbind_principals('account')$$),
    ('sync_principals', $$SELECT tokenauth.sync_principals('account')$$),
    ('reseal', $$SELECT tokenauth.reseal()$$),
    ('purge', $$SELECT tokenauth.purge('1 year')$$),
    ('usage_import', $$SELECT tokenauth.usage_import('{}')$$),
    ('import_revocations', $$SELECT tokenauth.import_revocations('{}')$$),
    ('enforce', $$SELECT tokenauth.enforce('key', '{lifetime}')$$),
    ('erase', $$SELECT tokenauth.erase('user:ann')$$),
    ('report_leak', $$SELECT tokenauth.report_leak('[]')$$),
    ('grant_access', $$SELECT tokenauth.grant_access('regress_tokenauth_client', 'admin')$$),
    ('revoke_access', $$SELECT tokenauth.revoke_access('regress_tokenauth_client', 'self')$$),
    ('INSERT INTO kind', $$INSERT INTO tokenauth.kind (name, prefix) VALUES ('mine', 'mine_')$$),
    ('UPDATE kind', $$UPDATE tokenauth.kind SET ceiling = NULL$$),
    ('DELETE FROM kind', $$DELETE FROM tokenauth.kind$$),
    ('TRUNCATE kind', $$TRUNCATE tokenauth.kind, tokenauth.token$$);
SELECT what, attempt(:'live', statement) FROM operation ORDER BY number;
BEGIN;
SELECT tokenauth.authenticate(:'live');
SELECT tokenauth.put_principal('user:ann', '{*}');
ROLLBACK;
-- … every function with access manage or admin is in this test, or acts as the identity
SELECT p.proname FROM pg_proc p
 WHERE p.pronamespace = 'tokenauth'::regnamespace AND has_function_privilege('regress_tokenauth_app', p.oid, 'EXECUTE')
   AND NOT has_function_privilege('regress_tokenauth_client', p.oid, 'EXECUTE') AND p.provolatile = 'v'
   AND p.proname NOT IN (SELECT what FROM operation) ORDER BY p.proname;
-- … but the triggers of bound tables do their work, and history has who was behind it
BEGIN;
SELECT tokenauth.authenticate(:'live');
UPDATE account SET is_active = false;
COMMIT;
SELECT event, owner, actor, after -> 'active' AS active FROM tokenauth.events WHERE owner = 'account:1' ORDER BY id DESC LIMIT 1;

-- a token presented to be revoked is its holder's to revoke, by whomever the transaction is authenticated
SELECT token AS pasted, id AS pasted_id FROM tokenauth.issue('key', 'user:ann', scopes => '{devices:read}') \gset
BEGIN;
SELECT tokenauth.authenticate(:'bens');
SELECT tokenauth.revoke_presented(:'pasted');
COMMIT;
SELECT status, revoked_by FROM tokenauth.tokens WHERE id = :'pasted_id';

-- whoever was refused, or has signed out, is not the application: the same role, a moment later, makes no trusted call
SET ROLE regress_tokenauth_app;
BEGIN;
SELECT verdict FROM tokenauth.sign_in('key_nonsense');
SELECT tokenauth.issue('key', 'user:ann');
\echo :SQLSTATE
ROLLBACK;
BEGIN;
SELECT tokenauth.authenticate(:'bens');
SELECT tokenauth.sign_out();
SAVEPOINT out;
SELECT tokenauth.revoke(:'wide_id');
\echo :SQLSTATE
ROLLBACK TO out;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('mine', 'mine_');
\echo :SQLSTATE
ROLLBACK;
SELECT count(*) FROM tokenauth.issue('key', 'user:ann');
RESET ROLE;
BEGIN;
SELECT tokenauth.authenticate(:'bens');
SET LOCAL SESSION AUTHORIZATION regress_tokenauth_app;
SELECT tokenauth.revoke(:'wide_id');
\echo :SQLSTATE
ROLLBACK;

DROP OWNED BY regress_tokenauth_client, regress_tokenauth_app;
DROP ROLE regress_tokenauth_client, regress_tokenauth_app;
