-- verify() answers every text with a verdict and raises for none; the first reason in the contract's order is the one told.
-- It reads the newest state in whatever transaction it is called, and tells owner and scopes of valid tokens only.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('patient', 'patient_', 'suspend');
SELECT tokenauth.put_principal('user:alice', '{devices:*,sites:read}', '{"site": ["nyc"]}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice', name => 'laptop', metadata => '{"a": 1}') \gset

-- a valid token: who, what, until when
\x on
SELECT verdict, ok, http_status, token_id = :'id' AS token_id, kind, owner, owner_type, owner_id, name, scopes, data_scopes,
       expires_at, metadata, detail, correlation_id ~ '^[0-9a-f]{32}$' AS correlation_id
  FROM tokenauth.verify(:'token');
\x off

-- data scopes of a valid token are never NULL: unrestricted is {}
SELECT tokenauth.put_principal('user:free', '{a}');
SELECT v.verdict, v.data_scopes, v.scopes FROM tokenauth.issue('api', 'user:free', scopes => '{}') i, tokenauth.verify(i.token) v;

-- nothing presented
SELECT verdict, ok, http_status FROM tokenauth.verify(NULL);

-- malformed: no token at all, or one with a typing error, which its checksum gives away
SELECT presented, v.verdict, v.http_status, v.token_id
  FROM (VALUES ('empty', ''), ('short', 'x'), ('a word', 'password'),
               ('one too short', left(:'token', -1)), ('one too long', :'token' || 'a'),
               ('trailing newline', :'token' || E'\n'), ('leading blank', ' ' || :'token'),
               ('other case', upper(:'token')), ('without prefix', substr(:'token', 5)),
               ('other prefix', 'xpi_' || substr(:'token', 5))) AS p (presented, text),
       LATERAL tokenauth.verify(p.text) v;

-- unknown: well formed, and never issued, since its transaction was rolled back
BEGIN;
SELECT token AS never FROM tokenauth.issue('api', 'user:alice') \gset
ROLLBACK;
SELECT verdict, ok, http_status, token_id, kind FROM tokenauth.verify(:'never');

-- each of the other verdicts alone. What is told about a refused token: id, kind and name, for logs; nothing of its owner
CREATE TABLE cases (wanted text, token text, id uuid, require text[] DEFAULT '{}', client text);
INSERT INTO cases SELECT 'revoked', token, id FROM tokenauth.issue('api', 'user:alice', 'r', metadata => '{"a": 1}');
INSERT INTO cases SELECT 'disabled', token, id FROM tokenauth.issue('api', 'user:alice', 'd');
INSERT INTO cases SELECT 'not_yet_valid', token, id FROM tokenauth.issue('api', 'user:alice', 'n', not_before => now() + '1 day');
INSERT INTO cases SELECT 'expired', token, id FROM tokenauth.issue('api', 'user:alice', 'e', expires_in => '1 millisecond');
SELECT tokenauth.put_principal('user:gone', '{devices:*}');
INSERT INTO cases SELECT 'owner_inactive', token, id FROM tokenauth.issue('patient', 'user:gone', 'o');
INSERT INTO cases SELECT 'network_denied', token, id, '{}', '10.0.0.1' FROM tokenauth.issue('api', 'user:alice', 'w', networks => '{192.168.0.0/16}');
INSERT INTO cases SELECT 'insufficient_scope', token, id, '{devices:read,sites:write}' FROM tokenauth.issue('api', 'user:alice', 's');
INSERT INTO cases SELECT 'valid', token, id, '{devices:read,sites:read}', '192.168.7.7' FROM tokenauth.issue('api', 'user:alice', 'v', networks => '{192.168.0.0/16}');
SELECT tokenauth.revoke(id) FROM cases WHERE wanted = 'revoked';
SELECT tokenauth.disable(id) FROM cases WHERE wanted = 'disabled';
SELECT tokenauth.deactivate('user:gone', 'left');
SELECT pg_sleep(0.01);
SELECT c.wanted, v.verdict = c.wanted AS so_it_is, v.ok, v.http_status, v.token_id = c.id AS id, v.kind, v.name, v.owner, v.owner_type,
       v.owner_id, v.scopes, v.data_scopes, v.metadata, v.expires_at, v.detail
  FROM cases c, LATERAL tokenauth.verify(c.token, c.require, c.client) v;

-- several reasons at once: the first in this order is told
CREATE TABLE combined (reasons text, token text, id uuid);
INSERT INTO combined
SELECT concat_ws('+', r.r, d.d, n.n, e.e, w.w, 'scope'), i.token, i.id
  FROM (VALUES (NULL), ('revoked')) r (r), (VALUES (NULL), ('disabled')) d (d), (VALUES (NULL), ('not_yet_valid')) n (n),
       (VALUES (NULL), ('expired')) e (e), (VALUES (NULL), ('network')) w (w),
       LATERAL tokenauth.issue('patient', 'user:alice', name => concat(r, d, e), networks => CASE WHEN w IS NOT NULL THEN '{192.168.0.0/16}'::text[] END,
                               not_before => CASE WHEN n IS NOT NULL THEN now() + '1 day' END) i;
-- (a token that is both not yet valid and expired cannot be issued: here its row is written by hand)
UPDATE tokenauth.token t SET expires_at = now() - '1 second'::interval FROM combined c WHERE c.id = t.id AND c.reasons ~ 'expired';
SELECT count(tokenauth.disable(id)) FROM combined WHERE reasons ~ 'disabled';
SELECT count(tokenauth.revoke(id)) FROM combined WHERE reasons ~ 'revoked';
SELECT c.reasons, v.verdict FROM combined c, LATERAL tokenauth.verify(c.token, '{admin}', '10.0.0.1') v
 ORDER BY c.reasons COLLATE "C";
-- … the same with an inactive owner
SELECT tokenauth.deactivate('user:alice');
SELECT v.verdict, count(*), string_agg(c.reasons, ' ' ORDER BY c.reasons COLLATE "C") FILTER (WHERE v.verdict = 'owner_inactive') AS reasons
  FROM combined c, LATERAL tokenauth.verify(c.token, '{admin}', '10.0.0.1') v
 GROUP BY v.verdict ORDER BY v.verdict;
SELECT tokenauth.activate('user:alice');
-- … and a text that is malformed or missing is that before anything else
SELECT verdict FROM tokenauth.verify('x', '{admin}', '10.0.0.1');
SELECT verdict FROM tokenauth.verify(NULL, '{admin}', '10.0.0.1');

-- require: every scope, and of a pattern every scope it stands for
SELECT token FROM tokenauth.issue('api', 'user:alice') \gset
SELECT require, v.verdict, v.detail
  FROM (VALUES ('{}'::text[]), ('{devices:read}'), ('{devices:read:all}'), ('{devices:*}'), ('{devices}'), ('{sites:read}'),
               ('{sites:*}'), ('{*}'), ('{*:read}'), ('{sites:read,sites:write,devices:x,admin,admin}')) AS r (require),
       LATERAL tokenauth.verify(:'token', r.require) v;

-- a require that is absent or malformed is the caller's mistake, whatever the token
SELECT tokenauth.verify(:'token', NULL);
\echo :SQLSTATE
SELECT tokenauth.verify(NULL, NULL);
\echo :SQLSTATE
SELECT tokenauth.verify('x', '{devices:read,NULL}');
\echo :SQLSTATE
SELECT tokenauth.verify('x', '{"devices read"}');
\echo :SQLSTATE
SELECT tokenauth.verify('x', '{{a},{b}}');
\echo :SQLSTATE
SELECT tokenauth.verify('x', '{""}');
\echo :SQLSTATE
SELECT tokenauth.verify('x', array_fill('a'::text, '{257}'));
\echo :SQLSTATE

-- client: an address in whatever form a server reports it; what cannot be read is not given, and never an error
SELECT token AS bound FROM tokenauth.issue('api', 'user:alice', networks => '{10.0.0.0/8,2001:db8::/32}') \gset
SELECT client, v.verdict
  FROM (VALUES (NULL), (''), ('10.1.2.3'), ('10.1.2.3:443'), ('10.1.2.3/32'), (' 10.1.2.3 '), ('::ffff:10.1.2.3'), ('[::ffff:a01:203]:443'),
               ('2001:db8::1'), ('[2001:db8::1]'), ('[2001:db8::1]:443'), ('2001:DB8::1%eth0'), ('11.0.0.1'), ('2001:db9::1'),
               ('10.1.2.3, 11.0.0.1'), ('10.1.2.3:99999'), ('10.1.2.0/24'), ('010.1.2.3'), ('167838211'), ('10.1.2'), ('localhost'),
               ('unknown'), ('%s; DROP TABLE token'), (repeat('1', 100000))) AS c (client),
       LATERAL tokenauth.verify(:'bound', client => c.client) v
 WHERE length(client) < 1000 OR client IS NULL OR v.verdict <> 'network_denied';
-- … the detail tells why
SELECT client, v.verdict, v.detail
  FROM (VALUES (NULL), (''), ('unknown'), ('10.0.0.1, 10.0.0.2'), ('11.0.0.1'), ('::1')) c (client),
       LATERAL tokenauth.verify(:'bound', client => c.client) v;
-- … a token without networks is accepted from anywhere
SELECT DISTINCT v.verdict FROM (VALUES (NULL), ('10.1.2.3'), ('unknown')) AS c (client), LATERAL tokenauth.verify(:'token', client => c.client) v;

-- verify_digest: the application hashes, and the text never reaches the server
SELECT left(:'token', 15) AS lookup \gset
SELECT verdict, owner, scopes FROM tokenauth.verify_digest(:'lookup', sha256(:'token'));
SELECT verdict, detail FROM tokenauth.verify_digest(:'lookup', sha256(:'token'), '{admin}');
SELECT verdict FROM tokenauth.verify_digest(left(:'bound', 15), sha256(:'bound'), '{}', '10.1.2.3');
SELECT what, v.verdict, v.token_id
  FROM (VALUES ('another digest', :'lookup', sha256('x')), ('another lookup', left(:'bound', 15), sha256(:'token')),
               ('no lookup', NULL, sha256(:'token')), ('no digest', :'lookup', NULL), ('nothing', NULL, NULL),
               ('whole token as lookup', :'token', sha256(:'token')),
               ('short lookup', left(:'token', 14), sha256(:'token')), ('empty lookup', '', sha256(:'token')),
               ('lookup beyond 64 bits', 'api_zzzzzzzzzzz', sha256(:'token')), ('not ASCII', 'api_é1234567890', sha256(:'token')))
         AS p (what, lookup, digest),
       LATERAL tokenauth.verify_digest(p.lookup, p.digest) v;
SELECT tokenauth.verify_digest(:'lookup', '');
\echo :SQLSTATE
SELECT tokenauth.verify_digest(:'lookup', '\x00112233445566778899aabbccddeeff00112233445566778899aabbccddee');
\echo :SQLSTATE
SELECT tokenauth.verify_digest(:'lookup', sha256('x') || '\x00');
\echo :SQLSTATE
-- … nor is the digest of a token of ours written in hexadecimal, or that of another algorithm; without a lookup it may be
SELECT tokenauth.verify_digest(:'lookup', convert_to(encode(sha256(:'token'), 'hex'), 'UTF8'));
\echo :SQLSTATE
SELECT tokenauth.verify_digest(:'lookup', sha512(:'token'));
\echo :SQLSTATE
SELECT verdict FROM tokenauth.verify_digest(NULL, sha512(:'token'));
SELECT tokenauth.verify_digest(NULL, sha256('x'), NULL);
\echo :SQLSTATE

-- the newest state counts in every isolation level, and from the next call on
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT verdict FROM tokenauth.verify(:'token');
SELECT id FROM tokenauth.tokens WHERE hint = left(:'token', 12) || '…' || right(:'token', 4) \gset
SAVEPOINT before;
SELECT tokenauth.revoke(:'id');
SELECT verdict FROM tokenauth.verify(:'token');
ROLLBACK TO before;
SELECT verdict FROM tokenauth.verify(:'token');
COMMIT;
-- … within one statement
SELECT v1.verdict AS before, r AS revoked, v2.verdict AS after
  FROM tokenauth.verify(:'token') v1, LATERAL (SELECT tokenauth.disable(v1.token_id) AS r OFFSET 0) d,
       LATERAL tokenauth.verify(CASE WHEN r THEN :'token' END) v2;
SELECT tokenauth.enable(:'id');
-- … under a cursor that was opened before
BEGIN;
DECLARE requests CURSOR FOR SELECT (tokenauth.verify(:'token')).verdict FROM generate_series(1, 3);
FETCH requests;
SELECT tokenauth.disable(:'id');
FETCH requests;
SELECT tokenauth.enable(:'id');
FETCH requests;
COMMIT;
-- … in a prepared statement
PREPARE verify (text) AS SELECT verdict FROM tokenauth.verify($1);
EXECUTE verify(:'token');
SELECT tokenauth.revoke(:'id');
EXECUTE verify(:'token');

-- it needs no write: it answers in read-only transactions too
BEGIN READ ONLY;
SELECT verdict FROM tokenauth.verify(:'bound', client => '10.1.2.3');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT verdict FROM tokenauth.verify(:'bound', client => '10.1.2.3');
COMMIT;

-- expiry is judged by the clock, in an old transaction too
BEGIN;
SELECT token FROM tokenauth.issue('api', 'user:alice', expires_in => '1 second') \gset
SELECT verdict FROM tokenauth.verify(:'token');
SELECT pg_sleep(1.05);
SELECT verdict FROM tokenauth.verify(:'token');
COMMIT;

-- each verification has a correlation id of its own
SELECT count(DISTINCT correlation_id) FROM generate_series(1, 1000) AS n, LATERAL tokenauth.verify(n::text);
