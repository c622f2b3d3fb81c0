-- revoke_all() kills every token selected by owner, kind and time of issue, and says how many were alive.
-- A selector that happens to be NULL never widens the selection, and a call that selects nothing is refused.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('api', 'api_', 'revoke'), ('patient', 'patient_', 'suspend'), ('other', 'other_', 'revoke');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT tokenauth.put_principal('user:bob', '{devices:read}');
CREATE TABLE held AS
SELECT i.kind, i.owner, n, i.token, i.id
  FROM unnest('{api,patient,other}'::text[]) k (kind), unnest('{user:alice,user:bob}'::text[]) o (owner), generate_series(1, 3) n,
       LATERAL tokenauth.issue(k.kind, o.owner, name => n::text) i;
CREATE VIEW alive AS
SELECT held.kind, held.owner, count(*) FILTER (WHERE v.verdict = 'valid') AS valid, count(*) FILTER (WHERE v.verdict = 'revoked') AS revoked
  FROM held, LATERAL tokenauth.verify(held.token) v GROUP BY held.kind, held.owner ORDER BY held.kind, held.owner;

-- nothing selected, or NULL where a selector was meant
SELECT tokenauth.revoke_all();
\echo :SQLSTATE
SELECT tokenauth.revoke_all('*', '*', 'infinity');
\echo :SQLSTATE
SELECT tokenauth.revoke_all(owner => NULL);
\echo :SQLSTATE
SELECT tokenauth.revoke_all(owner => NULL, kind => 'api');
\echo :SQLSTATE
SELECT tokenauth.revoke_all('user:alice', kind => NULL);
\echo :SQLSTATE
SELECT tokenauth.revoke_all('user:alice', issued_before => NULL);
\echo :SQLSTATE
SELECT tokenauth.revoke_all('user:alice', actor => NULL);
\echo :SQLSTATE
SELECT tokenauth.revoke_all('user:alice', actor => 'user:nobody');
\echo :SQLSTATE
SELECT tokenauth.revoke_all('user:nobody');
\echo :SQLSTATE
SELECT tokenauth.revoke_all(kind => 'robot');
\echo :SQLSTATE
SELECT tokenauth.revoke_all('alice');
\echo :SQLSTATE
SELECT tokenauth.revoke_all('');
\echo :SQLSTATE
SELECT tokenauth.revoke_all(kind => '');
\echo :SQLSTATE
SELECT tokenauth.revoke_all('user:alice', reason => repeat('r', 8193));
\echo :SQLSTATE
SELECT tokenauth.revoke_all('user:alice', 'api', '-infinity');
SELECT sum(valid) AS still_valid FROM alive;

-- an owner's tokens of one kind; only the living are counted
SELECT tokenauth.revoke(id) FROM held WHERE kind = 'api' AND owner = 'user:alice' AND n = 1;
SELECT tokenauth.disable(id) FROM held WHERE kind = 'api' AND owner = 'user:alice' AND n = 2;
SELECT tokenauth.revoke_all('user:alice', 'api', reason => 'lost laptop');
SELECT * FROM alive;
SELECT name, revoke_reason FROM tokenauth.tokens WHERE owner = 'user:alice' AND kind = 'api' ORDER BY name;

-- a whole kind
SELECT tokenauth.revoke_all(kind => 'other');
SELECT * FROM alive;

-- everything of an owner: one row is written, whatever the number of tokens, and the view tells the death of each
SELECT tokenauth.revoke_all('user:alice', reason => 'breach');
SELECT * FROM alive;
SELECT covers, reason, by = 'role:' || session_user AS by_me FROM tokenauth.mass_death;
SELECT count(*) FROM tokenauth.token WHERE owner = 'user:alice' AND kind = 'patient' AND revoked_at IS NOT NULL;
SELECT DISTINCT status, revoked_at = at AS when, revoked_by = by AS who, revoke_reason AS why
  FROM tokenauth.tokens JOIN tokenauth.mass_death d USING (owner) WHERE tokens.owner = 'user:alice' AND kind = 'patient';
-- … once only, and of an inactive owner too
SELECT tokenauth.revoke_all('user:alice');
SELECT verdict FROM tokenauth.issue('patient', 'user:alice') i, tokenauth.verify(i.token);
SELECT tokenauth.deactivate('user:alice');
SELECT tokenauth.revoke_all('user:alice');
SELECT tokenauth.activate('user:alice');
SELECT DISTINCT status FROM tokenauth.tokens WHERE owner = 'user:alice';

-- by time of issue: what came later lives
SELECT token AS old FROM tokenauth.issue('api', 'user:bob') \gset
SELECT clock_timestamp() AS leak \gset
SELECT token AS new, id AS new_id FROM tokenauth.issue('api', 'user:bob') \gset
SELECT tokenauth.revoke_all(issued_before => :'leak', reason => 'leak');
SELECT verdict FROM tokenauth.verify(:'old');
SELECT verdict FROM tokenauth.verify(:'new');
SELECT tokenauth.revoke_all('user:bob', issued_before => :'leak');

-- expired tokens die too, or an edit could bring them back; they are not counted
INSERT INTO tokenauth.kind (name, prefix, expired_editable) VALUES ('editable', 'ed_', true);
SELECT id FROM tokenauth.issue('editable', 'user:bob', expires_in => '1 millisecond') \gset
SELECT pg_sleep(0.01);
SELECT tokenauth.revoke_all(kind => 'editable');
\set VERBOSITY sqlstate
SELECT tokenauth.edit(:'id', expires_in => '1 day');
\set VERBOSITY default

-- a token issued after the death, in the same transaction, lives; one issued before it is dead
BEGIN;
SELECT token AS before FROM tokenauth.issue('api', 'user:bob') \gset
SELECT tokenauth.revoke_all('user:bob');
SELECT token AS after FROM tokenauth.issue('api', 'user:bob') \gset
COMMIT;
SELECT verdict FROM tokenauth.verify(:'before');
SELECT verdict FROM tokenauth.verify(:'after');

-- rolled back, it never happened
BEGIN;
SELECT tokenauth.revoke_all('user:bob');
SELECT verdict FROM tokenauth.verify(:'after');
ROLLBACK;
SELECT verdict FROM tokenauth.verify(:'after');

-- exact up to 10,000, NULL when more
SELECT tokenauth.put_principal('service:farm', '{}');
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('farm', 'farm_', '{service}');
SELECT count(i.id) FROM generate_series(1, 10001) AS n, LATERAL tokenauth.issue('farm', 'service:farm', name => n::text) i;
BEGIN;
SELECT tokenauth.revoke_all('service:farm');
ROLLBACK;
BEGIN;
SELECT tokenauth.revoke_all('service:farm', 'farm');
ROLLBACK;
SELECT tokenauth.revoke(id) FROM tokenauth.tokens WHERE owner = 'service:farm' ORDER BY id LIMIT 1;
BEGIN;
SELECT tokenauth.revoke_all(kind => 'farm');
ROLLBACK;
SELECT tokenauth.revoke_all('service:farm');

-- one event for each call
SELECT kind, owner, after - 'issued_before' AS after, after ? 'issued_before' AS with_time
  FROM tokenauth.events WHERE event = 'tokens.revoked' ORDER BY id;

-- an actor kills what it could revoke one by one: its own tokens always, those of others where it manages them
INSERT INTO tokenauth.kind (name, prefix, owner_types, issue_permission, manage_permission) VALUES
    ('managed', 'managed_', '{user,org}', NULL, 'tokens:manage'), ('gated', 'gated_', '{user,org}', 'tokens:issue', 'tokens:manage'),
    ('private', 'private_', '{user,org}', NULL, NULL);
SELECT count(tokenauth.put_principal(principal, permissions)) FROM (VALUES
    ('user:owner', '{devices:*}'::text[]), ('org:acme', '{devices:*}'), ('user:manager', '{tokens:manage}'), ('user:chief', '{tokens:*}'),
    ('user:member', '{}'), ('user:plain', '{}'), ('user:stranger', '{devices:*}'), ('user:asleep', '{*}')) AS p (principal, permissions);
SELECT tokenauth.add_member('org:acme', 'user:member', '{tokens:manage}'), tokenauth.add_member('org:acme', 'user:plain', '{devices:*}');
SELECT tokenauth.deactivate('user:asleep');
CREATE TABLE issued AS
SELECT k.kind, o.owner, i.id FROM unnest('{managed,gated,private}'::text[]) k (kind),
       unnest('{user:owner,org:acme,user:manager,user:member,user:stranger}'::text[]) o (owner), LATERAL tokenauth.issue(k.kind, o.owner) i;
CREATE FUNCTION attempt(owner text, kind text, issued_before timestamptz, actor text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    died bigint;
    which text;
BEGIN
    died := tokenauth.revoke_all(owner, kind, issued_before, actor => actor);
    SELECT string_agg(t.owner || ' ' || t.kind, ', ' ORDER BY t.owner, t.kind) INTO which
      FROM issued JOIN tokenauth.tokens t USING (id) WHERE t.status = 'revoked' AND t.revoked_by = actor;
    RAISE SQLSTATE 'RB000' USING MESSAGE = format('%s: %s', died, coalesce(which, 'none'));
EXCEPTION WHEN OTHERS THEN
    RETURN CASE SQLSTATE WHEN 'RB000' THEN SQLERRM ELSE SQLSTATE END;
END
$$;
CREATE TABLE actor (number integer GENERATED ALWAYS AS IDENTITY, name text);
INSERT INTO actor (name) VALUES ('user:owner'), ('user:manager'), ('user:chief'), ('user:member'), ('user:plain'), ('user:stranger'), ('org:acme'),
    ('user:asleep'), ('user:nobody');
-- … of an owner: who may revoke nothing of it is refused
SELECT name AS actor, attempt('user:owner', '*', 'infinity', name) FROM actor ORDER BY number;
SELECT name AS actor, attempt('org:acme', '*', 'infinity', name) FROM actor ORDER BY number;
-- … its own always, of every kind, and only while it is active
SELECT name AS actor, attempt(name, '*', 'infinity', name) FROM actor ORDER BY number;
SELECT name AS actor, attempt(name, 'private', 'infinity', name) FROM actor ORDER BY number;
SELECT name AS actor, attempt(name, '*', clock_timestamp(), name) FROM actor WHERE name IN ('user:owner', 'user:asleep', 'user:nobody') ORDER BY number;
-- … of a kind: as much as it reaches, be it nothing
SELECT name AS actor, attempt('*', 'managed', 'infinity', name) FROM actor ORDER BY number;
SELECT name AS actor, attempt('*', 'gated', 'infinity', name) FROM actor ORDER BY number;
SELECT name AS actor, attempt('*', 'private', 'infinity', name) FROM actor ORDER BY number;
-- … of a time
SELECT name AS actor, attempt('*', '*', clock_timestamp(), name) FROM actor ORDER BY number;
-- … of a kind and an owner
SELECT name AS actor, attempt('org:acme', 'managed', 'infinity', name) FROM actor ORDER BY number;
-- … nothing selected, an unknown owner or kind: no actor changes that
SELECT o.owner, o.kind, attempt(o.owner, o.kind, 'infinity', 'user:chief') AS chief, attempt(o.owner, o.kind, 'infinity', 'user:stranger') AS stranger
  FROM (VALUES ('*', '*'), ('user:nobody', '*'), ('*', 'robot'), ('user:nobody', 'managed')) o (owner, kind);
-- … one that is no longer a member reaches nothing there
SELECT tokenauth.remove_member('org:acme', 'user:member');
SELECT attempt('org:acme', '*', 'infinity', 'user:member') AS named, attempt('*', 'managed', 'infinity', 'user:member') AS of_a_kind;
-- … what is refused says so, and kills nothing
SELECT tokenauth.revoke_all('user:owner', actor => 'user:stranger');
SELECT tokenauth.revoke_all('user:owner', actor => 'user:asleep');
SELECT tokenauth.revoke_all('user:owner', actor => 'user:nobody');
SELECT count(*) FROM issued JOIN tokenauth.tokens USING (id) WHERE status <> 'active';
-- … and what is done is recorded in the actor's name
SELECT tokenauth.revoke_all('user:owner', reason => 'leaving', actor => 'user:manager');
SELECT kind, status, revoked_by, revoke_reason FROM tokenauth.tokens WHERE owner = 'user:owner' ORDER BY kind;
SELECT owner, actor, after FROM tokenauth.events WHERE event = 'tokens.revoked' ORDER BY id DESC LIMIT 1;
