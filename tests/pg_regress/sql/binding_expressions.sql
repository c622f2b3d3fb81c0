-- With whose rights the expressions of a binding run, what they are allowed not to see, and that they are what they are
-- in every session, also after a function or a cast in them was replaced.
CREATE EXTENSION tokenauth;
SELECT current_setting('search_path') AS search_path \gset
\set SHOW_CONTEXT never
CREATE VIEW principals AS SELECT principal, active, permissions FROM tokenauth.principal WHERE dropped_at IS NULL;
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_owner, regress_tokenauth_writer;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_owner;
CREATE ROLE regress_tokenauth_writer;
GRANT CREATE ON SCHEMA public TO regress_tokenauth_owner;

-- a superuser binds the table of somebody else, to whose types that one has written the casts
SET ROLE regress_tokenauth_owner;
CREATE TABLE ran_as (who text, what text);
CREATE TYPE state AS (on_duty boolean);
CREATE TYPE duties AS (permissions text[]);
CREATE TYPE places AS (sites jsonb);
CREATE FUNCTION is_on(state) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.ran_as VALUES (current_user, 'boolean');
    RETURN ($1).on_duty;
END $$;
CREATE FUNCTION may(duties) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.ran_as VALUES (current_user, 'text[]');
    RETURN ($1).permissions;
END $$;
CREATE FUNCTION sees(places) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.ran_as VALUES (current_user, 'jsonb');
    RETURN ($1).sites;
END $$;
CREATE CAST (state AS boolean) WITH FUNCTION is_on(state);
CREATE CAST (duties AS text[]) WITH FUNCTION may(duties);
CREATE CAST (places AS jsonb) WITH FUNCTION sees(places);
CREATE TABLE guards (id integer PRIMARY KEY, state state, duties duties, places places);
INSERT INTO guards VALUES (1, '(t)', '("{doors:open}")', '("{""site"": [""nyc""]}")');
RESET ROLE;
SELECT tokenauth.bind_principals('guards', 'guard', 'id', 'state', 'duties', 'places');
SELECT principal, active, permissions, data_scopes FROM tokenauth.principal;
SELECT DISTINCT who, what FROM ran_as ORDER BY who, what;
-- … as in bind_members
CREATE TABLE shifts (org_id integer, guard_id integer, duties duties);
ALTER TABLE shifts OWNER TO regress_tokenauth_owner;
TRUNCATE ran_as;
SELECT tokenauth.put_principal('org:1');
INSERT INTO shifts VALUES (1, 1, '("{doors:lock}")');
SELECT tokenauth.bind_members('shifts', $$'org:' || org_id$$, $$'guard:' || guard_id$$, 'duties');
SELECT org, member, permissions FROM tokenauth.member;
SELECT DISTINCT who, what FROM ran_as;
-- … and they cannot leave anything behind that would run later with the rights of who binds
SELECT tokenauth.unbind_principals('shifts');
CREATE OR REPLACE FUNCTION may(duties) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    SET ROLE NONE;
    RETURN '{}';
END $$;
SELECT tokenauth.bind_members('shifts', $$'org:' || org_id$$, $$'guard:' || guard_id$$, 'duties');
\echo :SQLSTATE
DROP TABLE guards, shifts;

-- a policy that hides a row from the writer neither widens nor keeps alive: what it would hide is an error
CREATE TABLE bans (user_id integer, tenant text);
CREATE TABLE users (id integer PRIMARY KEY, last_login timestamptz);
ALTER TABLE bans ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON bans USING (tenant = 'mine');
GRANT SELECT, INSERT ON bans TO regress_tokenauth_writer;
GRANT SELECT, INSERT, UPDATE ON users TO regress_tokenauth_writer;
INSERT INTO users VALUES (1), (2);
SELECT tokenauth.bind_principals('users', 'user', 'id',
                                 active => 'NOT EXISTS (SELECT FROM public.bans b WHERE b.user_id = users.id)');
INSERT INTO bans VALUES (1, 'theirs');
UPDATE users SET last_login = now();
SELECT * FROM principals WHERE principal LIKE 'user:%' ORDER BY principal;
SET ROLE regress_tokenauth_writer;
UPDATE users SET last_login = now();
\echo :SQLSTATE
INSERT INTO users VALUES (3);
\echo :SQLSTATE
RESET ROLE;
SELECT * FROM principals WHERE principal LIKE 'user:%' ORDER BY principal;
-- … unless the application's own function looks with the rights of somebody who sees everything
SELECT tokenauth.unbind_principals('users');
CREATE FUNCTION is_banned(integer) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
    RETURN EXISTS (SELECT FROM public.bans b WHERE b.user_id = $1);
SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'NOT public.is_banned(id)');
SET ROLE regress_tokenauth_writer;
INSERT INTO users VALUES (3);
UPDATE users SET last_login = now();
RESET ROLE;
SELECT * FROM principals WHERE principal LIKE 'user:%' ORDER BY principal;
SELECT tokenauth.unbind_principals('users');
-- … also for a trigger written by hand
CREATE TRIGGER by_hand AFTER INSERT OR UPDATE ON users FOR EACH ROW
    EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', 'NOT EXISTS (SELECT FROM public.bans b WHERE b.user_id = users.id)');
SET ROLE regress_tokenauth_writer;
UPDATE users SET last_login = now();
\echo :SQLSTATE
RESET ROLE;
DROP TRIGGER by_hand ON users;

-- a function that reads its argument alone is replaced by one that reads a table: who did not change may change now
CREATE FUNCTION is_active(integer) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN true;
SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'public.is_active(id)');
UPDATE users SET last_login = now();
SELECT * FROM principals WHERE principal LIKE 'user:%' ORDER BY principal;
CREATE OR REPLACE FUNCTION is_active(integer) RETURNS boolean LANGUAGE sql STABLE
    RETURN NOT EXISTS (SELECT FROM public.bans b WHERE b.user_id = $1);
UPDATE users SET last_login = now();
SELECT * FROM principals WHERE principal LIKE 'user:%' ORDER BY principal;
INSERT INTO bans VALUES (2, 'theirs');
UPDATE users SET last_login = now();
SELECT * FROM principals WHERE principal LIKE 'user:%' ORDER BY principal;
SELECT tokenauth.unbind_principals('users');
-- … and so is a cast
CREATE TYPE rank AS (height integer);
ALTER TABLE users ADD rank rank DEFAULT '(1)';
CREATE FUNCTION is_tall(rank) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN ($1).height > 0; END';
CREATE FUNCTION is_tall_today(rank) RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN ($1).height > (SELECT count(*) FROM public.bans); END';
CREATE CAST (rank AS boolean) WITH FUNCTION is_tall(rank);
SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'rank');
UPDATE users SET last_login = now();
SELECT * FROM principals WHERE principal LIKE 'user:%' ORDER BY principal;
DROP CAST (rank AS boolean);
CREATE CAST (rank AS boolean) WITH FUNCTION is_tall_today(rank);
UPDATE users SET last_login = now();
SELECT * FROM principals WHERE principal LIKE 'user:%' ORDER BY principal;

SELECT tokenauth.unbind_principals('users');

-- a setting that an expression changes is as it was when the call is over, the search path of whoever called above all
CREATE FUNCTION stray(integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('search_path', 'pg_catalog', false), set_config('work_mem', '64kB', false), set_config('stray.x', 'y', false);
    RETURN true;
END $$;
CREATE VIEW settings AS
SELECT current_setting('search_path') = :'search_path' AS path, current_setting('work_mem') <> '64kB' AS memory,
       coalesce(current_setting('stray.x', true), '') = '' AS custom;
SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'public.stray(id)');
SELECT * FROM settings;
UPDATE users SET last_login = now();
SELECT * FROM settings;
SELECT tokenauth.sync_principals('users');
SELECT * FROM settings;
SELECT count(*) FROM tokenauth.doctor() WHERE area = 'binding' AND finding LIKE '%differ%';
SELECT * FROM settings;
SELECT count(*) > 0 AS reported FROM tokenauth.report();
SELECT * FROM settings;

SELECT tokenauth.unbind_principals('users');
DROP VIEW settings;
SET client_min_messages = warning;
DROP TABLE users, bans CASCADE;
DROP OWNED BY regress_tokenauth_owner, regress_tokenauth_writer CASCADE;
RESET client_min_messages;
DROP ROLE regress_tokenauth_owner, regress_tokenauth_writer;
