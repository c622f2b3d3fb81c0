-- Nothing is granted to PUBLIC and no role is created: the owner of the extension grants accesses, and each is exactly its list.
-- A trusted call is judged by the effective user: inside a definer function, by its owner.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_none, regress_tokenauth_identity, regress_tokenauth_verify, regress_tokenauth_self, regress_tokenauth_manage, regress_tokenauth_observe,
    regress_tokenauth_admin, regress_tokenauth_member, regress_tokenauth_noinherit, "regress tokenauth ""odd"";--";
RESET client_min_messages;
CREATE ROLE regress_tokenauth_none;
CREATE ROLE regress_tokenauth_identity;
CREATE ROLE regress_tokenauth_verify;
CREATE ROLE regress_tokenauth_self;
CREATE ROLE regress_tokenauth_manage;
CREATE ROLE regress_tokenauth_observe;
CREATE ROLE regress_tokenauth_admin;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset

-- before anything is granted, nobody may do anything
SET ROLE regress_tokenauth_none;
SELECT verdict FROM tokenauth.verify('x');
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.tokens;
\echo :SQLSTATE
RESET ROLE;

-- each access to a role of its own
SELECT tokenauth.grant_access(('regress_tokenauth_' || access)::regrole, access)
  FROM unnest('{identity,verify,self,manage,observe,admin}'::text[]) AS access;

-- what the contract says of functions, and what the catalog says
CREATE TEMPORARY TABLE promised (access text, functions text[]);
INSERT INTO promised VALUES
    ('identity', '{current_owner,current_owner_type,current_owner_id,current_token_id,current_derived,current_kind,current_scopes,has_scope,data_scope,in_data_scope,sign_out}'),
    ('verify', '{authenticate,authenticate_digest,authenticate_request,pre_request,sign_in,sign_in_digest,sign_in_request,verify,verify_digest,verify_request,error_response,revoke_presented,introspect,derive,contains_token,covers,mask}'),
    ('self', '{issue,edit,revoke,disable,enable,delete,list,describe,grantable,rotate,rotation_status,reveal}'),
    ('manage', '{revoke_all,put_principal,deactivate,activate,drop_principal,add_member,remove_member,import,bind_principals,bind_members,unbind_principals,sync_principals,sync_principal,report_leak}'),
    ('observe', '{list,describe,explain,doctor,report,expiring,idle,export_revocations,scan_column,recent_usage,server_metrics,count_findings,count_expiring,stats,unusual_activity,usage_export,noncompliant,scan_pattern}'),
    ('admin', '{reseal,purge,import_revocations,usage_import,enforce,erase}');
CREATE TEMPORARY TABLE includes (access text, included text[]);
INSERT INTO includes VALUES ('identity', '{identity}'), ('verify', '{identity,verify}'), ('self', '{identity,verify,self}'), ('manage', '{identity,verify,self,manage}'),
    ('observe', '{identity,verify,observe}'), ('admin', '{identity,verify,self,manage,observe,admin}'), ('none', '{}');
-- … the whole matrix
SELECT p.proname AS function, string_agg(i.access, ' ' ORDER BY array_position('{none,identity,verify,self,manage,observe,admin}', i.access)) AS granted_to
  FROM pg_proc p LEFT JOIN includes i ON has_function_privilege('regress_tokenauth_' || i.access, p.oid, 'EXECUTE')
 WHERE p.pronamespace = 'tokenauth'::regnamespace
 GROUP BY p.proname ORDER BY p.proname;
-- … where it differs from the contract, either way: nowhere
SELECT i.access, p.proname, m.promised
  FROM pg_proc p CROSS JOIN includes i
 CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM promised WHERE promised.access = ANY (i.included) AND p.proname = ANY (functions)) AS promised) m
 WHERE p.pronamespace = 'tokenauth'::regnamespace
   AND has_function_privilege('regress_tokenauth_' || i.access, p.oid, 'EXECUTE') <> m.promised;

-- tables and views: the views and kind for observe and admin, no other table for anybody
SELECT c.relname, i.access, string_agg(privilege, ' ' ORDER BY privilege) AS privileges
  FROM pg_class c CROSS JOIN includes i CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS privilege
 WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind IN ('r', 'v')
   AND has_table_privilege('regress_tokenauth_' || i.access, c.oid, privilege)
 GROUP BY c.relname, i.access ORDER BY c.relname, i.access;
-- … of kind every column but the one that tells a kind just made from one of a dump, which leaves no event
SELECT a.attname, i.access, has_column_privilege('regress_tokenauth_' || i.access, a.attrelid, a.attnum, 'INSERT') AS insert,
       has_column_privilege('regress_tokenauth_' || i.access, a.attrelid, a.attnum, 'UPDATE') AS update
  FROM pg_attribute a CROSS JOIN includes i
 WHERE a.attrelid = 'tokenauth.kind'::regclass AND a.attnum > 0
   AND has_column_privilege('regress_tokenauth_' || i.access, a.attrelid, a.attnum, 'INSERT') <> (i.access = 'admin');
-- … nothing with grant option, nothing to PUBLIC, and schema usage for no more than use
SELECT object, grantee, privilege_type, is_grantable
  FROM (SELECT c.relname::text AS object, (aclexplode(c.relacl)).* FROM pg_class c WHERE c.relnamespace = 'tokenauth'::regnamespace
        UNION ALL SELECT p.proname, (aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))).* FROM pg_proc p WHERE p.pronamespace = 'tokenauth'::regnamespace
        UNION ALL SELECT y.typname, (aclexplode(coalesce(y.typacl, acldefault('T', y.typowner)))).* FROM pg_type y WHERE y.typnamespace = 'tokenauth'::regnamespace AND y.typelem = 0
        UNION ALL SELECT 'schema', (aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner)))).* FROM pg_namespace n WHERE n.nspname = 'tokenauth') acl
 WHERE grantee = 0 OR (is_grantable AND grantee <> grantor)
 ORDER BY object;
SELECT i.access, has_schema_privilege('regress_tokenauth_' || i.access, 'tokenauth', 'USAGE') AS usage,
       has_schema_privilege('regress_tokenauth_' || i.access, 'tokenauth', 'CREATE') AS create
  FROM includes i ORDER BY array_position('{none,identity,verify,self,manage,observe,admin}', i.access);

-- a role with verify
SET ROLE regress_tokenauth_verify;
SELECT verdict FROM tokenauth.verify(:'token');
SELECT verdict FROM tokenauth.verify_request(jsonb_build_object('x-api-key', :'token'));
SELECT tokenauth.error_response(v) -> 'status' AS status FROM tokenauth.verify('x') v;
SELECT tokenauth.contains_token(:'token');
SELECT tokenauth.issue('api', 'user:alice');
\echo :SQLSTATE
SELECT tokenauth.revoke(:'id');
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.token;
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.kind;
\echo :SQLSTATE
RESET ROLE;
-- … may end a token by presenting it
SELECT token AS ended FROM tokenauth.issue('api', 'user:alice') \gset
SET ROLE regress_tokenauth_verify;
SELECT tokenauth.revoke_presented(:'ended');
SELECT verdict FROM tokenauth.verify(:'ended');
RESET ROLE;

-- a role with self runs SQL for end users, under an identity, and cannot make the application's trusted calls
SET ROLE regress_tokenauth_self;
SELECT verdict FROM tokenauth.verify(:'token');
SELECT tokenauth.issue('api', 'user:alice');
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', name => 'x');
\echo :SQLSTATE
SELECT tokenauth.revoke(:'id');
\echo :SQLSTATE
SELECT tokenauth.disable(:'id');
\echo :SQLSTATE
SELECT tokenauth.enable(:'id');
\echo :SQLSTATE
SELECT tokenauth.delete(:'id');
\echo :SQLSTATE
SELECT tokenauth.list();
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:mallory', '{*}');
\echo :SQLSTATE
SELECT tokenauth.revoke_all('user:alice');
\echo :SQLSTATE
RESET ROLE;

-- a role with manage
SET ROLE regress_tokenauth_manage;
SELECT tokenauth.put_principal('user:bob', '{devices:read}');
SELECT count(*) FROM tokenauth.issue('api', 'user:bob');
SELECT owner, status FROM tokenauth.list(owner => 'user:bob');
SELECT tokenauth.revoke_all('user:bob');
SELECT tokenauth.deactivate('user:bob');
SELECT count(*) FROM tokenauth.tokens;
\echo :SQLSTATE
INSERT INTO tokenauth.kind (name, prefix) VALUES ('mine', 'mine_');
\echo :SQLSTATE
SELECT tokenauth.grant_access('regress_tokenauth_none', 'verify');
\echo :SQLSTATE
RESET ROLE;

-- a role with observe
SET ROLE regress_tokenauth_observe;
SELECT count(*) > 0 AS tokens FROM tokenauth.tokens;
SELECT count(*) > 0 AS events FROM tokenauth.events;
SELECT name FROM tokenauth.kind;
SELECT count(*) FROM tokenauth.token;
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.event;
\echo :SQLSTATE
SELECT count(*) > 0 AS listed FROM tokenauth.list();
SELECT tokenauth.revoke(:'id');
\echo :SQLSTATE
UPDATE tokenauth.kind SET description = 'mine';
\echo :SQLSTATE
RESET ROLE;

-- a role with admin writes kinds, and still reads no table of tokens
SET ROLE regress_tokenauth_admin;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('admin''s', 'admins_');
UPDATE tokenauth.kind SET description = 'x' WHERE name = 'admin''s';
DELETE FROM tokenauth.kind WHERE name = 'admin''s';
SELECT event FROM tokenauth.events WHERE kind = 'admin''s' ORDER BY id;
INSERT INTO tokenauth.kind (name, prefix, created_at) VALUES ('unseen', 'unseen_', '2020-01-01');
\echo :SQLSTATE
UPDATE tokenauth.kind SET created_at = '2020-01-01';
\echo :SQLSTATE
UPDATE tokenauth.kind SET prefix = 'mine_' WHERE name = 'api';
\echo :SQLSTATE
SELECT digest FROM tokenauth.token;
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.principal;
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.key;
\echo :SQLSTATE
TRUNCATE tokenauth.kind CASCADE;
\echo :SQLSTATE
ALTER TABLE tokenauth.kind DISABLE TRIGGER guard;
\echo :SQLSTATE
CREATE FUNCTION tokenauth.verify(varchar) RETURNS text LANGUAGE sql AS 'SELECT ''valid''';
\echo :SQLSTATE
SET tokenauth.usage_tracking = off;
\echo :SQLSTATE
RESET ROLE;

-- a function of the application that runs as a role with manage makes the trusted calls of that role, for any caller
CREATE SCHEMA app;
GRANT USAGE, CREATE ON SCHEMA app TO regress_tokenauth_manage;
GRANT USAGE ON SCHEMA app TO PUBLIC;
SET ROLE regress_tokenauth_manage;
CREATE FUNCTION app.issue() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
    AS 'SELECT count(*) FROM tokenauth.issue(''api'', ''user:alice'')';
SELECT app.issue();
SET ROLE regress_tokenauth_self;
SELECT app.issue();
\echo :SQLSTATE
RESET ROLE;

-- access comes by membership too, where the member inherits
CREATE ROLE regress_tokenauth_member IN ROLE regress_tokenauth_manage;
CREATE ROLE regress_tokenauth_noinherit NOINHERIT IN ROLE regress_tokenauth_manage;
SET ROLE regress_tokenauth_member;
SELECT count(*) FROM tokenauth.issue('api', 'user:alice');
SET ROLE regress_tokenauth_noinherit;
SELECT count(*) FROM tokenauth.issue('api', 'user:alice');
\echo :SQLSTATE
RESET ROLE;

-- revoke_access takes what an access adds to those it includes
SELECT tokenauth.revoke_access('regress_tokenauth_manage', 'manage');
SELECT tokenauth.revoke_access('regress_tokenauth_admin', 'admin');
SELECT tokenauth.revoke_access('regress_tokenauth_observe', 'observe');
SELECT tokenauth.revoke_access('regress_tokenauth_verify', 'verify');
SELECT r.role, has_function_privilege(r.role, 'tokenauth.verify(text, text[], text)', 'EXECUTE') AS verify,
       has_function_privilege(r.role, 'tokenauth.revoke(uuid, text, text)', 'EXECUTE') AS revoke,
       has_function_privilege(r.role, 'tokenauth.drop_principal(text)', 'EXECUTE') AS drop_principal,
       has_table_privilege(r.role, 'tokenauth.tokens', 'SELECT') AS tokens,
       has_table_privilege(r.role, 'tokenauth.kind', 'UPDATE') AS kind
  FROM (VALUES ('regress_tokenauth_manage'), ('regress_tokenauth_admin'), ('regress_tokenauth_observe'), ('regress_tokenauth_verify')) AS r (role);
-- … taken once more, or from a role that never had it, it changes nothing
SELECT tokenauth.revoke_access('regress_tokenauth_none', 'admin');

-- a role with any name
CREATE ROLE "regress tokenauth ""odd"";--";
SELECT tokenauth.grant_access('"regress tokenauth ""odd"";--"', 'verify');
SET ROLE "regress tokenauth ""odd"";--";
SELECT verdict FROM tokenauth.verify('x');
RESET ROLE;
SELECT tokenauth.revoke_access('"regress tokenauth ""odd"";--"', 'verify');

-- accesses and roles that do not exist
SELECT tokenauth.grant_access('regress_tokenauth_none', 'root');
\echo :SQLSTATE
SELECT tokenauth.grant_access('regress_tokenauth_none', 'Verify');
\echo :SQLSTATE
SELECT tokenauth.grant_access('regress_tokenauth_none', NULL);
\echo :SQLSTATE
SELECT tokenauth.grant_access(NULL, 'verify');
\echo :SQLSTATE
SELECT tokenauth.revoke_access(NULL, 'verify');
\echo :SQLSTATE
SELECT tokenauth.grant_access('regress_tokenauth_nobody', 'verify');
\echo :SQLSTATE
SELECT tokenauth.grant_access('-', 'verify');
\echo :SQLSTATE
SELECT tokenauth.grant_access(0::oid::regrole, 'verify');
\echo :SQLSTATE
SELECT tokenauth.grant_access(4294967295::oid::regrole, 'verify');
\echo :SQLSTATE

DROP FUNCTION app.issue();
DROP SCHEMA app;
DROP OWNED BY regress_tokenauth_none, regress_tokenauth_identity, regress_tokenauth_verify, regress_tokenauth_self, regress_tokenauth_manage, regress_tokenauth_observe,
    regress_tokenauth_admin, regress_tokenauth_member, regress_tokenauth_noinherit, "regress tokenauth ""odd"";--";
DROP ROLE regress_tokenauth_none, regress_tokenauth_identity, regress_tokenauth_verify, regress_tokenauth_self, regress_tokenauth_manage, regress_tokenauth_observe,
    regress_tokenauth_admin, regress_tokenauth_member, regress_tokenauth_noinherit, "regress tokenauth ""odd"";--";
