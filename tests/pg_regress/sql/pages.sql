-- list() a page at a time, newest first: the next page begins after the last id of the one before. describe() shows one
-- token. An actor turns the pages of what it may see, and a page costs what it reads, however many tokens there are.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types, manage_permission) VALUES
    ('key', 'key_', '{user,org}', 'keys:manage'), ('robot', 'robot_', '{user,org}', 'robots:manage'), ('secret', 'secret_', '{user}', NULL);
SELECT count(tokenauth.put_principal(principal, permissions)) FROM (VALUES
    ('user:alice', '{devices:read}'::text[]), ('user:bob', '{devices:read}'), ('org:acme', '{devices:read}'), ('org:labs', '{devices:read}'),
    ('user:admin', '{keys:manage,robots:manage}'), ('user:keeper', '{keys:manage}'), ('user:chief', '{devices:read}'),
    ('user:stranger', '{*:read}'), ('user:asleep', '{*}')) p (principal, permissions);
SELECT count(tokenauth.add_member(org, 'user:chief', permissions)) FROM (VALUES
    ('org:acme', '{keys:manage,robots:manage}'::text[]), ('org:labs', '{robots:manage}')) m (org, permissions);
SELECT tokenauth.deactivate('user:asleep');

-- seven tokens of one owner
CREATE TABLE issued AS
SELECT i.id, i.name, i.token FROM generate_series(1, 7) n, LATERAL tokenauth.issue('key', 'user:alice', 'token ' || n) i;

-- page one
SELECT name, status FROM tokenauth.list(page_size => 3);
-- page two
SELECT id AS last FROM tokenauth.list(page_size => 3) OFFSET 2 \gset
SELECT name, status FROM tokenauth.list(page_size => 3, after => :'last');
-- … and three, which is not full: there is no other
SELECT id AS last FROM tokenauth.list(page_size => 3, after => :'last') OFFSET 2 \gset
SELECT name, status FROM tokenauth.list(page_size => 3, after => :'last');
SELECT id AS last FROM tokenauth.list() OFFSET 6 \gset
SELECT count(*) FROM tokenauth.list(page_size => 3, after => :'last');

-- what is issued meanwhile is on page one, and moves nothing
SELECT id AS last FROM tokenauth.list(page_size => 3) OFFSET 2 \gset
SELECT id AS eighth FROM tokenauth.issue('key', 'user:alice', 'token 8') \gset
SELECT name FROM tokenauth.list(page_size => 3, after => :'last');
-- … and the token at the end of a page need not exist any more
SELECT tokenauth.delete(:'last');
SELECT name FROM tokenauth.list(page_size => 3, after => :'last');
SELECT tokenauth.purge('0') > 0 AS purged;
SELECT name FROM tokenauth.list(page_size => 3, after => :'last');
-- … nor ever have existed
SELECT count(*) FROM tokenauth.list(after => '00000000-0000-0000-0000-000000000000');
SELECT count(*) FROM tokenauth.list(after => 'ffffffff-ffff-ffff-ffff-ffffffffffff');

-- filtered by status: the pages of what has it
SELECT count(tokenauth.disable(id)) FROM issued WHERE name IN ('token 1', 'token 4', 'token 6');
SELECT name FROM tokenauth.list(status => 'disabled', page_size => 2);
SELECT id AS last FROM tokenauth.list(status => 'disabled', page_size => 2) OFFSET 1 \gset
SELECT name FROM tokenauth.list(status => 'disabled', page_size => 2, after => :'last');
SELECT count(*) FROM tokenauth.list(status => 'suspended');
SELECT count(*) FROM tokenauth.list(status => 'active');

-- newest is what came last, not what an older system says of itself
SELECT tokenauth.import('key', 'user:alice', repeat('ab', 32), 'sha256', name => 'imported', created_at => '2001-02-03 UTC') AS imported \gset
SELECT name, created_at AT TIME ZONE 'UTC' < '2002-01-01' AS old FROM tokenauth.list(page_size => 2);

-- each actor turns the pages of what it may see: its own, those of its organisations, everybody's
CREATE TABLE held AS
SELECT (tokenauth.issue(k.name, o.owner, k.name || ' ' || n)).id
  FROM generate_series(1, 4) n, unnest('{user:bob,org:acme,org:labs,user:chief}'::text[]) o (owner), tokenauth.kind k
 WHERE k.name <> 'secret' OR o.owner LIKE 'user:%';
SELECT count(tokenauth.revoke(id)) FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM held) h WHERE n % 3 = 0;
SELECT owner, name FROM tokenauth.list('user:chief', page_size => 5);
SELECT id AS last FROM tokenauth.list('user:chief', page_size => 5) OFFSET 4 \gset
SELECT owner, name FROM tokenauth.list('user:chief', page_size => 5, after => :'last');
SELECT owner, name FROM tokenauth.list('user:chief', 'org:labs', page_size => 2);
SELECT count(*) FROM tokenauth.list('user:chief', 'org:labs', 'key', page_size => 2);
SELECT DISTINCT kind FROM tokenauth.list('user:keeper', page_size => 1000);
SELECT count(*) FROM tokenauth.list('user:stranger', page_size => 1000);

-- whatever is asked, the pages put together are the whole list, and that is what the view shows of it
CREATE FUNCTION turned(actor text, owner text, kind text, status text, page_size int) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[] := '{}';
    page uuid[];
BEGIN
    LOOP
        page := ARRAY(SELECT l.id FROM tokenauth.list(actor, owner, kind, status, page_size, ids[cardinality(ids)]) l);
        ids := ids || page;
        EXIT WHEN cardinality(page) < page_size;
    END LOOP;
    RETURN ids;
END
$$;
SELECT tokenauth.deactivate('org:labs');
CREATE TABLE asked AS
SELECT actor, owner, kind, status
  FROM unnest('{session,user:alice,user:admin,user:keeper,user:chief,user:stranger}'::text[]) actor,
       unnest('{*,user:alice,org:acme,org:labs,user:nobody}'::text[]) owner,
       unnest('{*,key,robot,secret,unknown}'::text[]) kind,
       unnest('{*,active,disabled,not_yet_valid,expired,revoked,suspended}'::text[]) status;
CREATE TABLE wanted AS
SELECT a.*, ARRAY(SELECT t.id FROM tokenauth.list(a.actor) l JOIN tokenauth.tokens t USING (id)
                   WHERE a.owner IN (t.owner, '*') AND a.kind IN (t.kind, '*') AND a.status IN (t.status, '*')
                   ORDER BY t.id DESC) AS ids
  FROM asked a;
SELECT count(*) AS asked, sum(cardinality(ids)) AS rows,
       count(*) FILTER (WHERE ids <> turned(actor, owner, kind, status, 3)) AS wrong_by_three,
       count(*) FILTER (WHERE ids <> turned(actor, owner, kind, status, 20)) AS wrong_by_twenty,
       count(*) FILTER (WHERE ids <> ARRAY(SELECT id FROM tokenauth.list(actor, owner, kind, status))) AS wrong_at_once
  FROM wanted;

-- what cannot be asked for
SELECT tokenauth.list(page_size => 0);
\echo :SQLSTATE
SELECT tokenauth.list(page_size => -1);
\echo :SQLSTATE
SELECT tokenauth.list(page_size => 1001);
\echo :SQLSTATE
SELECT tokenauth.list(status => 'alive');
\echo :SQLSTATE
SELECT tokenauth.list(status => '');
\echo :SQLSTATE
-- … a variable that happens to be empty never selects more; a page that is the first has none before it
SELECT tokenauth.list(status => NULL);
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.list(page_size => 5, after => NULL);
SELECT count(*) = (SELECT count(*) FROM tokenauth.tokens) AS every FROM tokenauth.list(page_size => NULL);
-- … an actor that may do nothing is told that, whatever it asks for
SELECT tokenauth.list('user:asleep', page_size => 5);
\echo :SQLSTATE

-- one token, as the view shows it
SELECT d IS NOT DISTINCT FROM t AS same FROM tokenauth.tokens t, tokenauth.describe(t.id) d WHERE t.id = :'eighth';
SELECT name, owner, kind, status FROM tokenauth.describe(:'eighth', 'user:alice');
SELECT name, owner FROM tokenauth.describe(:'eighth', 'user:admin');
-- … to whoever sees it in a list, and to nobody else
CREATE FUNCTION described(id uuid, actor text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN (tokenauth.describe(id, actor)).id = id;
EXCEPTION WHEN undefined_object THEN
    RETURN false;
END
$$;
SELECT described(t.id, actor) AS described, count(*) AS tokens, count(*) FILTER (WHERE described(t.id, actor) <> (l.id IS NOT NULL)) AS wrong
  FROM unnest('{session,user:alice,org:acme,user:admin,user:keeper,user:chief,user:stranger}'::text[]) actor
 CROSS JOIN tokenauth.tokens t
  LEFT JOIN LATERAL tokenauth.list(actor) l ON l.id = t.id
 GROUP BY 1 ORDER BY 1;
\set VERBOSITY sqlstate
SELECT tokenauth.describe(:'eighth', 'user:stranger');
SELECT tokenauth.describe('00000000-0000-7000-8000-000000000000');
SELECT tokenauth.delete(:'imported');
SELECT tokenauth.describe(:'imported');
SELECT tokenauth.describe(NULL);
SELECT tokenauth.describe(:'eighth', NULL);
SELECT tokenauth.describe(:'eighth', 'user:nobody');
-- … who may do nothing learns nothing
SELECT tokenauth.describe(:'eighth', 'user:asleep');
SELECT tokenauth.describe('00000000-0000-7000-8000-000000000000', 'user:asleep');
\set VERBOSITY default

-- with a token, its holder turns the pages of its own and of nothing else, in a transaction that only reads
SELECT token FROM issued WHERE name = 'token 7' \gset
BEGIN READ ONLY;
SELECT tokenauth.authenticate(:'token');
SELECT count(*), count(*) FILTER (WHERE owner = 'user:alice') AS own FROM tokenauth.list(page_size => 3);
SELECT name FROM tokenauth.describe(:'eighth');
SELECT tokenauth.list('user:admin', page_size => 3);
\echo :SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
SELECT tokenauth.authenticate(:'token');
SELECT id AS hidden FROM held LIMIT 1 \gset
\set VERBOSITY sqlstate
SELECT tokenauth.describe(:'hidden');
\set VERBOSITY default
ROLLBACK;

-- the role that reads for everybody does so without an identity; one that only verifies reads nothing
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_pages_reader, regress_tokenauth_pages_verifier;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_pages_reader;
CREATE ROLE regress_tokenauth_pages_verifier;
SELECT tokenauth.grant_access('regress_tokenauth_pages_reader', 'observe');
SELECT tokenauth.grant_access('regress_tokenauth_pages_verifier', 'verify');
SET ROLE regress_tokenauth_pages_reader;
SELECT count(*) FROM tokenauth.list(page_size => 5);
SELECT name FROM tokenauth.describe(:'eighth');
SET ROLE regress_tokenauth_pages_verifier;
SELECT tokenauth.list(page_size => 5);
\echo :SQLSTATE
SELECT tokenauth.describe(:'eighth');
\echo :SQLSTATE
RESET ROLE;

-- pages show the newest state, in whatever transaction
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM tokenauth.kind;
SELECT name FROM tokenauth.list('user:keeper', 'user:alice', page_size => 1);
UPDATE tokenauth.kind SET manage_permission = 'robots:manage' WHERE name = 'key';
SELECT count(*) FROM tokenauth.list('user:keeper', 'user:alice', page_size => 1);
ROLLBACK;

-- a page costs what it reads: of 20,000 tokens of 1,000 owners, one of which has half, it touches a few blocks
INSERT INTO tokenauth.principal (principal) SELECT 'user:' || n FROM generate_series(1, 1000) n;
INSERT INTO tokenauth.token (lookup, owner_epoch, id, created_at, dies_with_owner, digest, algorithm, kind, owner, scopes, data_scopes, created_by, revoked_at, hint)
SELECT n, 0, (lpad(to_hex(n + 1600000000000), 12, '0') || '70008000000000000000')::uuid, now(), true, sha256(n::text::bytea), 'sha256', 'key',
       'user:' || CASE WHEN n % 2 = 0 THEN 1 ELSE n % 1000 + 1 END, 'devices:read', '{}', 'role:importer', CASE WHEN n % 20 < 2 THEN now() END, 'key_…'
  FROM generate_series(1, 20000) n;
INSERT INTO tokenauth.usage (token_id) SELECT id FROM tokenauth.token ON CONFLICT DO NOTHING;
-- the least of three, since autovacuum may just then have the statements planned anew
CREATE FUNCTION blocks(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
    fewest bigint;
BEGIN
    FOR attempt IN 1 .. 3 LOOP
        EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
        fewest := least(fewest, (plan #>> '{0,Plan,Shared Hit Blocks}')::bigint + (plan #>> '{0,Plan,Shared Read Blocks}')::bigint);
    END LOOP;
    RETURN fewest;
END
$$;
SELECT id AS deep FROM tokenauth.list() OFFSET 19000 LIMIT 1 \gset
SELECT what, blocks('SELECT * FROM ' || what) < 1500 AS few FROM (VALUES
    ('tokenauth.list(page_size => 20)'),
    ('tokenauth.list(page_size => 20, after => $$' || :'deep' || '$$)'),
    ('tokenauth.list(page_size => 20, status => $$revoked$$)'),
    ('tokenauth.list($$user:admin$$, page_size => 20)'),
    ('tokenauth.list($$user:1$$, page_size => 20)'),
    ('tokenauth.list($$user:1$$, page_size => 20, status => $$revoked$$)'),
    ('tokenauth.list($$user:2$$, page_size => 20)'),
    ('tokenauth.list($$user:chief$$, page_size => 20)'),
    ('tokenauth.list(owner => $$user:1$$, kind => $$key$$, page_size => 20)'),
    ('tokenauth.list(owner => $$user:alice$$, page_size => 20)')) AS w (what);
-- … so does a page of a view, once there are statistics
INSERT INTO tokenauth.event (id, at, event, token_id, owner, role)
SELECT (lpad(to_hex(n + 1600000000000), 12, '0') || '70008000000000000001')::uuid, now(), 'token.issued', id, owner, 'importer'
  FROM (SELECT id, owner, row_number() OVER (ORDER BY id) AS n FROM tokenauth.token WHERE created_by = 'role:importer') t;
ANALYZE;
SELECT what, blocks('SELECT * FROM ' || what) < 1500 AS few FROM (VALUES
    ('tokenauth.tokens ORDER BY id DESC LIMIT 20'),
    ('tokenauth.tokens WHERE id < $$' || :'deep' || '$$ ORDER BY id DESC LIMIT 20'),
    ('tokenauth.tokens WHERE status = $$revoked$$ ORDER BY id DESC LIMIT 20'),
    ('tokenauth.tokens WHERE owner = $$user:1$$ ORDER BY id DESC LIMIT 20')) AS w (what);
SELECT what, blocks('SELECT * FROM ' || what) < 100 AS few FROM (VALUES
    ('tokenauth.events ORDER BY id DESC LIMIT 20'),
    ('tokenauth.events WHERE id < $$' || :'deep' || '$$ ORDER BY id DESC LIMIT 20'),
    ('tokenauth.events WHERE owner = $$user:1$$ ORDER BY id DESC LIMIT 20'),
    ('tokenauth.events WHERE owner = $$user:2$$ ORDER BY id DESC LIMIT 20'),
    ('tokenauth.events WHERE token_id = $$' || :'deep' || '$$ ORDER BY id DESC LIMIT 20')) AS w (what);
-- … all of them, many
SELECT blocks('SELECT * FROM tokenauth.list()') > 1500 AS many_of_tokens, blocks('SELECT * FROM tokenauth.events') > 200 AS many_of_events;

-- each row is that of the view, in all its fields: used or not, with everything set, and whatever death came first
SELECT token AS used FROM issued WHERE name = 'token 2' \gset
SELECT count(*) FILTER (WHERE v.ok) AS ok FROM generate_series(1, 3) n, LATERAL tokenauth.verify(:'used', CASE n WHEN 3 THEN '{reports:read}' ELSE '{}' END::text[]) v;
SELECT id AS whole FROM tokenauth.issue('key', 'user:bob', 'whole', 'with all that there is', '{devices:read}', '{"site": ["nyc"]}', expires_in => '1 day',
    not_before => now() + interval '1 hour', networks => '{192.0.2.0/24}', metadata => '{"team": "ops"}') \gset
SELECT tokenauth.rotate(:'whole', '1 hour') IS NOT NULL AS rotated;
SELECT tokenauth.revoke(id, 'before the others') FROM tokenauth.issue('key', 'user:bob', 'died first');
SELECT id AS dead FROM tokenauth.issue('key', 'user:bob', 'died with the others, and had died before in another history') \gset
SELECT tokenauth.revoke_all('user:bob', reason => 'all at once') > 0 AS died;
UPDATE tokenauth.token SET revoked_at = now() + interval '1 day', revoked_by = 'role:later', revoke_reason = 'later' WHERE id = :'dead';
SELECT id AS second FROM tokenauth.issue('key', 'user:bob', 'died with the second') \gset
SELECT tokenauth.deactivate('user:bob', 'left');
SELECT count(*) AS tokens, count(*) FILTER (WHERE l IS DISTINCT FROM t) AS differ FROM tokenauth.list() l FULL JOIN tokenauth.tokens t ON t.id = l.id;
SELECT name, status, expires_at IS NULL AS endless, request_count, denied_count, revoke_reason, networks, metadata
  FROM tokenauth.list() WHERE id IN (:'whole', :'dead', :'second') OR name = 'token 2' ORDER BY id;

-- which owners keep tokens of theirs from working is known by an index, and is so at once, whoever changes it
CREATE FUNCTION wrong() RETURNS bigint LANGUAGE sql AS $$
SELECT count(*) FROM unnest('{active,disabled,not_yet_valid,expired,revoked,suspended}'::text[]) s (status)
 WHERE ARRAY(SELECT id FROM tokenauth.list(status => s.status)) <> ARRAY(SELECT id FROM tokenauth.tokens t WHERE t.status = s.status ORDER BY id DESC)
$$;
BEGIN;
SELECT tokenauth.deactivate('user:2'), wrong();
SELECT tokenauth.activate('user:2'), wrong();
SELECT tokenauth.revoke_all('user:4') > 0 AS died, wrong();
SELECT tokenauth.drop_principal('user:6'), wrong();
UPDATE tokenauth.principal SET active = false WHERE principal IN ('user:8', 'user:10');
SELECT wrong();
UPDATE tokenauth.token SET dies_with_owner = false WHERE owner = 'user:8';
SELECT wrong(), count(*) > 0 AS suspended FROM tokenauth.list(status => 'suspended', owner => 'user:8');
UPDATE tokenauth.principal SET active = true WHERE principal = 'user:8';
SELECT wrong();
UPDATE tokenauth.principal SET principal = 'user:twelve' WHERE principal = 'user:12';
SELECT wrong();
SAVEPOINT before;
UPDATE tokenauth.principal SET active = NOT active, permissions = '{}';
SELECT wrong();
ROLLBACK TO before;
SELECT wrong();
-- … an epoch before the first is written by hand only, and all that there are were later
UPDATE tokenauth.token SET owner_epoch = -1 WHERE owner = 'user:14';
SELECT wrong(), count(*) > 0 AS died FROM tokenauth.list(status => 'revoked', owner => 'user:14');
-- … while the index is being made anew it has not all of them, and their rows are read
UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = 'tokenauth.principal_stopping_idx'::regclass;
UPDATE tokenauth.principal SET active = false WHERE principal = 'user:16';
SELECT wrong(), count(*) > 0 AS died FROM tokenauth.list(status => 'revoked', owner => 'user:16');
-- … as they are without it, in a database that is not updated yet
DROP INDEX tokenauth.principal_stopping_idx;
SELECT wrong();
ROLLBACK;

DROP OWNED BY regress_tokenauth_pages_reader, regress_tokenauth_pages_verifier;
DROP ROLE regress_tokenauth_pages_reader, regress_tokenauth_pages_verifier;
