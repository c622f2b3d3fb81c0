-- A rule that is made after tokens were issued does not reach them by itself: noncompliant() lists those that break one, and
-- enforce() makes them keep it.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_'), ('other', 'other_');
SELECT tokenauth.put_principal('user:' || n, '{devices:*,reports:*}') FROM unnest('{alice,bob}'::text[]) n;
CREATE TABLE held AS
SELECT row_number() OVER () AS n, i.*
  FROM (VALUES ('user:alice', 'laptop', '{devices:read}'::text[], interval '10 days'),
               ('user:alice', 'old', '{devices:*,reports:read}', NULL),
               ('user:alice', NULL, '{devices:write}', interval '400 days'),
               ('user:alice', 'new', '{devices:read}', interval '20 days'),
               ('user:bob', '  ', '{reports:write,reports:read}', interval '5 days'),
               ('user:bob', 'gone', '{reports:write}', NULL),
               ('user:bob', 'past', '{reports:write}', interval '1 millisecond')) w (owner, name, scopes, lifetime),
       LATERAL tokenauth.issue('key', w.owner, w.name, scopes => w.scopes, expires_in => w.lifetime) i;
SELECT tokenauth.revoke(id) FROM held WHERE name = 'gone';
SELECT token AS another FROM tokenauth.issue('other', 'user:alice', scopes => '{devices:*}') \gset

-- nothing breaks the rules under which it was issued
SELECT count(*) FROM tokenauth.noncompliant();

-- stricter rules; dead and expired tokens are nobody's business
UPDATE tokenauth.kind
   SET max_lifetime = '90 days', lifetime_required = true, name_required = true, ceiling = '{devices:*,reports:read}', max_active_per_owner = 2
 WHERE name = 'key';
SELECT h.n, c.owner, c.kind, c.rule, c.since, c.hint = h.hint AS hint
  FROM tokenauth.noncompliant() WITH ORDINALITY AS c (id, owner, kind, rule, since, hint, place) JOIN held h ON h.id = c.id
 ORDER BY c.place, h.n;
SELECT (SELECT count(*) FROM tokenauth.noncompliant('key')) = (SELECT count(*) FROM tokenauth.noncompliant()) AS same;
SELECT count(*) FROM tokenauth.noncompliant('other');
-- … it changes nothing by itself
SELECT h.n, v.verdict FROM held h, tokenauth.verify(h.token) v ORDER BY h.n;

-- enforce() only counts unless it is told to do it
SELECT tokenauth.enforce('key', '{no_expiry,lifetime,ceiling,maximum}') AS would,
       (SELECT count(*) FROM tokenauth.noncompliant('key') WHERE rule <> 'name') AS broken;
SELECT count(*) FROM tokenauth.events WHERE event = 'tokens.enforced';

-- an expiry is lowered to max_lifetime from now, and never raised
SELECT tokenauth.enforce('key', '{no_expiry,lifetime}', reason => 'policy', dry_run => false);
SELECT h.n, t.expires_at - now() BETWEEN interval '89 days 23 hours' AND interval '90 days' AS ninety, h.expires_at = t.expires_at AS kept
  FROM held h JOIN tokenauth.tokens t ON t.id = h.id WHERE t.status = 'active' ORDER BY h.n;
SELECT tokenauth.enforce('key', '{no_expiry,lifetime}');
-- … what a token was when it was issued stays in its history
SELECT e.after ->> 'expires_at' IS NULL AS never FROM tokenauth.events e JOIN held h ON h.id = e.token_id WHERE h.n = 2 AND e.event = 'token.issued';

-- scopes are cut to the ceiling, as they are at each use anyway
SELECT tokenauth.enforce('key', '{ceiling}', dry_run => false);
SELECT h.n, h.scopes AS granted, t.scopes FROM held h JOIN tokenauth.tokens t ON t.id = h.id WHERE h.scopes IS DISTINCT FROM t.scopes ORDER BY h.n;
SELECT count(*) FROM tokenauth.noncompliant() WHERE rule = 'ceiling';

-- of too many tokens of an owner the oldest go
SELECT tokenauth.enforce('key', '{maximum}', dry_run => false);
SELECT h.n, t.status, t.revoke_reason FROM held h JOIN tokenauth.tokens t ON t.id = h.id WHERE h.owner = 'user:alice' ORDER BY h.n;
-- … and what is left to say is that some have no name
SELECT h.n, c.rule FROM tokenauth.noncompliant() c JOIN held h ON h.id = c.id ORDER BY h.n;

-- one event for each rule, with the reason
SELECT event, kind, after FROM tokenauth.events WHERE event = 'tokens.enforced' ORDER BY id;

-- whatever its expiry, a token that ends by its age does end
UPDATE tokenauth.kind SET max_lifetime = NULL, max_active_per_owner = NULL, ceiling = NULL, name_required = false WHERE name = 'key';
UPDATE tokenauth.token SET expires_at = NULL WHERE id = (SELECT id FROM held WHERE n = 4);
SELECT h.n, c.rule FROM tokenauth.noncompliant() c JOIN held h ON h.id = c.id;
UPDATE tokenauth.kind SET max_age = '1 year' WHERE name = 'key';
SELECT h.n, c.rule FROM tokenauth.noncompliant() c JOIN held h ON h.id = c.id;
UPDATE tokenauth.kind SET max_age = NULL WHERE name = 'key';

-- the kind must say when tokens are to end
SELECT tokenauth.enforce('key', '{no_expiry}');
\echo :SQLSTATE
-- … within the calendar: beyond it, a maximum bounds nothing
BEGIN;
UPDATE tokenauth.kind SET max_lifetime = '178000000 years' WHERE name = 'key';
SELECT h.n, c.rule FROM tokenauth.noncompliant() c JOIN held h ON h.id = c.id ORDER BY h.n;
SAVEPOINT alone;
UPDATE tokenauth.kind SET lifetime_required = false WHERE name = 'key';
SELECT count(*) FROM tokenauth.noncompliant();
SELECT tokenauth.enforce('key', '{no_expiry}');
\echo :SQLSTATE
ROLLBACK TO alone;
UPDATE tokenauth.kind SET default_lifetime = '30 days' WHERE name = 'key';
SELECT tokenauth.enforce('key', '{no_expiry}');
ROLLBACK;
UPDATE tokenauth.kind SET default_lifetime = '30 days' WHERE name = 'key';
SELECT tokenauth.enforce('key', '{no_expiry}', dry_run => false);
SELECT t.expires_at - now() BETWEEN interval '29 days 23 hours' AND interval '30 days' AS thirty FROM tokenauth.tokens t JOIN held h ON h.id = t.id WHERE h.n = 4;

-- idle tokens are listed with the moment since which they are; none is revoked where uses are not counted for certain
UPDATE tokenauth.kind SET max_idle = '90 days' WHERE name = 'key';
UPDATE tokenauth.usage SET last_used_at = NULL;
UPDATE tokenauth.token SET created_at = now() - interval '100 days' WHERE id = (SELECT id FROM held WHERE n = 4);
SELECT h.n, c.rule, c.since = (t.created_at AT TIME ZONE 'UTC' + interval '90 days') AT TIME ZONE 'UTC' AS since
  FROM tokenauth.noncompliant() c JOIN held h ON h.id = c.id JOIN tokenauth.tokens t ON t.id = c.id;
SELECT tokenauth.enforce('key', '{idle}', dry_run => false);
SELECT object, finding FROM tokenauth.doctor() WHERE object = 'kind key';
SELECT verdict FROM held, tokenauth.verify(token) WHERE n = 4;
UPDATE tokenauth.usage u SET last_used_at = now() - interval '1 day' FROM held h WHERE h.n = 4 AND u.token_id = h.id;
SELECT count(*) FROM tokenauth.noncompliant() WHERE rule = 'idle';
-- … nor one that was not to begin yet
UPDATE tokenauth.usage u SET last_used_at = NULL FROM held h WHERE h.n = 4 AND u.token_id = h.id;
UPDATE tokenauth.token SET not_before = now() - interval '1 day' WHERE id = (SELECT id FROM held WHERE n = 4);
SELECT count(*) FROM tokenauth.noncompliant() WHERE rule = 'idle';

-- … nor one that was taken over from another system lately, whatever its age, and whatever has become of the event
SELECT tokenauth.import('key', 'user:bob', encode(sha256('a token of another system'), 'hex'), 'sha256', created_at => '2020-02-02') IS NOT NULL AS imported;
SELECT count(*) FROM tokenauth.noncompliant() WHERE rule = 'idle';
BEGIN;
SELECT tokenauth.purge('0') > 0 AS purged;
SELECT count(*) FROM tokenauth.noncompliant() WHERE rule = 'idle';
ROLLBACK;
-- … which is idle only so long after it was taken over: until then it was used there, for all that is known
SELECT extract(epoch FROM now())::bigint - 100 * 86400 AS moment \gset
SELECT lpad(to_hex(:moment::bigint * 1000), 12, '0') AS hex \gset
UPDATE tokenauth.token SET id = (left(:'hex', 8) || '-' || right(:'hex', 4) || right(id::text, 23))::uuid WHERE created_at = '2020-02-02';
SELECT owner, rule, extract(epoch FROM since) - :moment = 90 * 86400 AS since FROM tokenauth.noncompliant() WHERE rule = 'idle';

-- a token in the grace of a rotation takes no place
UPDATE tokenauth.kind SET max_active_per_owner = 2 WHERE name = 'other';
SELECT id AS first FROM tokenauth.tokens WHERE kind = 'other' \gset
SELECT kind FROM tokenauth.rotate(:'first', grace => '1 day');
SELECT kind FROM tokenauth.issue('other', 'user:alice');
SELECT count(*) FROM tokenauth.noncompliant('other');
UPDATE tokenauth.kind SET max_active_per_owner = 1 WHERE name = 'other';
SELECT c.rule, t.rotated_from = :'first' AS successor FROM tokenauth.noncompliant('other') c JOIN tokenauth.tokens t ON t.id = c.id;

-- what nobody can mean
SELECT tokenauth.noncompliant(NULL);
\echo :SQLSTATE
SELECT tokenauth.noncompliant('nonsense');
\echo :SQLSTATE
SELECT tokenauth.enforce('key', NULL);
\echo :SQLSTATE
SELECT tokenauth.enforce('key', '{}');
\echo :SQLSTATE
SELECT tokenauth.enforce('key', '{lifetime,NULL}');
\echo :SQLSTATE
SELECT tokenauth.enforce('key', '{lifetime,nonsense}');
\echo :SQLSTATE
SELECT tokenauth.enforce('key', '{name}');
\echo :SQLSTATE
SELECT tokenauth.enforce(NULL, '{lifetime}');
\echo :SQLSTATE
SELECT tokenauth.enforce('nonsense', '{lifetime}');
\echo :SQLSTATE
SELECT tokenauth.enforce('key', '{lifetime}', dry_run => NULL);
\echo :SQLSTATE
-- under an identity nobody enforces
BEGIN;
SELECT tokenauth.authenticate(:'another');
SELECT tokenauth.enforce('key', '{lifetime}');
\echo :SQLSTATE
ROLLBACK;

-- a rollback takes it back
BEGIN;
SELECT tokenauth.enforce('other', '{maximum}', dry_run => false);
SELECT count(*) FROM tokenauth.tokens WHERE kind = 'other' AND status = 'active';
ROLLBACK;
SELECT count(*) FROM tokenauth.tokens WHERE kind = 'other' AND status = 'active';
-- … and a transaction that has killed cannot be prepared
BEGIN;
SELECT tokenauth.enforce('other', '{maximum}', dry_run => false);
PREPARE TRANSACTION 'enforced';
\echo :SQLSTATE
