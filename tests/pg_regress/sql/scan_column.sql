-- scan_column() finds tokens that somebody has pasted into a column: where each is, whose it is and whether it still works.
-- It never answers with a token's text, and reads as the caller: with his privileges and under his row security.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_observe, regress_tokenauth_verify;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_observe;
CREATE ROLE regress_tokenauth_verify;
SELECT tokenauth.grant_access('regress_tokenauth_observe', 'observe');
SELECT tokenauth.grant_access('regress_tokenauth_verify', 'verify');
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_'), ('bare', '');
SELECT tokenauth.put_principal('user:alice');
SELECT tokenauth.put_principal('user:bob');
SELECT token AS alive FROM tokenauth.issue('api', 'user:alice') \gset
SELECT token AS bare FROM tokenauth.issue('bare', 'user:bob') \gset
SELECT token AS revoked, id AS revoked_id FROM tokenauth.issue('api', 'user:bob') \gset
SELECT tokenauth.revoke(:'revoked_id');
SELECT token AS deleted, id AS deleted_id FROM tokenauth.issue('api', 'user:bob') \gset
SELECT tokenauth.delete(:'deleted_id');
-- one that is well formed, and that this database has never issued
BEGIN;
SELECT token AS stranger FROM tokenauth.issue('api', 'user:bob') \gset
ROLLBACK;

-- each token of each row is a row, in the order of the table; positions count characters
CREATE TABLE ticket (id integer PRIMARY KEY, body text);
INSERT INTO ticket VALUES
    (1, 'nothing to see'), (2, NULL), (3, ''), (4, 'my key is ' || :'alive'), (5, 'é山 ' || :'revoked' || ', ' || :'bare' || ' ' || :'alive'),
    (6, :'deleted'), (7, :'stranger'), (8, :'alive' || 'x'), (9, repeat('long ', 100000) || :'alive');
SELECT relation, t.id, position, status, owner, kind, s.token_id = (tokenauth.list(owner => s.owner, kind => s.kind)).id AS same_id
  FROM tokenauth.scan_column('ticket', 'body') s JOIN ticket t ON t.ctid = s.row_ctid
 WHERE s.status = 'active';
SELECT relation, t.id, position, status, owner, kind, token_id IS NULL AS without_id, substr(body, position, 4) = left(hint, 4) AS is_there
  FROM tokenauth.scan_column('ticket', 'body') s JOIN ticket t ON t.ctid = s.row_ctid;
-- the text itself is nowhere in the answer
SELECT count(*) FROM tokenauth.scan_column('ticket', 'body') s WHERE tokenauth.contains_token(s::text) OR s::text LIKE '%' || substr(:'alive', 20, 6) || '%';

-- whatever is text inside: varchar, char, name, JSON, XML, bytea, domains over them and arrays of them
CREATE DOMAIN note AS varchar(200);
CREATE DOMAIN short_note AS note;
-- not tested without libxml: a column of type xml
CREATE FUNCTION xml_type() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN pg_typeof('<a/>'::text::xml);
EXCEPTION WHEN feature_not_supported THEN
    RETURN 'text';
END $$;
SELECT xml_type() AS xml \gset
CREATE TABLE form (v varchar(100), c char(100), n name, j json, b jsonb, x :xml, y bytea, d short_note, a text[], ja jsonb[]);
INSERT INTO form VALUES (:'alive', :'alive', :'alive', json_build_object('key', :'alive'), jsonb_build_object(:'alive', 1), CAST('<a>' || :'alive' || '</a>' AS :xml),
                         decode('ff00', 'hex') || convert_to(:'alive', 'UTF8'), :'alive', ARRAY['x', :'alive'], ARRAY[to_jsonb(:'alive'::text)]);
SELECT col, s.position, s.owner
  FROM unnest('{v,c,n,j,b,x,y,d,a,ja}'::name[]) WITH ORDINALITY AS c (col, number), LATERAL tokenauth.scan_column('form', col) s
 ORDER BY number;

-- partitions are named, inherited rows too; materialized and temporary tables are tables
CREATE TABLE part (id integer, body text) PARTITION BY LIST (id);
CREATE TABLE "part One" PARTITION OF part FOR VALUES IN (1);
CREATE TABLE "part Two" PARTITION OF part FOR VALUES IN (2);
INSERT INTO part VALUES (1, :'alive'), (2, :'bare');
SELECT relation, row_ctid, owner FROM tokenauth.scan_column('part', 'body') ORDER BY relation::text;
CREATE TABLE child () INHERITS (ticket);
INSERT INTO child VALUES (10, :'bare');
SELECT relation, count(*) FROM tokenauth.scan_column('ticket', 'body') GROUP BY relation ORDER BY relation::text;
DROP TABLE child;
CREATE MATERIALIZED VIEW pasted AS SELECT body FROM ticket WHERE id = 4;
SELECT relation, row_ctid, position FROM tokenauth.scan_column('pasted', 'body');
CREATE TEMPORARY TABLE here (body text);
INSERT INTO here VALUES (:'alive');
SELECT relation, row_ctid, position FROM tokenauth.scan_column('here', 'body');

-- a view can cast what is no text; its rows have no place
CREATE VIEW whole AS SELECT t::text AS line FROM ticket t;
SELECT relation, row_ctid, position, owner FROM tokenauth.scan_column('whole', 'line') ORDER BY position, owner LIMIT 3;

-- names are taken as they are
CREATE SCHEMA "a ""b";
CREATE TABLE "a ""b"."c; DROP TABLE ticket; --" ("d "" e" text, source text);
INSERT INTO "a ""b"."c; DROP TABLE ticket; --" VALUES (:'alive', :'bare');
SELECT relation, owner FROM tokenauth.scan_column('"a ""b"."c; DROP TABLE ticket; --"', 'd " e');
SELECT relation, owner FROM tokenauth.scan_column('"a ""b"."c; DROP TABLE ticket; --"', 'source');

-- what cannot be scanned
SELECT tokenauth.scan_column(NULL, 'body');
\echo :SQLSTATE
SELECT tokenauth.scan_column('ticket', NULL);
\echo :SQLSTATE
SELECT tokenauth.scan_column('ticket', 'id');
\echo :SQLSTATE
SELECT tokenauth.scan_column('ticket', 'subject');
\echo :SQLSTATE
SELECT tokenauth.scan_column('ticket', 'ctid');
\echo :SQLSTATE
SELECT tokenauth.scan_column(0::regclass, 'body');
\echo :SQLSTATE
ALTER TABLE form DROP COLUMN v;
SELECT tokenauth.scan_column('form', 'v');
\echo :SQLSTATE
SELECT tokenauth.scan_column('ticket_pkey', 'id');
\echo :SQLSTATE

-- the caller's privileges and row security, not ours
SET ROLE regress_tokenauth_observe;
SELECT count(*) FROM tokenauth.scan_column('ticket', 'body');
\echo :SQLSTATE
RESET ROLE;
GRANT SELECT ON ticket TO regress_tokenauth_observe, regress_tokenauth_verify;
ALTER TABLE ticket ENABLE ROW LEVEL SECURITY;
CREATE POLICY early ON ticket USING (id < 5);
SET ROLE regress_tokenauth_observe;
SELECT t.id, position, status, s.owner, kind FROM tokenauth.scan_column('ticket', 'body') s JOIN ticket t ON t.ctid = s.row_ctid;
SET ROLE regress_tokenauth_verify;
SELECT count(*) FROM tokenauth.scan_column('ticket', 'body');
\echo :SQLSTATE
RESET ROLE;
-- the privilege to read the column is enough; what it does not cover, the place of a row, is left away, and told where that may be read too
CREATE TABLE note_of (body text, hidden text);
INSERT INTO note_of VALUES ('my key is ' || :'alive', :'alive');
GRANT SELECT (body) ON note_of TO regress_tokenauth_observe;
SET ROLE regress_tokenauth_observe;
SELECT relation, row_ctid, position, owner FROM tokenauth.scan_column('note_of', 'body');
SELECT count(*) FROM tokenauth.scan_column('note_of', 'hidden');
\echo :SQLSTATE
RESET ROLE;
GRANT SELECT (ctid, tableoid) ON note_of TO regress_tokenauth_observe;
SET ROLE regress_tokenauth_observe;
SELECT relation, row_ctid, position, owner FROM tokenauth.scan_column('note_of', 'body');
RESET ROLE;
-- our own tables are no exception
SET ROLE regress_tokenauth_observe;
SELECT count(*) FROM tokenauth.scan_column('tokenauth.token', 'digest');
\echo :SQLSTATE
RESET ROLE;

-- the newest state, and what this transaction has written itself
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE ticket SET body = tokenauth.mask(body) WHERE tokenauth.contains_token(body);
SELECT count(*) FROM tokenauth.scan_column('ticket', 'body');
ROLLBACK;
SELECT count(*) FROM tokenauth.scan_column('ticket', 'body');

-- more findings than fit into memory go to disk
SET work_mem = '64kB';
CREATE TABLE many AS SELECT :'alive' || ' ' || :'bare' AS body FROM generate_series(1, 5000);
SELECT owner, count(*) FROM tokenauth.scan_column('many', 'body') GROUP BY owner ORDER BY owner;

SET client_min_messages = warning;
DROP OWNED BY regress_tokenauth_observe, regress_tokenauth_verify;
DROP ROLE regress_tokenauth_observe, regress_tokenauth_verify;
