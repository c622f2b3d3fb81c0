-- Where Citus is installed, what would be silently wrong beside it is refused. A stand-in has its catalogs: a table's entry in them
-- is what makes it one of Citus. tests/cluster has the rest.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT verdict FROM tokenauth.verify(:'token'), generate_series(1, 3);
CREATE TABLE users (id int PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
INSERT INTO users VALUES (1);
SELECT tokenauth.bind_principals('users', 'customer', 'id::text', active => 'is_active');
UPDATE users SET is_active = true;

-- without it, a name proves nothing
SET application_name = 'citus_internal gpid=10000000001';
SELECT verdict FROM tokenauth.verify(:'token');

-- with it, in a session that another node has opened nobody is authenticated, and there is nobody to ask
CREATE TABLE pg_dist_partition (logicalrelid regclass NOT NULL, partmethod "char" NOT NULL);
CREATE TABLE pg_dist_shard (logicalrelid regclass NOT NULL, shardid bigint NOT NULL);
ALTER TABLE public.pg_dist_partition SET SCHEMA pg_catalog;
ALTER TABLE public.pg_dist_shard SET SCHEMA pg_catalog;
-- (creating the extension creates functions, of which sessions hear)
CREATE FUNCTION citus_version() RETURNS text LANGUAGE sql AS $$ SELECT 'stand-in' $$;
SELECT verdict FROM tokenauth.verify(:'token');
\echo :SQLSTATE
SELECT tokenauth.authenticate(:'token');
\echo :SQLSTATE
SELECT tokenauth.current_owner();
\echo :SQLSTATE
SELECT tokenauth.has_scope('devices:read');
\echo :SQLSTATE
SELECT tokenauth.data_scope('site');
\echo :SQLSTATE
SELECT tokenauth.revoke(:'id');
\echo :SQLSTATE
-- … while what tells nothing of tokens or the identity goes on
SELECT tokenauth.mask('nothing'), tokenauth.covers('{devices:*}', 'devices:read');
RESET application_name;
BEGIN;
SELECT tokenauth.authenticate(:'token');
SELECT tokenauth.current_owner();
ROLLBACK;

-- a grant is one of this node
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_node;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_node;
SELECT tokenauth.grant_access('regress_tokenauth_node', 'verify');
DROP OWNED BY regress_tokenauth_node;
DROP ROLE regress_tokenauth_node;

-- tables of Citus cannot be bound, nor can their shards
CREATE TABLE customers (id int PRIMARY KEY);
CREATE TABLE customers_102008 (id int PRIMARY KEY);
CREATE TABLE customers_102009 (id int PRIMARY KEY);
INSERT INTO pg_dist_partition VALUES ('customers', 'h');
INSERT INTO pg_dist_shard VALUES ('customers', 102008);
SELECT tokenauth.bind_principals('customers', 'shopper', 'id::text');
\echo :SQLSTATE
SELECT tokenauth.bind_members('customers', '''org:1''', '''user:'' || id');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('customers_102008', 'shopper', 'id::text');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('customers_102009', 'shopper', 'id::text');

-- a bound table that is distributed later (of which Citus tells sessions as of any change of a table)
INSERT INTO pg_dist_partition VALUES ('users', 'h');
ALTER TABLE users SET (fillfactor = 90);
UPDATE users SET is_active = false;
\echo :SQLSTATE
TRUNCATE users;
\echo :SQLSTATE
SELECT active FROM tokenauth.principal WHERE principal = 'customer:1';
SELECT area, object, finding, hint FROM tokenauth.doctor(compare => false) WHERE area NOT IN ('usage', 'schema');

-- tables of the extension are not to be distributed: every call is refused, and doctor() names them
INSERT INTO pg_dist_partition VALUES ('tokenauth.token', 'n');
ALTER TABLE tokenauth.token SET (fillfactor = 95);
SELECT verdict FROM tokenauth.verify(:'token');
\echo :SQLSTATE
SELECT tokenauth.revoke(:'id');
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.list();
\echo :SQLSTATE
SELECT * FROM tokenauth.doctor();
DELETE FROM pg_dist_partition;
ALTER TABLE tokenauth.token SET (fillfactor = 95);
SELECT verdict FROM tokenauth.verify(:'token');
DROP TABLE pg_catalog.pg_dist_partition, pg_catalog.pg_dist_shard;
