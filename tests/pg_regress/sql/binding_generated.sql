-- Expressions of a binding read generated columns, also the VIRTUAL ones of PostgreSQL 18: of these a trigger's rows hold
-- no value. Before 18 the same is tried with stored ones.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SELECT CASE WHEN current_setting('server_version_num')::integer >= 180000 THEN 'VIRTUAL' ELSE 'STORED' END AS generated \gset
CREATE VIEW drift AS
SELECT object, finding FROM tokenauth.doctor() WHERE finding ~ 'rows that|without a row|compared';
CREATE VIEW principals AS
SELECT principal, active, display_name, dropped_at IS NOT NULL AS gone FROM tokenauth.principal;

CREATE TABLE users (
    first     text,
    dropped   integer,
    last      text COLLATE "C",
    id        integer PRIMARY KEY,
    status    text,
    is_active boolean GENERATED ALWAYS AS (status = 'ok') :generated,
    key       bigint GENERATED ALWAYS AS (id) :generated,
    "The Name" varchar(60) GENERATED ALWAYS AS (first || CASE WHEN tableoid > 0 THEN ' ' END || last) :generated
);
ALTER TABLE users DROP COLUMN dropped;
INSERT INTO users VALUES ('Alice', 'A', 1, 'ok');
SELECT tokenauth.bind_principals('users', 'user', 'key', active => 'is_active', display_name => '"The Name"');
INSERT INTO users VALUES ('Bob', 'B', 2, 'ok'), ('Carol', 'C', 3, 'new');
UPDATE users SET status = 'late' WHERE id = 1;
UPDATE users SET id = 20 WHERE id = 2;
DELETE FROM users WHERE id = 3;
SELECT * FROM principals ORDER BY principal;
SELECT * FROM drift;

-- another expression holds from the next statement on
DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 180000 THEN
        EXECUTE $alter$ALTER TABLE users ALTER COLUMN is_active SET EXPRESSION AS (status <> 'bad')$alter$;
    ELSE
        ALTER TABLE users DROP COLUMN is_active;
        ALTER TABLE users ADD COLUMN is_active boolean GENERATED ALWAYS AS (status <> 'bad') STORED;
    END IF;
END $$;
INSERT INTO users VALUES ('Dave', 'D', 4, 'late'), ('Eve', 'E', 5, 'bad');
SELECT tokenauth.sync_principals('users');
SELECT * FROM principals WHERE NOT gone ORDER BY principal;

-- where another trigger writes the row once more, and in replication
CREATE FUNCTION ban() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users SET status = 'bad' WHERE id = NEW.id AND status <> 'bad';
    RETURN NULL;
END $$;
CREATE TRIGGER ban AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION ban();
UPDATE users SET last = lower(last) WHERE id = 1;
DROP TRIGGER ban ON users;
SET session_replication_role = replica;
UPDATE users SET status = 'ok' WHERE id = 5;
INSERT INTO users VALUES ('Frank', 'F', 6, 'bad');
DELETE FROM users WHERE id = 4;
RESET session_replication_role;
SELECT * FROM principals ORDER BY principal;
SELECT * FROM drift;
SELECT tokenauth.unbind_principals('users');

-- in triggers written by hand
CREATE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('user', 'key', 'is_active', '', '', '"The Name"');
UPDATE users SET status = 'bad', last = 'z' WHERE id <> 6;
SELECT * FROM principals WHERE NOT gone ORDER BY principal;

-- in partitions, whose columns may be in another order
CREATE TABLE parted (id integer PRIMARY KEY, status text, is_active boolean GENERATED ALWAYS AS (status = 'ok') :generated)
    PARTITION BY HASH (id);
CREATE TABLE parted_0 (is_active boolean GENERATED ALWAYS AS (status = 'ok') :generated, status text, id integer NOT NULL);
ALTER TABLE parted ATTACH PARTITION parted_0 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT tokenauth.bind_principals('parted', 'part', 'id', active => 'is_active');
INSERT INTO parted VALUES (1, 'ok'), (2, 'bad'), (3, 'ok');
UPDATE parted SET status = 'bad' WHERE id = 1;
SELECT principal, active FROM principals WHERE principal LIKE 'part:%' ORDER BY principal;
SELECT * FROM drift;
