-- introspect() answers in the words of RFC 7662: all there is to say of a valid token, and of any other exactly that it is not active.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, permission_mode) VALUES ('key', 'key_', 'intersect'), ('live', 'live_', 'live');
INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('patient', 'patient_', 'suspend');
SELECT tokenauth.put_principal('user:alice', '{devices:*,reports:read}', '{"site": ["lon"]}');
SELECT id, token FROM tokenauth.issue('key', 'user:alice', 'laptop', scopes => '{reports:read,devices:read}', expires_in => '90 days',
                                      not_before => now() - interval '1 hour', metadata => '{"team": "x"}') \gset

-- a valid token: the members that RFC 7662 names, no others, and no name, metadata or data scopes
SELECT string_agg(key || ' ' || jsonb_typeof(value), ', ' ORDER BY key) AS members FROM jsonb_each(tokenauth.introspect(:'token'));
SELECT i ->> 'active' AS active, i ->> 'scope' AS scope, i ->> 'sub' AS sub, i ->> 'client_id' AS client_id, i ->> 'jti' = :'id' AS jti, i ->> 'token_type' AS token_type
  FROM tokenauth.introspect(:'token') i;
-- … with whole seconds since 1970
SELECT (i ->> 'iat')::bigint = floor(extract(epoch FROM t.created_at)) AS iat, (i ->> 'nbf')::bigint = floor(extract(epoch FROM t.not_before)) AS nbf,
       (i ->> 'exp')::bigint = floor(extract(epoch FROM t.expires_at)) AS exp
  FROM tokenauth.introspect(:'token') i, tokenauth.tokens t WHERE t.id = :'id';
-- … what a token does not have is left out, but for its scope
SELECT token AS live FROM tokenauth.issue('live', 'user:alice') \gset
SELECT string_agg(key, ', ' ORDER BY key) AS members FROM jsonb_object_keys(tokenauth.introspect(:'live')) key;
SELECT tokenauth.introspect(:'live') ->> 'scope' AS scope;
SELECT token AS bare FROM tokenauth.issue('key', 'user:alice', scopes => '{}') \gset
SELECT tokenauth.introspect(:'bare') ->> 'scope' AS scope;
-- … what its owner holds now counts
SELECT tokenauth.put_principal('user:alice', '{devices:*}');
SELECT tokenauth.introspect(:'token') ->> 'scope' AS scope;

-- require and client are as in verify()
SELECT tokenauth.introspect(:'token', '{devices:read}') ->> 'active' AS active;
SELECT tokenauth.introspect(:'token', '{devices:write}');
SELECT token AS bound FROM tokenauth.issue('key', 'user:alice', networks => '{10.0.0.0/8}') \gset
SELECT tokenauth.introspect(:'bound', client => '10.1.2.3') ->> 'active' AS active;
SELECT tokenauth.introspect(:'bound', client => '192.0.2.1');
SELECT tokenauth.introspect(:'bound');
SELECT tokenauth.introspect(:'token', NULL);
\echo :SQLSTATE
SELECT tokenauth.introspect('nonsense', '{devices read}');
\echo :SQLSTATE

-- anything but a valid token is not active, whatever the reason
SELECT tokenauth.introspect(NULL);
SELECT tokenauth.introspect('');
SELECT tokenauth.introspect('nonsense');
SELECT tokenauth.introspect('key_00000000000000000000000000000000000000000000000000');
SELECT token AS later FROM tokenauth.issue('key', 'user:alice', not_before => now() + interval '1 hour') \gset
SELECT token AS past, id AS past_id FROM tokenauth.issue('key', 'user:alice', expires_in => '1 hour') \gset
UPDATE tokenauth.token SET expires_at = now() - interval '1 second' WHERE id = :'past_id';
SELECT token AS off, id AS off_id FROM tokenauth.issue('key', 'user:alice') \gset
SELECT tokenauth.disable(:'off_id');
SELECT token AS dead, id AS dead_id FROM tokenauth.issue('key', 'user:alice') \gset
SELECT tokenauth.revoke(:'dead_id');
SELECT tokenauth.put_principal('user:bob', '{devices:*}');
SELECT token AS waiting FROM tokenauth.issue('patient', 'user:bob') \gset
SELECT tokenauth.deactivate('user:bob');
SELECT v.verdict, tokenauth.introspect(text) AS answer
  FROM (VALUES (1, :'later'), (2, :'past'), (3, :'off'), (4, :'dead'), (5, :'waiting'), (6, 'key_' || repeat('0', 49))) AS presented (place, text),
       LATERAL tokenauth.verify(text) v
 ORDER BY place;

-- imported tokens too
SELECT tokenauth.import('key', 'user:alice', encode(sha256('a token of another system'), 'hex'), 'sha256', created_at => '2020-02-02 02:02:02+00') AS imported \gset
SELECT i ->> 'jti' = :'imported' AS jti, i ->> 'iat' AS iat FROM tokenauth.introspect('a token of another system') i;

-- … and children: with what they leave of their parent, which jti names, from their own begin to the nearest of all ends
UPDATE tokenauth.kind SET derivable = true, max_derived_lifetime = '1 day' WHERE name = 'key';
SELECT id AS parent_id, token AS parent FROM tokenauth.issue('key', 'user:alice', expires_in => '2 hours') \gset
SELECT tokenauth.derive(:'parent', '1 hour', scopes => '{devices:read,users:read}', label => 'job 7') AS child,
       tokenauth.derive(:'parent', '5 hours') AS longer \gset
SELECT string_agg(key, ', ' ORDER BY key) AS members FROM jsonb_object_keys(tokenauth.introspect(:'child')) key;
SELECT i ->> 'active' AS active, i ->> 'scope' AS scope, i ->> 'sub' AS sub, i ->> 'client_id' AS client_id, i ->> 'jti' = :'parent_id' AS jti,
       (i ->> 'exp')::bigint - (i ->> 'iat')::bigint AS lifetime, (i ->> 'nbf')::bigint <= (i ->> 'iat')::bigint AS begun
  FROM tokenauth.introspect(:'child') i;
SELECT i ->> 'scope' AS scope, (i ->> 'exp')::bigint = floor(extract(epoch FROM t.expires_at)) AS as_its_parent
  FROM tokenauth.introspect(:'longer') i, tokenauth.tokens t WHERE t.id = :'parent_id';
UPDATE tokenauth.kind SET max_age = '30 minutes' WHERE name = 'key';
SELECT (i ->> 'exp')::bigint = floor(extract(epoch FROM t.created_at + interval '30 minutes')) AS by_age
  FROM tokenauth.introspect(:'child') i, tokenauth.tokens t WHERE t.id = :'parent_id';
UPDATE tokenauth.kind SET max_age = NULL WHERE name = 'key';
SELECT tokenauth.introspect(:'child', '{devices:write}') AS beyond_its_own, tokenauth.introspect(:'longer', '{devices:write}') ->> 'active' AS of_its_parent;
SELECT tokenauth.revoke_presented(:'child');
SELECT tokenauth.introspect(:'child') AS child, tokenauth.introspect(:'longer') ->> 'active' AS sibling;
SELECT tokenauth.revoke(:'parent_id');
SELECT tokenauth.introspect(:'longer');

-- the newest committed state counts, in an open transaction as well
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT tokenauth.introspect(:'token') ->> 'active' AS active;
SELECT tokenauth.revoke(:'id');
SELECT tokenauth.introspect(:'token');
ROLLBACK;
SELECT tokenauth.introspect(:'token') ->> 'active' AS active;

-- it counts as a use, and a refusal as a denial
SELECT id AS used_id, token AS used FROM tokenauth.issue('key', 'user:alice') \gset
SELECT tokenauth.introspect(:'used') ->> 'active' AS active;
SELECT last_used_at IS NOT NULL AS used FROM tokenauth.tokens WHERE id = :'used_id';

-- it goes with the access verify
CREATE ROLE regress_tokenauth_gateway;
SET ROLE regress_tokenauth_gateway;
SELECT tokenauth.introspect('nonsense');
\echo :SQLSTATE
RESET ROLE;
SELECT tokenauth.grant_access('regress_tokenauth_gateway', 'verify');
SET ROLE regress_tokenauth_gateway;
SELECT tokenauth.introspect('nonsense');
RESET ROLE;
DROP OWNED BY regress_tokenauth_gateway;
DROP ROLE regress_tokenauth_gateway;
