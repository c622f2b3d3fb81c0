-- Whose access a call uses: that of the effective user at the moment of the call, whoever is logged in or was set before.
-- PostgreSQL runs the code of an index expression, a materialized view or a definer function as its owner: so a weak
-- role's code gains nothing in a stronger session, and a strong role's function lends what that role may do.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_weak, regress_tokenauth_strong, regress_tokenauth_none;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_weak;
CREATE ROLE regress_tokenauth_strong;
CREATE ROLE regress_tokenauth_none;
SELECT tokenauth.grant_access('regress_tokenauth_weak', 'self'), tokenauth.grant_access('regress_tokenauth_strong', 'manage');
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{*}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset

-- a function of the weak role: tries to make a trusted call, and tells as whom and what came of it
CREATE SCHEMA app;
GRANT ALL ON SCHEMA app TO regress_tokenauth_weak, regress_tokenauth_strong;
GRANT USAGE ON SCHEMA app TO regress_tokenauth_none;
SET ROLE regress_tokenauth_weak;
CREATE FUNCTION app.attempt() RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM tokenauth.issue('api', 'user:alice');
        RETURN current_user || ' has issued a token';
    EXCEPTION WHEN OTHERS THEN
        RETURN current_user || ' is refused: ' || SQLSTATE || ' ' || SQLERRM;
    END $$;
CREATE FUNCTION app.bait(number integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        RAISE NOTICE '%', app.attempt();
        RETURN number;
    END $$;
CREATE FUNCTION app.lent_by_weak() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT app.attempt()';
CREATE TABLE app.trap AS SELECT 1 AS number;
CREATE INDEX trap_index ON app.trap (app.bait(number));
CREATE MATERIALIZED VIEW app.trap_view AS SELECT app.attempt() AS outcome WITH NO DATA;
CREATE VIEW app.plain_view AS SELECT app.attempt() AS outcome;
RESET ROLE;
SET ROLE regress_tokenauth_strong;
CREATE FUNCTION app.lent_by_strong() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT app.attempt()';
GRANT EXECUTE ON FUNCTION app.lent_by_strong() TO regress_tokenauth_none;
RESET ROLE;

-- a superuser's session: the code of the weak role's index, materialized view and definer function is that role's
ANALYZE app.trap;
REINDEX TABLE app.trap;
VACUUM (FULL, ANALYZE) app.trap;
REFRESH MATERIALIZED VIEW app.trap_view;
SELECT outcome FROM app.trap_view;
SELECT app.lent_by_weak();
-- … in a view it is the superuser's, as every function in a view is called by whoever reads the view
SELECT outcome ~ ' has issued a token$' AS issued FROM app.plain_view;

-- a function of a role with manage makes that role's trusted calls, whoever calls it, and history names that role
SET ROLE regress_tokenauth_none;
SELECT app.lent_by_strong();
RESET ROLE;
SELECT event, role, session_role = session_user AS logged_in FROM tokenauth.events ORDER BY id DESC LIMIT 1;

-- EXECUTE is asked for at each call: PostgreSQL asks once for each expression, and PL/pgSQL keeps expressions
CREATE FUNCTION app.status(id uuid) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN tokenauth.has_scope('a') || ' ' || tokenauth.disable(id); END $$;
CREATE FUNCTION app.verdict(token text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (tokenauth.verify(token)).verdict; END $$;
BEGIN;
SELECT app.status(:'id'), app.verdict(:'token');
SET LOCAL ROLE regress_tokenauth_none;
SAVEPOINT here;
SELECT app.status(:'id');
\echo :SQLSTATE
ROLLBACK TO here;
SELECT app.verdict(:'token');
\echo :SQLSTATE
ROLLBACK;
-- … also after the access was taken away in the middle of a transaction
GRANT regress_tokenauth_weak TO regress_tokenauth_none;
BEGIN;
SET LOCAL ROLE regress_tokenauth_none;
SELECT app.verdict(:'token');
RESET ROLE;
REVOKE regress_tokenauth_weak FROM regress_tokenauth_none;
SET LOCAL ROLE regress_tokenauth_none;
SELECT app.verdict(:'token');
\echo :SQLSTATE
ROLLBACK;
REVOKE regress_tokenauth_weak FROM regress_tokenauth_none;

-- code that PostgreSQL runs in the transaction of somebody else logs nobody in, and nobody out
SELECT set_config('test.token', :'token', false) IS NOT NULL AS set;
SELECT tokenauth.enable(:'id');
SET ROLE regress_tokenauth_weak;
CREATE FUNCTION app.log_in(number integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
    DECLARE call text;
    BEGIN
        FOREACH call IN ARRAY ARRAY['authenticate(current_setting(''test.token''))', 'sign_in(current_setting(''test.token''))', 'sign_out()', 'pre_request()'] LOOP
            BEGIN
                EXECUTE 'SELECT tokenauth.' || call;
                RAISE NOTICE '% has changed the identity', call;
            EXCEPTION WHEN OTHERS THEN
                RAISE NOTICE '%: % %', split_part(call, '(', 1), SQLSTATE, SQLERRM;
            END;
        END LOOP;
        RETURN number;
    END $$;
CREATE TABLE app.login_trap AS SELECT 1 AS number;
SET client_min_messages = warning;
CREATE INDEX login_trap_index ON app.login_trap (app.log_in(number));
RESET client_min_messages;
RESET ROLE;
BEGIN;
ANALYZE app.login_trap;
SELECT tokenauth.current_owner();
SELECT tokenauth.authenticate(:'token');
ANALYZE app.login_trap;
SELECT tokenauth.current_owner();
COMMIT;

-- after a call, and after one that failed and was caught, the caller is who it was, with its own settings
CREATE FUNCTION app.afterwards() RETURNS text LANGUAGE plpgsql SET search_path = app, pg_catalog AS $$
    BEGIN
        PERFORM tokenauth.issue('api', 'user:alice', scopes => '{a b}');
        RETURN NULL;
    EXCEPTION WHEN OTHERS THEN
        RETURN SQLSTATE || ' ' || current_user || ' ' || current_setting('search_path');
    END $$;
SET ROLE regress_tokenauth_strong;
SELECT app.afterwards();
SELECT k.name IS NULL AS unnamed, current_user, current_setting('search_path') FROM tokenauth.issue('api', 'user:alice') k;
SELECT k.status, current_user, current_setting('search_path') FROM tokenauth.list(owner => 'user:alice') k LIMIT 1;
RESET ROLE;

-- the identity of a transaction is not that of whoever wrote an index expression or a materialized view that it refreshes
CREATE FUNCTION app.take() RETURNS text LANGUAGE sql AS $$SELECT id::text FROM tokenauth.issue('api', tokenauth.current_owner())$$;
CREATE MATERIALIZED VIEW app.loot AS SELECT app.take() WITH NO DATA;
BEGIN;
SELECT tokenauth.authenticate(:'token');
SAVEPOINT refresh;
REFRESH MATERIALIZED VIEW app.loot;
\echo :SQLSTATE
ROLLBACK TO refresh;
SELECT tokenauth.current_owner();
ROLLBACK;

-- the extension's owner is who may grant, judged in the same way
CREATE FUNCTION app.grant_admin() RETURNS void LANGUAGE sql AS $$SELECT tokenauth.grant_access('regress_tokenauth_weak', 'admin')$$;
ALTER FUNCTION app.grant_admin() OWNER TO regress_tokenauth_strong;
ALTER FUNCTION app.grant_admin() SECURITY DEFINER;
GRANT EXECUTE ON FUNCTION tokenauth.grant_access TO regress_tokenauth_strong;
SELECT app.grant_admin();
\echo :SQLSTATE

-- a function of the library that is no member of the extension is none of ours
CREATE FUNCTION app.verify(token text, require text[], client text) RETURNS tokenauth.verification LANGUAGE c AS 'tokenauth', 'verify_wrapper';
SELECT app.verify(:'token', '{}', NULL);
\echo :SQLSTATE
DROP FUNCTION app.verify;
-- … and a schema that took the name of ours is not ours
BEGIN;
ALTER SCHEMA tokenauth RENAME TO former;
CREATE SCHEMA tokenauth;
CREATE TABLE tokenauth.token (LIKE former.token);
SELECT former.list();
\echo :SQLSTATE
ROLLBACK;

SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP OWNED BY regress_tokenauth_weak, regress_tokenauth_strong, regress_tokenauth_none;
DROP ROLE regress_tokenauth_weak, regress_tokenauth_strong, regress_tokenauth_none;
