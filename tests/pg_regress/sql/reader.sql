-- A reader verifies what its subscription brings, and refuses with 25006 whatever would change that: only the primary does.
-- Here a session becomes one; tests/cluster has readers that follow a primary.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
CREATE TABLE users (id int PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
INSERT INTO users VALUES (1);
SELECT tokenauth.bind_principals('users', 'customer', 'id::text', active => 'is_active');

-- only superusers make a database, or a session, one
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_reader;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_reader;
SET ROLE regress_tokenauth_reader;
SET tokenauth.reader = on;
\echo :SQLSTATE
RESET ROLE;
DROP ROLE regress_tokenauth_reader;
SET tokenauth.reader = on;

-- it verifies, authenticates and shows
SELECT verdict, owner, scopes FROM tokenauth.verify(:'token', require => '{devices:read}');
BEGIN;
SELECT tokenauth.authenticate(:'token');
SELECT tokenauth.current_owner(), tokenauth.has_scope('devices:read');
SELECT kind, owner, status FROM tokenauth.list();
ROLLBACK;
SELECT kind, owner, status FROM tokenauth.describe(:'id');
SELECT bool_and(passed) FROM tokenauth.explain(:'id', require => '{devices:read}');
SELECT section, value FROM tokenauth.report() WHERE section IN ('idle', 'unusual');

-- each function of the extension, called with nothing: whether a reader refuses it, sends it to the primary, or lets it go on
CREATE FUNCTION outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
    RETURN 'works';
EXCEPTION WHEN others THEN
    RETURN CASE WHEN SQLSTATE = '25006' THEN 'refused'
                WHEN SQLERRM LIKE 'a reader does not know%' THEN 'asks the primary'
                ELSE 'works' END;
END $$;
SELECT outcome, proname AS function
  FROM pg_proc p,
       outcome(format('SELECT tokenauth.%I(%s)', proname,
                      (SELECT string_agg('NULL::' || format_type(t, NULL), ', ') FROM unnest(proargtypes) t)))
 WHERE pronamespace = 'tokenauth'::regnamespace AND prorettype <> 'trigger'::regtype
   AND proname NOT IN ('signal_token', 'signal_principal')
 ORDER BY outcome DESC, proname;

-- how it is refused
SELECT tokenauth.revoke(:'id');
\echo :SQLSTATE
SELECT tokenauth.idle('90 days');
\echo :SQLSTATE

-- kinds are written by statements: those are refused too, and whatever else is done to the tables by hand
INSERT INTO tokenauth.kind (name, prefix) VALUES ('other', 'other_');
\echo :SQLSTATE
UPDATE tokenauth.kind SET closed = true;
\echo :SQLSTATE
DELETE FROM tokenauth.kind WHERE false;
\echo :SQLSTATE
UPDATE tokenauth.token SET revoked_at = NULL;
\echo :SQLSTATE
TRUNCATE tokenauth.principal;
\echo :SQLSTATE
-- … also in the role of a replica, which is not what a subscription is
SET session_replication_role = replica;
UPDATE tokenauth.principal SET active = false;
\echo :SQLSTATE
RESET session_replication_role;
-- … none of the tables that a subscription brings, nor history, may be added to, changed or emptied
CREATE FUNCTION written(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'written';
EXCEPTION WHEN others THEN
    RETURN SQLSTATE;
END $$;
SET client_min_messages = warning;
SELECT t.name, written(format('INSERT INTO tokenauth.%I DEFAULT VALUES', t.name)) AS insert,
       written(format('UPDATE tokenauth.%I SET %I = %2$I', t.name,
                      (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1))) AS update,
       written(format('DELETE FROM tokenauth.%I', t.name)) AS delete, written(format('TRUNCATE tokenauth.%I CASCADE', t.name)) AS truncate
  FROM unnest('{change,derived_death,heartbeat,import,key,kind,mass_death,member,principal,token,usage_batch,event}'::text[]) t (name)
  JOIN pg_class c ON c.oid = format('tokenauth.%I', t.name)::regclass
 ORDER BY t.name;
RESET client_min_messages;

-- the triggers of a bound table
UPDATE users SET is_active = false;
\echo :SQLSTATE
TRUNCATE users;
\echo :SQLSTATE
SELECT object, finding, hint FROM tokenauth.doctor() WHERE area = 'readers' ORDER BY object COLLATE "C";

-- without beats of the primary it cannot know how old it is, nor with one that came some other way
SET tokenauth.max_staleness = '1h';
SELECT tokenauth.verify(:'token');
\echo :SQLSTATE
SELECT tokenauth.sign_in(:'token');
\echo :SQLSTATE
SET tokenauth.reader = off;
INSERT INTO tokenauth.heartbeat VALUES (true, clock_timestamp());
SET tokenauth.reader = on;
SELECT tokenauth.verify(:'token');
\echo :SQLSTATE
-- … and explain() says so before all else
SELECT * FROM tokenauth.explain(:'id') LIMIT 2;
RESET tokenauth.max_staleness;

-- whoever is no reader any more writes again
RESET tokenauth.reader;
SELECT tokenauth.revoke(:'id');
SELECT verdict FROM tokenauth.verify(:'token');

-- a publication brings beats, which need shared memory
SELECT tokenauth.make_publication();
\echo :SQLSTATE
SELECT tokenauth.make_publication(NULL);
\echo :SQLSTATE
SELECT tokenauth.make_publication('');
\echo :SQLSTATE
SELECT count(*) FROM pg_publication;
