-- doctor() tells what is not as it ought to be: here, what somebody has done to the extension itself, and who holds up a deactivation.
-- Bindings and keys have tests of their own.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_intruder;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_intruder;

-- as installed there is nothing to tell
SELECT * FROM tokenauth.doctor() WHERE area <> 'usage';

-- somebody may create objects in the schema, and has: an overload that is called in the place of the extension's own
GRANT USAGE, CREATE ON SCHEMA tokenauth TO regress_tokenauth_intruder;
SET ROLE regress_tokenauth_intruder;
CREATE FUNCTION tokenauth.verify(token varchar) RETURNS text LANGUAGE sql AS $$SELECT 'valid'$$;
CREATE FUNCTION tokenauth.same(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR tokenauth.=== (FUNCTION = tokenauth.same, LEFTARG = text, RIGHTARG = text);
CREATE TABLE tokenauth.copy (token text);
CREATE VIEW tokenauth.lookout AS SELECT 1;
RESET ROLE;
SELECT area, object, finding, hint FROM tokenauth.doctor() WHERE area <> 'usage';
DROP VIEW tokenauth.lookout;
DROP TABLE tokenauth.copy;
DROP OPERATOR tokenauth.=== (text, text);
DROP FUNCTION tokenauth.same(text, text);
DROP FUNCTION tokenauth.verify(varchar);
REVOKE ALL ON SCHEMA tokenauth FROM regress_tokenauth_intruder;
SELECT * FROM tokenauth.doctor() WHERE area <> 'usage';

-- … also when it was made a member of the extension
BEGIN;
CREATE FUNCTION tokenauth.verify(token varchar) RETURNS text LANGUAGE sql AS $$SELECT 'valid'$$;
ALTER EXTENSION tokenauth ADD FUNCTION tokenauth.verify(varchar);
SELECT object, finding, hint FROM tokenauth.doctor() WHERE area <> 'usage';
ROLLBACK;

-- functions were altered or replaced
BEGIN;
ALTER FUNCTION tokenauth.revoke(uuid, text, text) SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION tokenauth.issue SET search_path = public;
ALTER FUNCTION tokenauth.purge SET work_mem = '1GB';
ALTER FUNCTION tokenauth.list SECURITY DEFINER;
ALTER FUNCTION tokenauth.verify(text, text[], text) SECURITY DEFINER;
ALTER FUNCTION tokenauth.mask SET search_path = public;
ALTER FUNCTION tokenauth.edit OWNER TO regress_tokenauth_intruder;
CREATE OR REPLACE FUNCTION tokenauth.contains_token(text text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
ALTER FUNCTION tokenauth.current_owner() IMMUTABLE;
ALTER FUNCTION tokenauth.has_scope(text) LEAKPROOF;
ALTER FUNCTION tokenauth.verify_digest PARALLEL SAFE;
SELECT area, object, finding FROM tokenauth.doctor() WHERE area <> 'usage';
ROLLBACK;

-- triggers were dropped or disabled, or enabled as a restore with --disable-triggers leaves them
BEGIN;
ALTER TABLE tokenauth.event DISABLE TRIGGER append_only;
DROP TRIGGER signal ON tokenauth.token;
ALTER TABLE tokenauth.kind DISABLE TRIGGER ALL, ENABLE TRIGGER ALL;
SELECT object, finding, hint FROM tokenauth.doctor() WHERE area <> 'usage';
ROLLBACK;

-- … or replaced by others of their names, or joined by others that run our functions
BEGIN;
DROP TRIGGER signal_update ON tokenauth.token;
CREATE TRIGGER signal_update AFTER UPDATE ON tokenauth.token
    FOR EACH ROW WHEN (false) EXECUTE FUNCTION suppress_redundant_updates_trigger();
ALTER TABLE tokenauth.token ENABLE ALWAYS TRIGGER signal_update;
CREATE TRIGGER guard BEFORE UPDATE ON tokenauth.principal FOR EACH ROW EXECUTE FUNCTION tokenauth.guard_copied();
SELECT object, finding, hint FROM tokenauth.doctor() WHERE area <> 'usage';
ROLLBACK;

-- a table that a crash empties
BEGIN;
ALTER TABLE tokenauth.derived_death SET UNLOGGED;
SELECT object, finding, hint FROM tokenauth.doctor() WHERE area <> 'usage';
ROLLBACK;

-- a bound table has drifted, and lacks a trigger: without the comparison only the latter is told, whatever size the table has
BEGIN;
CREATE TABLE users (id int PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
SELECT tokenauth.bind_principals('users', 'user', 'id::text', active => 'is_active');
DO $$ BEGIN EXECUTE format('DROP TRIGGER %I ON users', (SELECT tgname FROM pg_trigger WHERE tgrelid = 'users'::regclass AND tgtype & 4 <> 0 AND tgtype & 1 = 0)); END $$;
INSERT INTO users VALUES (1);
SELECT finding FROM tokenauth.doctor() WHERE area = 'binding';
SELECT finding FROM tokenauth.doctor(compare => false) WHERE area = 'binding';
SELECT tokenauth.doctor(NULL);
\echo :SQLSTATE
ROLLBACK;

-- a prepared transaction holds a principal
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
BEGIN;
SELECT tokenauth.put_principal('user:alice', '{devices:write}');
PREPARE TRANSACTION 'user''s change';
SELECT area, object, finding, hint FROM tokenauth.doctor() WHERE area <> 'usage';
ROLLBACK PREPARED 'user''s change';
SELECT * FROM tokenauth.doctor() WHERE area <> 'usage';

DROP OWNED BY regress_tokenauth_intruder;
DROP ROLE regress_tokenauth_intruder;
