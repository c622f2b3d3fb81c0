-- A bound table that becomes a partition, inherits or is inherited from, and a partition that is one no more, is never left
-- behind in silence: doctor() says what is not seen any more, sync_principals refuses, unbind_principals works.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('key', 'key_', '{user,eu}');
CREATE VIEW findings AS SELECT object, finding, hint FROM tokenauth.doctor() WHERE area = 'binding';
CREATE VIEW our_triggers AS
SELECT tgrelid::regclass AS "table", tgname AS name, tgenabled AS enabled
  FROM pg_trigger WHERE tgfoid = 'tokenauth.sync_principal'::regproc;

-- ATTACH of a bound table, the usual way to partition one: what is written through the partitioned table passes by
CREATE TABLE users (id integer PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
INSERT INTO users VALUES (1), (2);
SELECT tokenauth.bind_principals('users', 'user', 'id', 'is_active');
SELECT token AS one FROM tokenauth.issue('key', 'user:1') \gset
SELECT token AS two FROM tokenauth.issue('key', 'user:2') \gset
CREATE TABLE everybody (id integer PRIMARY KEY, is_active boolean NOT NULL DEFAULT true) PARTITION BY RANGE (id);
ALTER TABLE everybody ATTACH PARTITION users FOR VALUES FROM (1) TO (100);
UPDATE everybody SET is_active = false WHERE id = 1;
DELETE FROM everybody WHERE id = 2;
SELECT verdict FROM tokenauth.verify(:'one');
SELECT * FROM findings;
SELECT tokenauth.sync_principals('users');
\echo :SQLSTATE
-- … and the partitioned table is not bound beside it
SELECT tokenauth.bind_principals('everybody', 'user', 'id', 'is_active');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:1', active => true);
\echo :SQLSTATE
-- … detached, it is what it was
BEGIN;
ALTER TABLE everybody DETACH PARTITION users;
SELECT * FROM findings;
SELECT tokenauth.sync_principals('users');
SELECT verdict FROM tokenauth.verify(:'one');
SELECT verdict FROM tokenauth.verify(:'two');
SELECT * FROM findings;
ROLLBACK;
-- … otherwise it is unbound, and the partitioned table bound in its place: that deactivates, and names who is gone
SELECT tokenauth.unbind_principals('users');
SELECT * FROM our_triggers ORDER BY 1, 2;
SELECT tokenauth.bind_principals('everybody', 'user', 'id', 'is_active');
SELECT verdict FROM tokenauth.verify(:'one');
SELECT object, finding FROM findings;
SELECT tokenauth.sync_principals('everybody');
SELECT verdict FROM tokenauth.verify(:'two');
SELECT * FROM findings;
SELECT * FROM our_triggers ORDER BY 1, 2;
-- … and each partition is compared
BEGIN;
ALTER TABLE users DISABLE TRIGGER tokenauth_principals_row;
ALTER TRIGGER tokenauth_principals_row ON everybody RENAME TO follows;
DROP TRIGGER tokenauth_principals_truncate ON users;
SELECT * FROM findings;
SELECT tokenauth.sync_principals('everybody');
SELECT * FROM our_triggers ORDER BY 1, 2;
DROP TRIGGER follows ON everybody;
SELECT * FROM findings;
SELECT tokenauth.sync_principals('everybody');
SELECT * FROM our_triggers ORDER BY 1, 2;
SELECT * FROM findings;
ROLLBACK;
-- … a partition of it is not bound by itself, and not unbound
SELECT tokenauth.unbind_principals('users');
\echo :SQLSTATE

-- DETACH leaves the TRUNCATE trigger of the partition: it does nothing but raise, since its rows make nobody a principal
INSERT INTO everybody VALUES (3), (4);
SELECT token AS three FROM tokenauth.issue('key', 'user:3') \gset
CREATE TABLE younger PARTITION OF everybody FOR VALUES FROM (100) TO (200);
INSERT INTO everybody VALUES (103);
SELECT tokenauth.sync_principals('everybody');
ALTER TABLE everybody DETACH PARTITION users;
ALTER TABLE users RENAME TO archive;
INSERT INTO younger VALUES (104);
CREATE TABLE elder PARTITION OF everybody FOR VALUES FROM (1) TO (100);
INSERT INTO everybody SELECT * FROM archive;
SELECT * FROM findings;
SELECT tokenauth.sync_principals('everybody');
SELECT * FROM findings;
TRUNCATE archive;
\echo :SQLSTATE
SELECT verdict FROM tokenauth.verify(:'three');
SELECT tokenauth.sync_principals('archive');
\echo :SQLSTATE
-- … also renamed and as part of another table, until that is bound itself
BEGIN;
ALTER TRIGGER tokenauth_principals_truncate ON archive RENAME TO mine;
CREATE TABLE archives (LIKE archive) PARTITION BY RANGE (id);
ALTER TABLE archives ATTACH PARTITION archive FOR VALUES FROM (1) TO (100);
SELECT * FROM findings;
SAVEPOINT attached;
TRUNCATE archives;
\echo :SQLSTATE
ROLLBACK TO attached;
SELECT tokenauth.bind_principals('archives', 'archived', 'id');
SELECT * FROM findings;
TRUNCATE archives;
ROLLBACK;
-- … until it is removed
SELECT tokenauth.unbind_principals('archive');
SELECT * FROM findings;
TRUNCATE archive;
SELECT verdict FROM tokenauth.verify(:'three');
SELECT type, source FROM tokenauth.binding;
-- … or the table is bound itself
BEGIN;
ALTER TABLE everybody DETACH PARTITION elder;
SELECT tokenauth.bind_principals('elder', 'elder', 'id');
SELECT * FROM our_triggers WHERE "table" = 'elder'::regclass ORDER BY name;
ROLLBACK;
-- … concurrently, it is the same
ALTER TABLE everybody DETACH PARTITION elder CONCURRENTLY;
SELECT * FROM findings;
TRUNCATE elder;
\echo :SQLSTATE
SELECT tokenauth.unbind_principals('elder');
SELECT tokenauth.unbind_principals('everybody');
SELECT * FROM our_triggers ORDER BY 1, 2;

-- partitions of partitions
CREATE TABLE world (id integer, region text) PARTITION BY LIST (region);
CREATE TABLE europe PARTITION OF world FOR VALUES IN ('fr', 'de') PARTITION BY LIST (region);
CREATE TABLE france PARTITION OF europe FOR VALUES IN ('fr');
SELECT tokenauth.bind_principals('world', 'eu', 'id');
INSERT INTO world VALUES (1, 'fr');
SELECT * FROM our_triggers ORDER BY 1, 2;
SELECT token AS eu FROM tokenauth.issue('key', 'eu:1') \gset
SELECT tokenauth.unbind_principals('europe');
\echo :SQLSTATE
ALTER TABLE world DETACH PARTITION europe;
SELECT * FROM findings;
TRUNCATE europe;
\echo :SQLSTATE
TRUNCATE france;
\echo :SQLSTATE
SELECT tokenauth.unbind_principals('europe');
SELECT * FROM our_triggers ORDER BY 1, 2;
SELECT verdict FROM tokenauth.verify(:'eu');
SELECT tokenauth.sync_principals('world');
SELECT verdict FROM tokenauth.verify(:'eu');
SELECT tokenauth.unbind_principals('world');

-- a bound partitioned table that becomes a partition
CREATE TABLE universe (id integer, region text) PARTITION BY LIST (region);
CREATE TABLE mars PARTITION OF world FOR VALUES IN ('ma');
SELECT tokenauth.bind_principals('world', 'eu', 'id');
ALTER TABLE universe ATTACH PARTITION world FOR VALUES IN ('ma', 'ul', 'rm');
SELECT * FROM findings;
SELECT tokenauth.sync_principals('world');
\echo :SQLSTATE
SELECT tokenauth.unbind_principals('world');
SELECT * FROM our_triggers ORDER BY 1, 2;
ALTER TABLE universe DETACH PARTITION world;

-- partitions that change without triggers keep a table from being bound, and are found when they come later
CREATE UNLOGGED TABLE unlogged PARTITION OF world FOR VALUES IN ('ul');
SELECT tokenauth.bind_principals('world', 'eu', 'id');
\echo :SQLSTATE
ALTER TABLE unlogged SET LOGGED;
SELECT tokenauth.bind_principals('world', 'eu', 'region || '':'' || id');
ALTER TABLE unlogged SET UNLOGGED;
SELECT * FROM findings;
SELECT tokenauth.sync_principals('world');
\echo :SQLSTATE
DROP TABLE unlogged;
CREATE FOREIGN DATA WRAPPER elsewhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere;
CREATE FOREIGN TABLE remote PARTITION OF world FOR VALUES IN ('rm') SERVER elsewhere;
SELECT * FROM findings;
SELECT tokenauth.unbind_principals('world');
SELECT tokenauth.bind_principals('world', 'eu', 'id');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('remote', 'eu', 'id');
\echo :SQLSTATE
DROP TABLE world;

-- inheritance: a table made later under a bound one, and a bound one put under another
CREATE TABLE people (id integer PRIMARY KEY);
INSERT INTO people VALUES (1);
SELECT tokenauth.bind_principals('people', 'user', 'id');
SELECT tokenauth.sync_principals('people');
CREATE TABLE staff () INHERITS (people);
INSERT INTO staff VALUES (2);
SELECT * FROM findings;
SELECT tokenauth.sync_principals('people');
\echo :SQLSTATE
BEGIN;
SELECT tokenauth.unbind_principals('people');
SELECT * FROM findings;
ROLLBACK;
ALTER TABLE staff NO INHERIT people;
SELECT tokenauth.sync_principals('people');
SELECT * FROM findings;
CREATE TABLE beings (id integer NOT NULL);
ALTER TABLE people INHERIT beings;
DELETE FROM beings WHERE id = 1;
SELECT * FROM findings;
SELECT tokenauth.sync_principals('people');
\echo :SQLSTATE
ALTER TABLE people NO INHERIT beings;
SELECT * FROM findings;
SELECT tokenauth.sync_principals('people');
SELECT * FROM findings;

-- a crash empties an unlogged table, and no trigger tells of it
CREATE UNLOGGED TABLE forgetful (id integer PRIMARY KEY);
SELECT tokenauth.bind_principals('forgetful', 'forgetful', 'id');
\echo :SQLSTATE
ALTER TABLE people SET UNLOGGED;
SELECT * FROM findings;
SELECT tokenauth.sync_principals('people');
\echo :SQLSTATE
ALTER TABLE people SET LOGGED;
SELECT * FROM findings;
ALTER TABLE people SET UNLOGGED;
SELECT tokenauth.unbind_principals('people');
SELECT * FROM findings;
