-- Tokens, their usage and their events are written without a statement, unless an administrator has put something on the
-- tables. That applies as to any statement: triggers of rows and statements, constraints, defaults, generated columns
-- and every index.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
SELECT tokenauth.put_principal('user:1', '{devices:read}');

CREATE TABLE fired (n integer GENERATED ALWAYS AS IDENTITY, what text, who name);
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.fired (what, who) VALUES (concat_ws(' ', tg_table_name, tg_when, tg_op, tg_level), current_user);
    IF tg_level = 'ROW' AND tg_when = 'BEFORE' AND tg_table_name = 'token' THEN
        new.description := concat_ws(' ', new.description, 'as the trigger says');
    END IF;
    RETURN new;
END $$;

-- triggers fire in PostgreSQL's order, and may change the row
CREATE TRIGGER a BEFORE INSERT OR UPDATE ON tokenauth.token FOR EACH ROW EXECUTE FUNCTION fire();
CREATE TRIGGER b AFTER INSERT OR UPDATE ON tokenauth.token FOR EACH ROW EXECUTE FUNCTION fire();
CREATE TRIGGER c BEFORE INSERT OR UPDATE ON tokenauth.token FOR EACH STATEMENT EXECUTE FUNCTION fire();
CREATE TRIGGER d AFTER INSERT OR UPDATE ON tokenauth.token FOR EACH STATEMENT EXECUTE FUNCTION fire();
CREATE TRIGGER a AFTER INSERT ON tokenauth.usage FOR EACH ROW EXECUTE FUNCTION fire();
CREATE TRIGGER a AFTER INSERT ON tokenauth.event FOR EACH ROW EXECUTE FUNCTION fire();
SELECT id FROM tokenauth.issue('key', 'user:1', description => 'laptop') \gset
SELECT what, who = current_user AS ours FROM fired ORDER BY n;
SELECT description FROM tokenauth.tokens WHERE id = :'id';
TRUNCATE fired;
SELECT tokenauth.revoke(:'id');
SELECT what FROM fired ORDER BY n;
SELECT status, description FROM tokenauth.tokens WHERE id = :'id';
DROP TRIGGER a ON tokenauth.token;
DROP TRIGGER b ON tokenauth.token;
DROP TRIGGER c ON tokenauth.token;
DROP TRIGGER d ON tokenauth.token;
DROP TRIGGER a ON tokenauth.usage;
DROP TRIGGER a ON tokenauth.event;

-- a deferred trigger waits for the commit
CREATE CONSTRAINT TRIGGER e AFTER INSERT ON tokenauth.token DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fire();
TRUNCATE fired;
BEGIN;
SELECT owner FROM tokenauth.issue('key', 'user:1');
SELECT count(*) FROM fired;
COMMIT;
SELECT what FROM fired;
DROP TRIGGER e ON tokenauth.token;

-- … so do triggers that ask which columns are set, and for the rows as a table
CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.fired (what) SELECT format('%s %s row of %s', tg_op, count(*), tg_table_name) FROM written;
    RETURN NULL;
END $$;
CREATE TRIGGER f AFTER UPDATE OF revoked_at ON tokenauth.token FOR EACH ROW EXECUTE FUNCTION fire();
CREATE TRIGGER g AFTER UPDATE OF name ON tokenauth.token FOR EACH STATEMENT EXECUTE FUNCTION fire();
CREATE TRIGGER h AFTER INSERT ON tokenauth.token REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE TRIGGER i AFTER UPDATE ON tokenauth.token REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE TRIGGER h AFTER INSERT ON tokenauth.event REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
TRUNCATE fired;
SELECT id FROM tokenauth.issue('key', 'user:1') \gset
SELECT tokenauth.revoke(:'id');
SELECT what FROM fired ORDER BY n;
DROP TRIGGER f ON tokenauth.token;
DROP TRIGGER g ON tokenauth.token;
DROP TRIGGER h ON tokenauth.token;
DROP TRIGGER i ON tokenauth.token;
DROP TRIGGER h ON tokenauth.event;

-- what a trigger keeps from being written is never reported as done
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
SELECT id, token FROM tokenauth.issue('key', 'user:1') \gset
CREATE TRIGGER j BEFORE INSERT OR UPDATE ON tokenauth.token FOR EACH ROW EXECUTE FUNCTION keep();
SELECT tokenauth.revoke(:'id');
\echo :SQLSTATE
SELECT tokenauth.issue('key', 'user:1');
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', description => 'kept');
\echo :SQLSTATE
DROP TRIGGER j ON tokenauth.token;
CREATE TRIGGER j BEFORE INSERT OR UPDATE ON tokenauth.principal FOR EACH ROW EXECUTE FUNCTION keep();
SELECT tokenauth.deactivate('user:1');
\echo :SQLSTATE
SELECT tokenauth.revoke_all('user:1');
\echo :SQLSTATE
SELECT tokenauth.drop_principal('user:1');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:1', permissions => '{}');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:new');
\echo :SQLSTATE

-- of statements that change many rows nobody can tell: doctor names what may keep rows, and nothing that may not, as policies may not
-- from a superuser
CREATE RULE keep AS ON INSERT TO tokenauth.mass_death DO INSTEAD NOTHING;
ALTER TABLE tokenauth.member ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TRIGGER l BEFORE DELETE ON tokenauth.member FOR EACH ROW EXECUTE FUNCTION keep();
CREATE TRIGGER m AFTER UPDATE ON tokenauth.member FOR EACH ROW EXECUTE FUNCTION keep();
CREATE TRIGGER n BEFORE UPDATE ON tokenauth.member FOR EACH ROW EXECUTE FUNCTION keep();
ALTER TABLE tokenauth.member DISABLE TRIGGER n;
SELECT object, finding, hint FROM tokenauth.doctor(compare => false) WHERE area = 'schema' ORDER BY object COLLATE "C";
DROP TRIGGER l ON tokenauth.member;
DROP TRIGGER m ON tokenauth.member;
DROP TRIGGER n ON tokenauth.member;
ALTER TABLE tokenauth.member DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
DROP RULE keep ON tokenauth.mass_death;
DROP TRIGGER j ON tokenauth.principal;
SELECT verdict FROM tokenauth.verify(:'token');

-- a trigger may itself issue and revoke, and change what is written to
CREATE FUNCTION nest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        ALTER TABLE tokenauth.usage_hourly SET (fillfactor = 90);
        PERFORM tokenauth.issue('key', 'user:1', 'nested');
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER k BEFORE INSERT ON tokenauth.event FOR EACH ROW EXECUTE FUNCTION nest();
SELECT id FROM tokenauth.issue('key', 'user:1', 'outer') \gset
SELECT name FROM tokenauth.tokens WHERE name IN ('outer', 'nested') ORDER BY 1;
DROP TRIGGER k ON tokenauth.event;
ALTER TABLE tokenauth.usage_hourly RESET (fillfactor);

-- a constraint that is added is checked from then on, and no longer once it is dropped
\set VERBOSITY terse
ALTER TABLE tokenauth.token ADD CONSTRAINT token_is_named CHECK (name IS NOT NULL) NOT VALID;
SELECT owner FROM tokenauth.issue('key', 'user:1');
\echo :SQLSTATE
SELECT owner FROM tokenauth.issue('key', 'user:1', 'laptop');
ALTER TABLE tokenauth.token DROP CONSTRAINT token_is_named;
SELECT owner FROM tokenauth.issue('key', 'user:1');

-- … and when it calls a function, as that function is now
CREATE FUNCTION is_fine(name text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT true $$;
ALTER TABLE tokenauth.token ADD CONSTRAINT token_is_fine CHECK (is_fine(name)) NOT VALID;
SELECT owner FROM tokenauth.issue('key', 'user:1', 'laptop');
CREATE OR REPLACE FUNCTION is_fine(name text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT name <> 'laptop' $$;
SELECT owner FROM tokenauth.issue('key', 'user:1', 'laptop');
\echo :SQLSTATE
SELECT owner FROM tokenauth.issue('key', 'user:1', 'desktop');
ALTER TABLE tokenauth.token DROP CONSTRAINT token_is_fine;

-- … and over the whole row, each time
ALTER TABLE tokenauth.token ADD CONSTRAINT token_is_small CHECK (pg_column_size(token.*) < 1000) NOT VALID;
SELECT owner FROM tokenauth.issue('key', 'user:1', 'small');
SELECT owner FROM tokenauth.issue('key', 'user:1', 'small');
SELECT owner FROM tokenauth.issue('key', 'user:1', 'large', description => (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 60) n));
\echo :SQLSTATE
ALTER TABLE tokenauth.token DROP CONSTRAINT token_is_small;

-- columns that the library does not know have their defaults, or are generated, and can be indexed
ALTER TABLE tokenauth.usage ADD COLUMN noted text NOT NULL DEFAULT upper('new');
ALTER TABLE tokenauth.event ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE tokenauth.event ADD COLUMN noted text NOT NULL DEFAULT upper('new');
CREATE UNIQUE INDEX event_once ON tokenauth.event ((noted || id));
SELECT id FROM tokenauth.issue('key', 'user:1', 'phone') \gset
SELECT u.noted AS usage, e.noted AS event FROM tokenauth.usage u, tokenauth.event e WHERE u.token_id = :'id' AND e.token_id = :'id';
SELECT event FROM tokenauth.event WHERE noted || id = (SELECT 'NEW' || id FROM tokenauth.event WHERE token_id = :'id');

DROP FUNCTION is_fine;
DROP EXTENSION tokenauth;
DROP TABLE fired;
DROP FUNCTION fire, count_rows, keep, nest;
