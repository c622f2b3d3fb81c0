-- Who may do what: a principal manages its own tokens, those of organisations where its membership says so, and everybody's if
-- it holds the permission itself. Nobody mints, rotates, enables or edits a token into more than it holds.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, issue_permission, manage_permission, self_service) VALUES
    ('plain', 'plain_', '{user,org}', 'intersect', NULL, 'tokens:manage', true),
    ('gated', 'gated_', '{user,org}', 'intersect', 'tokens:issue', 'tokens:manage', true),
    ('trusted', 'trusted_', '{user,org}', 'intersect', NULL, NULL, true),
    ('noself', 'noself_', '{user,org}', 'intersect', NULL, 'tokens:manage', false),
    ('live', 'live_', '{user,org}', 'live', NULL, 'tokens:manage', true),
    ('snapshot', 'snapshot_', '{user,org}', 'snapshot', NULL, 'tokens:manage', true),
    ('system', 'system_', '{user,org}', 'all', 'tokens:issue', 'tokens:manage', true);

-- owners, and actors with one difference each
SELECT count(tokenauth.put_principal(principal, permissions, data_scopes)) FROM (VALUES
    ('user:owner', '{devices:*}'::text[], '{}'::jsonb), ('org:acme', '{devices:*}', '{}'),
    ('user:root', '{*}', '{}'),                                           -- holds everything
    ('user:admin', '{devices:*,tokens:manage,tokens:issue}', '{}'),       -- manages, may issue, holds as much as the owners
    ('user:keeper', '{devices:*,tokens:manage}', '{}'),                   -- manages, may not issue
    ('user:issuer', '{devices:*,tokens:issue}', '{}'),                    -- may issue, does not manage
    ('user:pattern', '{devices:*,tokens:*}', '{}'),                       -- a pattern covers both permissions
    ('user:narrow', '{devices:read,tokens:manage,tokens:issue}', '{}'),   -- manages, may issue, holds less
    ('user:near', '{devices:*,tokens:manage,tokens:issue}', '{"site": ["nyc"]}'), -- the same in its data
    ('user:equal', '{devices:*}', '{}'),                                  -- holds what the owners do, and nothing over them
    ('user:member', '{}', '{}'), ('user:chief', '{}', '{}'), ('user:clerk', '{}', '{}'), ('user:helper', '{}', '{}'),
    ('user:gone', '{*}', '{}'), ('user:asleep', '{*}', '{}')) AS p (principal, permissions, data_scopes);
SELECT tokenauth.add_member('org:acme', 'user:member', '{devices:*}');
SELECT tokenauth.add_member('org:acme', 'user:chief', '{devices:*,tokens:manage,tokens:issue}');
SELECT tokenauth.add_member('org:acme', 'user:clerk', '{devices:read,tokens:manage}');
SELECT tokenauth.add_member('org:acme', 'user:helper', '{devices:*,tokens:issue}');
SELECT tokenauth.add_member('org:acme', 'user:asleep', '{*}');
SELECT tokenauth.drop_principal('user:gone');
SELECT tokenauth.deactivate('user:asleep');
CREATE TABLE actor (number integer GENERATED ALWAYS AS IDENTITY, name text);
INSERT INTO actor (name) VALUES ('user:owner'), ('user:root'), ('user:admin'), ('user:keeper'), ('user:issuer'), ('user:pattern'), ('user:narrow'), ('user:near'),
    ('user:equal'), ('user:member'), ('user:chief'), ('user:clerk'), ('user:helper'), ('user:gone'), ('user:asleep'), ('user:nobody'), ('org:acme');
CREATE TABLE held AS
SELECT k.name AS kind, o.owner, state, (tokenauth.issue(k.name, o.owner)).id
  FROM tokenauth.kind k, (VALUES ('user:owner'), ('org:acme')) o (owner), (VALUES ('active'), ('disabled')) s (state);
SELECT count(tokenauth.disable(id)) FROM held WHERE state = 'disabled';

-- what a statement comes to, taken back afterwards
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RAISE SQLSTATE 'RB000';
EXCEPTION WHEN OTHERS THEN
    RETURN CASE SQLSTATE WHEN 'RB000' THEN 'done' ELSE SQLSTATE END;
END
$$;
CREATE TABLE operation (number integer GENERATED ALWAYS AS IDENTITY, name text, state text, statement text);
INSERT INTO operation (name, state, statement) VALUES
    ('issue', 'active', 'SELECT tokenauth.issue(%2$L, %3$L, actor => %4$L)'),
    ('rotate', 'active', 'SELECT tokenauth.rotate(%1$L, actor => %4$L)'),
    ('enable', 'disabled', 'SELECT tokenauth.enable(%1$L, %4$L)'),
    ('edit expiry', 'active', 'SELECT tokenauth.edit(%1$L, expires_in => ''1 day'', actor => %4$L)'),
    ('edit networks', 'active', 'SELECT tokenauth.edit(%1$L, networks => ''{10.0.0.0/8}'', actor => %4$L)'),
    ('edit name', 'active', 'SELECT tokenauth.edit(%1$L, name => ''n'', actor => %4$L)'),
    ('disable', 'active', 'SELECT tokenauth.disable(%1$L, %4$L)'),
    ('revoke', 'active', 'SELECT tokenauth.revoke(%1$L, actor => %4$L)'),
    ('delete', 'active', 'SELECT tokenauth.delete(%1$L, %4$L)');
CREATE VIEW outcome AS
SELECT h.kind, h.owner, o.number, o.name AS operation, a.number AS actor_number, substr(a.name, strpos(a.name, ':') + 1) AS actor,
       attempt(format(o.statement, h.id, h.kind, h.owner, a.name)) AS result
  FROM operation o JOIN held h USING (state) CROSS JOIN actor a;
CREATE VIEW matrix AS
SELECT kind, owner, number, operation,
       string_agg(actor, ' ' ORDER BY actor_number) FILTER (WHERE result = 'done') AS done,
       string_agg(actor, ' ' ORDER BY actor_number) FILTER (WHERE result = '42501') AS "42501",
       string_agg(actor, ' ' ORDER BY actor_number) FILTER (WHERE result = '42704') AS "42704",
       string_agg(actor || '=' || result, ' ' ORDER BY actor_number) FILTER (WHERE result NOT IN ('done', '42501', '42704')) AS other
  FROM outcome GROUP BY kind, owner, number, operation;

-- tokens of a user
SELECT operation, done, "42501", "42704", other FROM matrix WHERE kind = 'plain' AND owner = 'user:owner' ORDER BY number;
-- tokens of an organisation: the membership counts together with what the actor holds itself
SELECT operation, done, "42501", "42704", other FROM matrix WHERE kind = 'plain' AND owner = 'org:acme' ORDER BY number;
-- a kind with issue_permission: needed for everything, the owner's tokens included, but for killing one's own
SELECT operation, done, "42501", "42704", other FROM matrix WHERE kind = 'gated' AND owner = 'user:owner' ORDER BY number;
SELECT operation, done, "42501", "42704", other FROM matrix WHERE kind = 'gated' AND owner = 'org:acme' ORDER BY number;
-- without manage_permission nobody manages what is not its own: neither who holds everything, nor a member
SELECT operation, done, "42501", "42704", other FROM matrix WHERE kind = 'trusted' AND owner = 'user:owner' ORDER BY number;
SELECT operation, done, "42501", "42704", other FROM matrix WHERE kind = 'trusted' AND owner = 'org:acme' ORDER BY number;
-- self_service = false: actors neither edit nor hand out; they disable and revoke
SELECT operation, done, "42501", "42704", other FROM matrix WHERE kind = 'noself' AND owner = 'user:owner' ORDER BY number;
-- live, snapshot: measured as the others are
SELECT DISTINCT m.kind, m.operation FROM matrix m JOIN matrix p USING (owner, number)
 WHERE p.kind = 'plain' AND m.kind IN ('live', 'snapshot') AND (m.done, m."42501", m."42704", m.other) IS DISTINCT FROM (p.done, p."42501", p."42704", p.other);
-- system-wide: issue_permission is the gate, whatever else the actor holds
SELECT operation, done, "42501", "42704", other FROM matrix WHERE kind = 'system' AND owner = 'user:owner' ORDER BY number;
SELECT operation, done, "42501", "42704", other FROM matrix WHERE kind = 'system' AND owner = 'org:acme' ORDER BY number;

-- issue_permission of a membership does not open tokens of the member's own, nor of another organisation
SELECT tokenauth.put_principal('org:other', '{devices:*}');
SELECT tokenauth.issue('gated', 'user:chief', actor => 'user:chief');
\echo :SQLSTATE
SELECT tokenauth.issue('gated', 'org:other', actor => 'user:chief');
\echo :SQLSTATE
SELECT tokenauth.issue('plain', 'user:owner', actor => 'user:chief');
\echo :SQLSTATE

-- what refuses says why, and never more than that to a stranger
SELECT id FROM held WHERE kind = 'plain' AND owner = 'user:owner' AND state = 'active' \gset
SELECT id AS gated FROM held WHERE kind = 'gated' AND owner = 'user:owner' AND state = 'active' \gset
SELECT tokenauth.issue('plain', 'user:owner', actor => 'user:equal');
SELECT tokenauth.issue('plain', 'user:owner', actor => 'user:asleep');
SELECT tokenauth.issue('plain', 'user:owner', actor => 'user:nobody');
SELECT tokenauth.issue('plain', 'user:owner', actor => 'user:narrow');
SELECT tokenauth.issue('plain', 'user:owner', actor => 'user:near');
SELECT tokenauth.edit(:'gated', name => 'x', actor => 'user:owner');

-- within what both hold, a narrow manager does hand out
SELECT scopes FROM tokenauth.issue('plain', 'user:owner', scopes => '{devices:read}', actor => 'user:narrow');
SELECT data_scopes FROM tokenauth.issue('plain', 'user:owner', data_scopes => '{"site": ["nyc"]}', actor => 'user:near') i, tokenauth.verify(i.token);
SELECT scopes FROM tokenauth.issue('plain', 'org:acme', scopes => '{devices:read}', actor => 'user:clerk');
-- … and nobody beyond what the owner holds
SELECT tokenauth.issue('plain', 'user:owner', scopes => '{sites:read}', actor => 'user:root');
\echo :SQLSTATE
SELECT tokenauth.issue('plain', 'user:owner', scopes => '{*}', actor => 'user:root');
\echo :SQLSTATE

-- a narrow manager takes a token of a stronger user no further, however it is tried
SELECT id AS mine FROM tokenauth.issue('plain', 'user:owner', scopes => '{devices:read}', actor => 'user:narrow') \gset
SELECT tokenauth.edit(:'mine', scopes => '{devices:*}', actor => 'user:narrow');
\echo :SQLSTATE
SELECT tokenauth.edit(:'mine', scopes => '{devices:write}', actor => 'user:narrow');
\echo :SQLSTATE
SELECT scopes FROM tokenauth.edit(:'mine', scopes => '{devices:read}', actor => 'user:narrow');
SELECT scopes FROM tokenauth.edit(:'id', scopes => '{devices:read}', actor => 'user:narrow');
SELECT scopes FROM tokenauth.edit(:'id', scopes => '{devices:*}', actor => 'user:owner');
SELECT id AS near FROM tokenauth.issue('plain', 'user:owner', data_scopes => '{"site": ["nyc"]}', actor => 'user:near') \gset
SELECT tokenauth.edit(:'near', data_scopes => '{}', actor => 'user:near');
\echo :SQLSTATE
SELECT tokenauth.edit(:'near', data_scopes => '{"site": ["nyc", "lon"]}', actor => 'user:near');
\echo :SQLSTATE
SELECT tokenauth.edit(:'near', data_scopes => '{"rack": ["r1"]}', actor => 'user:near');
\echo :SQLSTATE
SELECT data_scopes FROM tokenauth.edit(:'near', data_scopes => '{"site": []}', actor => 'user:near');

-- … scopes and data scopes count together: more scopes for data that the actor does not hold are more than it holds
SELECT token AS wide_token, id AS wide FROM tokenauth.issue('plain', 'user:owner', scopes => '{devices:read}') \gset
SELECT tokenauth.edit(:'wide', scopes => '{devices:*}', actor => 'user:near') IS NULL AS never;
\echo :SQLSTATE
SELECT scopes, data_scopes FROM tokenauth.verify(:'wide_token');

-- an owner who has lost what the token carries does not revive it; a trusted call does not either
SELECT id AS snap FROM tokenauth.issue('snapshot', 'user:owner', scopes => '{devices:write}') \gset
SELECT id AS snapped FROM tokenauth.issue('snapshot', 'user:owner', scopes => '{devices:write}') \gset
SELECT tokenauth.disable(:'snapped', 'user:owner');
SELECT tokenauth.put_principal('user:owner', '{devices:read}');
SELECT tokenauth.rotate(:'snap', actor => 'user:owner');
\echo :SQLSTATE
SELECT tokenauth.rotate(:'snap');
\echo :SQLSTATE
SELECT tokenauth.enable(:'snapped', 'user:owner');
\echo :SQLSTATE
SELECT tokenauth.enable(:'snapped');
\echo :SQLSTATE
SELECT tokenauth.edit(:'snap', expires_in => '1 day', actor => 'user:owner');
\echo :SQLSTATE
SELECT tokenauth.enable(:'snapped', 'user:root');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:owner', '{devices:*}');
SELECT tokenauth.enable(:'snapped', 'user:owner');

-- … nor is what it has lost handed out for more data
SELECT token AS snapped_token, id AS snapped FROM tokenauth.issue('snapshot', 'user:owner', scopes => '{devices:write}', data_scopes => '{"site": ["nyc"]}') \gset
SELECT tokenauth.put_principal('user:owner', '{devices:read}');
SELECT tokenauth.edit(:'snapped', data_scopes => '{}', actor => 'user:owner') IS NULL AS never;
\echo :SQLSTATE
SELECT scopes, data_scopes FROM tokenauth.verify(:'snapped_token');
SELECT tokenauth.put_principal('user:owner', '{devices:*}');

-- a live token carries what its owner holds now: who holds less does not hand it out, however little it was once
SELECT tokenauth.put_principal('user:growing', '{devices:read}');
SELECT id AS growing FROM tokenauth.issue('live', 'user:growing', actor => 'user:narrow') \gset
SELECT count(*) FROM tokenauth.rotate(:'growing', '1 hour', actor => 'user:narrow');
SELECT rotated_from = :'growing' AS successor, id AS growing FROM tokenauth.tokens WHERE rotated_from = :'growing' \gset
SELECT tokenauth.put_principal('user:growing', '{devices:*}');
SELECT tokenauth.rotate(:'growing', actor => 'user:narrow');
\echo :SQLSTATE
SELECT tokenauth.issue('live', 'user:growing', actor => 'user:narrow');
\echo :SQLSTATE
SELECT name FROM tokenauth.edit(:'growing', name => 'still seen', actor => 'user:narrow');
SELECT tokenauth.disable(:'growing', 'user:narrow');
SELECT tokenauth.enable(:'growing', 'user:narrow');
\echo :SQLSTATE
SELECT tokenauth.enable(:'growing', 'user:growing');

-- what an actor loses it has lost at the next call
SELECT tokenauth.put_principal('user:admin', '{devices:*,tokens:issue}');
\set VERBOSITY sqlstate
SELECT tokenauth.revoke(:'id', actor => 'user:admin');
\set VERBOSITY default
SELECT tokenauth.put_principal('user:admin', '{devices:*,tokens:manage,tokens:issue}');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT name FROM tokenauth.edit(:'id', name => 'by admin', actor => 'user:admin');
SELECT tokenauth.put_principal('user:admin', '{}');
SAVEPOINT before;
\set VERBOSITY sqlstate
SELECT tokenauth.edit(:'id', name => 'again', actor => 'user:admin');
\set VERBOSITY default
ROLLBACK;

-- what was done is recorded in the actor's name
SELECT created_by, count(*) FROM tokenauth.tokens WHERE created_by IN ('user:narrow', 'user:near', 'user:clerk') GROUP BY created_by ORDER BY created_by;
SELECT id AS dead FROM tokenauth.issue('plain', 'user:owner', actor => 'user:owner') \gset
SELECT tokenauth.revoke(:'dead', 'not needed', 'user:admin');
SELECT status, created_by, revoked_by, revoke_reason FROM tokenauth.tokens WHERE id = :'dead';
SELECT event, owner, actor, role = session_user AS by_me, after -> 'reason' AS reason FROM tokenauth.events WHERE token_id = :'dead' ORDER BY id;

-- a token is deleted once, by an actor as by a trusted call; a stranger is told nothing either time
SELECT id AS deleted FROM tokenauth.issue('plain', 'user:owner') \gset
\set VERBOSITY sqlstate
SELECT tokenauth.delete(:'deleted', 'user:owner');
SELECT tokenauth.delete(:'deleted');
SELECT tokenauth.delete(:'deleted', 'user:owner');
SELECT tokenauth.delete(:'deleted', 'user:equal');
\set VERBOSITY default

-- NULL, and what names no principal, is never a trusted call
SELECT o.name, a.actor, attempt(format(o.statement, h.id, h.kind, h.owner, a.actor)) AS result
  FROM operation o JOIN held h USING (state), (VALUES (NULL), (''), ('owner'), ('*'), ('SESSION'), (' session'), ('user:')) a (actor)
 WHERE h.kind = 'plain' AND h.owner = 'user:owner'
   AND attempt(format(o.statement, h.id, h.kind, h.owner, a.actor)) <> CASE WHEN a.actor IS NULL THEN '22004' ELSE '22023' END;
SELECT a.actor, attempt(format('SELECT tokenauth.grantable(''plain'', ''user:owner'', %L)', a.actor)) AS grantable,
       attempt(format('SELECT tokenauth.list(%L)', a.actor)) AS list,
       attempt(format('SELECT tokenauth.revoke_all(''user:owner'', actor => %L)', a.actor)) AS revoke_all
  FROM (VALUES (NULL), (''), ('owner'), ('*'), ('SESSION')) a (actor);

-- revoke_all kills for an actor no more than it could revoke one by one
SELECT a.name, attempt(format('SELECT tokenauth.revoke_all(''user:owner'', actor => %L)', a.name)) AS result
  FROM actor a WHERE a.name IN ('user:gone', 'user:asleep', 'user:nobody') ORDER BY a.number;
BEGIN;
DO $$ BEGIN PERFORM tokenauth.revoke_all('user:owner', actor => 'user:equal'); EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;
SELECT count(*) FROM tokenauth.tokens WHERE revoked_by = 'user:equal';
ROLLBACK;
BEGIN;
DO $$ BEGIN PERFORM tokenauth.revoke_all('*', 'trusted', actor => 'user:root'); EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;
SELECT count(*) FROM tokenauth.tokens WHERE revoked_by = 'user:root';
ROLLBACK;
BEGIN;
SELECT tokenauth.revoke_all('user:owner', 'plain', actor => 'user:owner') > 0 AS own;
ROLLBACK;

-- a role without manage access speaks for no principal, and does not by naming one
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_actor;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_actor;
SELECT tokenauth.grant_access('regress_tokenauth_actor', 'self');
SET ROLE regress_tokenauth_actor;
SELECT tokenauth.issue('plain', 'user:owner', actor => 'user:owner');
\echo :SQLSTATE
SELECT tokenauth.revoke(:'id', actor => 'user:root');
\echo :SQLSTATE
SELECT tokenauth.grantable('plain', 'user:owner', 'user:owner');
\echo :SQLSTATE
RESET ROLE;
SELECT tokenauth.revoke_access('regress_tokenauth_actor', 'self'), tokenauth.revoke_access('regress_tokenauth_actor', 'verify');
REVOKE USAGE ON SCHEMA tokenauth FROM regress_tokenauth_actor;
DROP OWNED BY regress_tokenauth_actor;
DROP ROLE regress_tokenauth_actor;
