-- grantable() answers what issue() would then accept, for showing the button and the picker; list() shows an actor what it may
-- manage, and nothing else. Both agree with what the functions that change something do.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, ceiling, issue_permission, manage_permission, self_service) VALUES
    ('plain', 'plain_', '{user,org}', 'intersect', NULL, NULL, 'tokens:manage', true),
    ('gated', 'gated_', '{user,org}', 'intersect', NULL, 'tokens:issue', 'tokens:manage', true),
    ('private', 'private_', '{user}', 'intersect', NULL, NULL, NULL, true),
    ('noself', 'noself_', '{user,org}', 'intersect', NULL, NULL, 'tokens:manage', false),
    ('readonly', 'readonly_', '{user,org}', 'intersect', '{*:read}', NULL, 'tokens:manage', true),
    ('live', 'live_', '{user,org}', 'live', NULL, NULL, 'tokens:manage', true),
    ('system', 'system_', '{user,org}', 'all', NULL, 'tokens:issue', 'tokens:manage', true);
SELECT count(tokenauth.put_principal(principal, permissions)) FROM (VALUES
    ('user:owner', '{devices:*,sites:read}'::text[]), ('org:acme', '{devices:*}'), ('user:admin', '{*}'), ('user:narrow', '{*:read,tokens:manage,tokens:issue}'),
    ('user:stranger', '{devices:*}'), ('user:chief', '{sites:read}'), ('user:member', '{devices:*}'), ('user:asleep', '{*}'), ('user:empty', '{}')) AS p (principal, permissions);
SELECT tokenauth.add_member('org:acme', 'user:chief', '{tokens:*,devices:write}');
SELECT tokenauth.add_member('org:acme', 'user:member', '{devices:*}');
SELECT tokenauth.deactivate('user:asleep');

-- what can be granted by each to each; NULL: no button
SELECT k.name AS kind, tokenauth.grantable(k.name, 'user:owner') AS trusted, tokenauth.grantable(k.name, 'user:owner', 'user:owner') AS owner,
       tokenauth.grantable(k.name, 'user:owner', 'user:admin') AS admin, tokenauth.grantable(k.name, 'user:owner', 'user:narrow') AS narrow,
       tokenauth.grantable(k.name, 'user:owner', 'user:stranger') AS stranger, tokenauth.grantable(k.name, 'user:owner', 'user:asleep') AS asleep
  FROM tokenauth.kind k ORDER BY k.name;
SELECT k.name AS kind, tokenauth.grantable(k.name, 'org:acme') AS trusted, tokenauth.grantable(k.name, 'org:acme', 'org:acme') AS acme,
       tokenauth.grantable(k.name, 'org:acme', 'user:chief') AS chief, tokenauth.grantable(k.name, 'org:acme', 'user:member') AS member
  FROM tokenauth.kind k ORDER BY k.name;
-- … an owner that holds nothing can be given a token that grants nothing
SELECT tokenauth.grantable('plain', 'user:empty'), tokenauth.grantable('plain', 'user:empty', 'user:empty');
-- … an owner that is inactive none
SELECT tokenauth.grantable('plain', 'user:asleep'), tokenauth.grantable('plain', 'user:asleep', 'user:admin');
-- … of the wrong type none
SELECT tokenauth.grantable('private', 'org:acme');

-- issue() does what grantable() says: each scope of the answer is accepted, and with NULL nothing is
CREATE FUNCTION issues(kind text, owner text, actor text, scopes text[]) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tokenauth.issue(kind, owner, scopes => scopes, actor => actor);
    RAISE SQLSTATE 'RB000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE = 'RB000';
END
$$;
WITH asked AS (
    SELECT k.name AS kind, k.permission_mode IN ('live', 'all') AS whole, o.owner, a.actor, tokenauth.grantable(k.name, o.owner, a.actor) AS answer
      FROM tokenauth.kind k, unnest('{user:owner,org:acme,user:empty,user:asleep}'::text[]) o (owner),
           unnest('{session,user:owner,org:acme,user:admin,user:narrow,user:stranger,user:chief,user:member,user:asleep,user:empty}'::text[]) a (actor))
SELECT count(*) AS asked, count(answer) AS answered,
       count(*) FILTER (WHERE issues(kind, owner, actor, CASE WHEN NOT whole THEN coalesce(answer, '{}') END) <> (answer IS NOT NULL)) AS contradicted
  FROM asked;

-- unknown and NULL
\set VERBOSITY terse
SELECT tokenauth.grantable('robot', 'user:owner');
\echo :SQLSTATE
SELECT tokenauth.grantable('plain', 'user:nobody');
\echo :SQLSTATE
SELECT tokenauth.grantable('plain', 'user:owner', 'user:nobody');
\echo :SQLSTATE
SELECT tokenauth.grantable(NULL, 'user:owner');
\echo :SQLSTATE
SELECT tokenauth.grantable('plain', NULL);
\echo :SQLSTATE
SELECT tokenauth.grantable('plain', 'user:owner', NULL);
\echo :SQLSTATE
SELECT tokenauth.grantable('plain', 'owner');
\echo :SQLSTATE
\set VERBOSITY default

-- asking changes nothing
SELECT count(*) FROM tokenauth.tokens;

-- who sees what: one token of every kind for every owner
CREATE TABLE held AS
SELECT k.name AS kind, o.owner, (tokenauth.issue(k.name, o.owner, o.owner)).id
  FROM tokenauth.kind k, unnest('{user:owner,org:acme,user:stranger,user:admin,user:chief}'::text[]) o (owner) WHERE k.name <> 'private' OR o.owner LIKE 'user:%';
SELECT a.actor, l.owner, string_agg(l.kind, ' ' ORDER BY l.kind) AS kinds
  FROM unnest('{user:owner,org:acme,user:narrow,user:stranger,user:chief,user:member,user:empty}'::text[]) WITH ORDINALITY a (actor, n), LATERAL tokenauth.list(a.actor) l
 GROUP BY a.n, a.actor, l.owner ORDER BY a.n, l.owner;
-- … an administrator everything that can be managed, and its own
SELECT l.owner, string_agg(l.kind, ' ' ORDER BY l.kind) AS kinds FROM tokenauth.list('user:admin') l GROUP BY l.owner ORDER BY l.owner;
SELECT count(*) AS trusted FROM tokenauth.list();

-- what is listed is what can be revoked, and what is not listed is not there; one's own can be revoked unseen
CREATE FUNCTION revokes(id uuid, actor text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tokenauth.revoke(id, actor => actor);
    RAISE SQLSTATE 'RB000';
EXCEPTION WHEN OTHERS THEN
    RETURN CASE SQLSTATE WHEN 'RB000' THEN 'done' ELSE SQLSTATE END;
END
$$;
SELECT l.id IS NOT NULL AS listed, h.owner = a.actor AS own, revokes(h.id, a.actor) AS revoke, count(*)
  FROM unnest('{user:owner,org:acme,user:admin,user:narrow,user:stranger,user:chief,user:member,user:empty}'::text[]) a (actor) CROSS JOIN held h
  LEFT JOIN LATERAL tokenauth.list(a.actor) l ON l.id = h.id
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- selected by owner and kind; a selector never shows more
SELECT owner, kind FROM tokenauth.list('user:admin', 'user:owner', 'plain');
SELECT owner, kind FROM tokenauth.list('user:admin', kind => 'plain') ORDER BY owner;
SELECT count(*) FROM tokenauth.list('user:stranger', 'user:owner');
SELECT count(*) FROM tokenauth.list('user:stranger', 'user:nobody');
SELECT count(*) FROM tokenauth.list('user:stranger', kind => 'robot');
SELECT count(*) FROM tokenauth.list('user:owner', 'user:%');
\set VERBOSITY terse
SELECT tokenauth.list('user:admin', NULL);
\echo :SQLSTATE
SELECT tokenauth.list('user:admin', kind => NULL);
\echo :SQLSTATE
SELECT tokenauth.list(NULL);
\echo :SQLSTATE
SELECT tokenauth.list('user:asleep');
\echo :SQLSTATE
SELECT tokenauth.list('user:nobody');
\echo :SQLSTATE
SELECT tokenauth.list('nobody');
\echo :SQLSTATE
\set VERBOSITY default

-- newest first; dead and disabled ones with their status, deleted ones not
SELECT id AS plain FROM held WHERE owner = 'user:owner' AND kind = 'plain' \gset
SELECT id AS live FROM held WHERE owner = 'user:owner' AND kind = 'live' \gset
SELECT id AS noself FROM held WHERE owner = 'user:owner' AND kind = 'noself' \gset
SELECT tokenauth.revoke(:'plain', actor => 'user:owner'), tokenauth.disable(:'live', 'user:owner'), tokenauth.delete(:'noself', 'user:owner');
SELECT kind, status FROM tokenauth.list('user:owner') ORDER BY kind;
SELECT count(*) FROM tokenauth.issue('plain', 'user:owner', 'newest');
SELECT name FROM tokenauth.list('user:owner') LIMIT 1;
SELECT count(*) FROM (SELECT created_at < lag(created_at) OVER () AS older FROM tokenauth.list('user:admin')) l WHERE NOT older;

-- a kind made, or changed, a moment ago is judged as it is now
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM tokenauth.list('user:narrow', 'user:owner', 'plain');
UPDATE tokenauth.kind SET manage_permission = NULL WHERE name = 'plain';
SELECT count(*) FROM tokenauth.list('user:narrow', 'user:owner', 'plain');
SELECT tokenauth.grantable('plain', 'user:owner', 'user:narrow');
ROLLBACK;

-- both only read: they work where nothing can be written, as on a standby
BEGIN READ ONLY;
SELECT count(*) FROM tokenauth.list('user:narrow', 'user:owner', 'plain');
\echo :SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
SELECT tokenauth.grantable('plain', 'user:owner', 'user:narrow');
\echo :SQLSTATE
ROLLBACK;
