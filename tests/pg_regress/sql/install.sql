-- CREATE EXTENSION tokenauth makes a schema of its own, grants nothing to anybody, and can be undone and repeated.
-- Whatever somebody prepared for it beforehand (a squatted schema, default privileges, names in public) has no effect.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_visitor;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_visitor;

-- an ordinary role cannot install it
SET ROLE regress_tokenauth_visitor;
CREATE EXTENSION tokenauth;
\echo :SQLSTATE
RESET ROLE;

-- a schema that was there before belongs to somebody else: the installation fails
CREATE SCHEMA tokenauth;
CREATE EXTENSION tokenauth;
\echo :SQLSTATE
DROP SCHEMA tokenauth;

-- an installation that is rolled back leaves nothing behind
BEGIN;
CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT verdict FROM tokenauth.verify('nothing');
ROLLBACK;
SELECT count(*) FROM pg_namespace WHERE nspname = 'tokenauth';

-- default privileges of the installing role are stripped, and names in public capture nothing
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, regress_tokenauth_visitor;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC, regress_tokenauth_visitor;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO PUBLIC, regress_tokenauth_visitor;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC, regress_tokenauth_visitor;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC, regress_tokenauth_visitor;
CREATE TABLE public.kind (captured text);
CREATE TABLE public.token (captured text);
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''epoch''::timestamptz';
CREATE FUNCTION public.octet_length(text) RETURNS integer LANGUAGE sql AS 'SELECT 0';
SET search_path = public, pg_catalog;
CREATE EXTENSION tokenauth;
RESET search_path;

-- everything is in schema tokenauth, and belongs to the extension
SELECT e.extname, n.nspname AS schema, e.extrelocatable
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'tokenauth';

SELECT relkind, relname
  FROM pg_class
 WHERE relnamespace = 'tokenauth'::regnamespace AND relkind NOT IN ('i')
 ORDER BY relkind, relname COLLATE "C";

SELECT DISTINCT proname
  FROM pg_proc
 WHERE pronamespace = 'tokenauth'::regnamespace
 ORDER BY proname;

-- a function has one signature: no overload can be called by mistake
SELECT proname, count(*)
  FROM pg_proc
 WHERE pronamespace = 'tokenauth'::regnamespace
 GROUP BY proname
HAVING count(*) > 1;

-- members of the extension outside its schema: the schema itself
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS member
  FROM pg_depend d
  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
 WHERE e.extname = 'tokenauth'
   AND pg_describe_object(d.classid, d.objid, d.objsubid) !~ '\mtokenauth\.'
 ORDER BY 1;

-- objects of the schema that are no members of the extension
SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) AS stranger
  FROM pg_class c
 WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind IN ('r', 'v', 'S', 'm', 'f', 'p')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT pg_describe_object('pg_proc'::regclass, p.oid, 0)
  FROM pg_proc p
 WHERE p.pronamespace = 'tokenauth'::regnamespace
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e');

-- every table is dumped whole
SELECT c.relname, x.condition
  FROM pg_extension e
 CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) AS x (oid, condition)
  JOIN pg_class c ON c.oid = x.oid
 WHERE e.extname = 'tokenauth'
 ORDER BY c.relname;
SELECT c.relname AS not_dumped
  FROM pg_class c, pg_extension e
 WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind IN ('r', 'S') AND e.extname = 'tokenauth'
   AND c.oid <> ALL (e.extconfig);

-- it comes without rows, and no table refers to itself, so that a restore can load it in any order
SELECT (SELECT count(*) FROM tokenauth.kind) AS kinds,
       (SELECT count(*) FROM tokenauth.principal) AS principals,
       (SELECT count(*) FROM tokenauth.token) AS tokens,
       (SELECT count(*) FROM tokenauth.event) AS events;
SELECT conname FROM pg_constraint
 WHERE connamespace = 'tokenauth'::regnamespace AND contype = 'f' AND conrelid = confrelid;

-- every constraint has a name of its own making, since names reach users in errors
SELECT conrelid::regclass AS "table", conname
  FROM pg_constraint
 WHERE connamespace = 'tokenauth'::regnamespace AND contype IN ('p', 'u', 'f', 'c')
 ORDER BY conrelid::regclass::text COLLATE "C", conname COLLATE "C";

-- every object explains itself: none is without a comment
WITH object (classid, objid, objsubid) AS (
         SELECT 'pg_namespace'::regclass, oid, 0 FROM pg_namespace WHERE nspname = 'tokenauth'
     UNION ALL
         SELECT 'pg_extension'::regclass, oid, 0 FROM pg_extension WHERE extname = 'tokenauth'
     UNION ALL
         SELECT 'pg_proc'::regclass, oid, 0 FROM pg_proc WHERE pronamespace = 'tokenauth'::regnamespace
     UNION ALL
         SELECT 'pg_class'::regclass, oid, 0
           FROM pg_class WHERE relnamespace = 'tokenauth'::regnamespace AND relkind IN ('r', 'v')
     UNION ALL
         SELECT 'pg_class'::regclass, c.oid, a.attnum
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
          WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind IN ('r', 'v', 'c')
            AND a.attnum > 0 AND NOT a.attisdropped
     UNION ALL
         SELECT 'pg_type'::regclass, y.oid, 0
           FROM pg_type y JOIN pg_class c ON c.oid = y.typrelid
          WHERE y.typnamespace = 'tokenauth'::regnamespace AND c.relkind = 'c'
     UNION ALL
         SELECT 'pg_type'::regclass, oid, 0
           FROM pg_type WHERE typnamespace = 'tokenauth'::regnamespace AND typtype IN ('e', 'd', 'b') AND typelem = 0
     UNION ALL
         SELECT 'pg_trigger'::regclass, t.oid, 0
           FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
          WHERE c.relnamespace = 'tokenauth'::regnamespace AND NOT t.tgisinternal
     UNION ALL
         SELECT 'pg_class'::regclass, i.indexrelid, 0
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          WHERE c.relnamespace = 'tokenauth'::regnamespace
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid))
SELECT pg_describe_object(classid, objid, objsubid) AS without_comment
  FROM object
 WHERE NOT EXISTS (SELECT FROM pg_description d
                    WHERE (d.classoid, d.objoid, d.objsubid) = (object.classid, object.objid, object.objsubid)
                      AND d.description <> '')
 ORDER BY 1;

-- nobody but the owner has any privilege on anything, in spite of the default privileges above
WITH acl (object, acl) AS (
         SELECT 'schema ' || nspname, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE nspname = 'tokenauth'
     UNION ALL
         SELECT oid::regclass::text, coalesce(relacl, acldefault('r', relowner))
           FROM pg_class WHERE relnamespace = 'tokenauth'::regnamespace AND relkind IN ('r', 'v')
     UNION ALL
         SELECT oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner))
           FROM pg_proc WHERE pronamespace = 'tokenauth'::regnamespace
     UNION ALL
         SELECT oid::regtype::text, coalesce(typacl, acldefault('T', typowner))
           FROM pg_type WHERE typnamespace = 'tokenauth'::regnamespace AND typelem = 0)
SELECT object, a.grantee::regrole, a.privilege_type
  FROM acl CROSS JOIN LATERAL aclexplode(acl) a
 WHERE a.grantee <> (SELECT extowner FROM pg_extension WHERE extname = 'tokenauth')
 ORDER BY 1, 2, 3;
SELECT count(*) AS privileges_on_columns
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'tokenauth'::regnamespace AND a.attacl IS NOT NULL;

-- grants are stripped by CREATE EXTENSION and never again
SELECT tokenauth.strip_grants();
\echo :SQLSTATE

-- nothing of it can be dropped alone
DROP SCHEMA tokenauth CASCADE;
\echo :SQLSTATE
DROP FUNCTION tokenauth.verify(text, text[], text);
\echo :SQLSTATE

-- names that it does not have cannot be set
SET tokenauth.no_such_setting = on;
\echo :SQLSTATE

-- dropped and made anew within a session it works as before, and knows nothing of its former tokens
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT token AS former FROM tokenauth.issue('api', 'user:alice') \gset
SELECT verdict FROM tokenauth.verify(:'former');
DROP EXTENSION tokenauth;
SELECT count(*) FROM pg_namespace WHERE nspname = 'tokenauth';
CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT verdict FROM tokenauth.verify(:'token');
SELECT verdict FROM tokenauth.verify(:'former');
SELECT tokenauth.revoke(:'id');
SELECT verdict FROM tokenauth.verify(:'token');

-- it stays in its schema
ALTER EXTENSION tokenauth SET SCHEMA public;
\echo :SQLSTATE

DROP EXTENSION tokenauth;
DROP TABLE public.kind, public.token;
DROP FUNCTION public.now(), public.octet_length(text);
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC, regress_tokenauth_visitor;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM regress_tokenauth_visitor;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TYPES FROM regress_tokenauth_visitor;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM PUBLIC, regress_tokenauth_visitor;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM PUBLIC, regress_tokenauth_visitor;
DROP ROLE regress_tokenauth_visitor;
