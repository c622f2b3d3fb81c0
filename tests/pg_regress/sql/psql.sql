-- A DBA in psql: what \df+, \d and \dT+ show is a manual, and what the reports answer fits a screen of 24 lines and 80 columns.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never

-- \df tells how a function is called: arguments have the names by which one would call them
\df tokenauth.revoke
\df tokenauth.rotate
\df tokenauth.deactivate

-- \df+ says what each is for, in a sentence that begins with what it does: there are no others
SELECT p.oid::regprocedure AS function, obj_description(p.oid, 'pg_proc') AS says
  FROM pg_proc p
 WHERE p.pronamespace = 'tokenauth'::regnamespace
   AND obj_description(p.oid, 'pg_proc') !~ '^([A-Z][a-z]+s |Internal: )' IS NOT FALSE
 ORDER BY 1::text;
-- … and every argument has a name
SELECT p.oid::regprocedure AS function
  FROM pg_proc p
 WHERE p.pronamespace = 'tokenauth'::regnamespace AND p.pronargs > 0
   AND (p.proargnames IS NULL OR '' = ANY (p.proargnames[:p.pronargs]));

-- \d+ and \dT+ do so for tables, views, types and each of their columns
SELECT c.oid::regclass AS relation, a.attname AS silent_column
  FROM pg_class c
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                          AND col_description(c.oid, a.attnum) IS NULL
 WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind IN ('r', 'v', 'c')
   AND (a.attname IS NOT NULL OR coalesce(obj_description(c.oid, 'pg_class'), obj_description(c.reltype, 'pg_type')) IS NULL)
 ORDER BY 1::text, 2;
-- … and what people look at first stands first
\d tokenauth.tokens
\d tokenauth.metrics

-- on Monday, of a fresh database
SELECT * FROM tokenauth.report();
-- … on one screen, with the heading and the prompt below
WITH page AS (SELECT max(length(section)) AS section, max(length(item)) AS item, max(length(value)) AS value, count(*) + 4 AS lines
                FROM tokenauth.report())
SELECT lines <= 24 AS fits_in_lines, 1 + section + 3 + item + 3 + value <= 80 AS fits_in_columns FROM page;

-- some week later: what doctor() finds, the most urgent first
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
CREATE TABLE customer (id integer, is_active boolean NOT NULL DEFAULT true);
CREATE TABLE staff (id integer PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
INSERT INTO customer VALUES (1);
SELECT tokenauth.bind_principals('customer', 'customer', 'id::text', active => 'is_active');
SELECT tokenauth.bind_principals('staff', 'staff', 'id::text', active => 'is_active');
ALTER TABLE staff DISABLE TRIGGER tokenauth_principals_update;
CREATE TABLE tokenauth.leftover ();
SELECT area, object, finding FROM tokenauth.doctor(compare => false);
-- … what to do about the first of them, and then about the rest
\x on
SELECT * FROM tokenauth.doctor(compare => false) LIMIT 1;
\x off
SELECT tokenauth.sync_principals('staff');
CREATE UNIQUE INDEX ON customer (id);
DROP TABLE tokenauth.leftover;
SELECT area, object, finding FROM tokenauth.doctor();
