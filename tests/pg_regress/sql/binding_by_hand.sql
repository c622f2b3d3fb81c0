-- Triggers that somebody writes by hand are examined as well: what they do not see, such as changed ids and TRUNCATE, is told.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
CREATE VIEW findings AS SELECT object, finding, hint FROM tokenauth.doctor() WHERE area = 'binding';
CREATE TABLE users (id integer PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
INSERT INTO users VALUES (1), (2);
CREATE VIEW our_triggers AS
SELECT tgname AS name, tgenabled AS enabled
  FROM pg_trigger WHERE tgrelid = 'users'::regclass AND NOT tgisinternal ORDER BY tgname;

-- a row trigger for everything but TRUNCATE
CREATE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', 'is_active');
SELECT * FROM findings;
CREATE TRIGGER by_hand_too AFTER TRUNCATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', 'is_active');
SELECT * FROM findings;
CREATE OR REPLACE TRIGGER by_hand AFTER INSERT OR UPDATE OF is_active ON users
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', 'is_active');
SELECT finding FROM findings;
CREATE OR REPLACE TRIGGER by_hand AFTER UPDATE ON users
    FOR EACH ROW WHEN (OLD.is_active <> NEW.is_active) EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', 'is_active');
SELECT finding FROM findings;
ALTER TABLE users DISABLE TRIGGER by_hand;
SELECT finding FROM findings;
-- … row triggers see what is written through a partitioned table, statement triggers do not
BEGIN;
CREATE OR REPLACE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', 'is_active');
CREATE TABLE everybody (LIKE users) PARTITION BY RANGE (id);
ALTER TABLE everybody ATTACH PARTITION users FOR VALUES FROM (1) TO (100);
UPDATE everybody SET is_active = false WHERE id = 1;
SELECT active FROM tokenauth.principal WHERE principal = 'user:1';
SELECT * FROM findings;
CREATE TRIGGER by_statement AFTER INSERT ON users REFERENCING NEW TABLE AS new
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', 'is_active');
SELECT object, finding FROM findings;
ROLLBACK;
-- … and what is no binding
BEGIN;
CREATE OR REPLACE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('user');
SELECT object, finding FROM findings;
ROLLBACK;
SELECT tokenauth.unbind_principals('users');
SELECT * FROM our_triggers;
-- … also one with a function of the application's own
CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM tokenauth.drop_principal('user:' || OLD.id);
    ELSE
        PERFORM tokenauth.put_principal('user:' || NEW.id, active => NEW.is_active);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION follow();
SELECT * FROM findings;
CREATE OR REPLACE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM tokenauth.drop_principal(principal) FROM (SELECT 'user:' || id AS principal FROM users) u;
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND OLD.id <> NEW.id THEN
        PERFORM tokenauth.drop_principal('user:' || OLD.id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM tokenauth.put_principal('user:' || NEW.id, active => NEW.is_active);
    END IF;
    RETURN NULL;
END $$;
SELECT finding FROM findings;
CREATE TRIGGER follow_truncate BEFORE TRUNCATE ON users FOR EACH STATEMENT EXECUTE FUNCTION follow();
SELECT finding FROM findings;
