-- Somebody has pasted tokens into tickets. One query finds them among all rows. One transaction revokes them, lists the owners to
-- be told, and masks the texts; from then on, a constraint keeps tokens out.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)

-- Where we start: three users with tokens, and a table of many tickets, four of which contain a token.
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'acme_');
SELECT count(tokenauth.put_principal('user:' || name)) FROM unnest('{ann,ben,cem}'::text[]) AS name;
SELECT token AS ann FROM tokenauth.issue('api', 'user:ann', 'laptop') \gset
SELECT token AS ben, id AS ben_id FROM tokenauth.issue('api', 'user:ben', 'export job') \gset
SELECT token AS cem FROM tokenauth.issue('api', 'user:cem', 'never pasted') \gset
CREATE TABLE ticket (id integer PRIMARY KEY, body text NOT NULL);
INSERT INTO ticket SELECT n, 'The export of day ' || n || ' fails with error 500.' FROM generate_series(1, 50000) AS n;
UPDATE ticket SET body = body || ' I use ' || :'ann' || '.' WHERE id IN (17, 42000);
UPDATE ticket SET body = body || E'\ncurl -H "Authorization: Bearer ' || :'ben' || '"' WHERE id IN (300, 301);
SELECT tokenauth.revoke(:'ben_id', 'rotated by hand');

-- Where the tokens are, and which still work. A row can be found by its row_ctid as long as nobody changes it.
SELECT t.id, s.position, s.status, s.owner, s.kind
  FROM tokenauth.scan_column('ticket', 'body') s JOIN ticket t ON t.ctid = s.row_ctid
 ORDER BY t.id;

-- What to do about it: revoke what still works, see whom to tell, and mask every text.
BEGIN;
CREATE TEMPORARY TABLE pasted ON COMMIT DROP AS SELECT * FROM tokenauth.scan_column('ticket', 'body');
SELECT p.owner, count(*) AS places, bool_or(tokenauth.revoke(p.token_id, 'pasted into a ticket')) AS was_alive
  FROM pasted p WHERE p.token_id IS NOT NULL
 GROUP BY p.owner ORDER BY p.owner;
UPDATE ticket SET body = tokenauth.mask(body) FROM pasted p WHERE ticket.ctid = p.row_ctid;
COMMIT;
SELECT count(*) FROM tokenauth.scan_column('ticket', 'body');
SELECT verdict FROM tokenauth.verify(:'ann');
SELECT verdict FROM tokenauth.verify(:'cem');
SELECT owner, name, revoke_reason FROM tokenauth.tokens WHERE status = 'revoked' ORDER BY owner;
SELECT id, regexp_replace(body, 'acme_.{8}([*]+).{4}', 'acme_<8>\1<4>') AS body FROM ticket WHERE body LIKE '%acme%' ORDER BY id;

-- From now on it cannot happen again.
ALTER TABLE ticket ADD CONSTRAINT ticket_holds_no_token CHECK (NOT tokenauth.contains_token(body));
\set VERBOSITY sqlstate
INSERT INTO ticket VALUES (50001, 'here it is: ' || :'cem');
