-- Permission Assist: system-wide tokens that administrators manage; every failure gets the same 401, every call can be attributed.
-- Each quotation is from Permission Assist's documentation; the statements below it show that it holds.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET IntervalStyle = 'postgres';

INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, issue_permission, manage_permission, name_required, error_style)
VALUES ('api', 'pa_', '{integration}', 'all', 'system:configuration', 'system:configuration', true, 'uniform');
SELECT tokenauth.put_principal('user:admin', '{system:configuration}');
SELECT tokenauth.put_principal('user:reviewer', '{reviews:*}');
SELECT tokenauth.put_principal('integration:hr');
SELECT tokenauth.put_principal('integration:siem');

-- "Administrators manage API tokens at System Configuration > API Tokens."
SELECT tokenauth.grantable('api', 'integration:hr', 'user:admin') AS admin, tokenauth.grantable('api', 'integration:hr', 'user:reviewer') AS reviewer,
       tokenauth.grantable('api', 'integration:hr', 'integration:hr') AS integration;
SELECT token, id FROM tokenauth.issue('api', 'integration:hr', 'HR import', actor => 'user:admin') \gset
SELECT tokenauth.issue('api', 'integration:hr', 'mine', actor => 'user:reviewer');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'integration:hr', 'more', actor => 'integration:hr');
\echo :SQLSTATE

-- "Every API request must include an Authorization header with a valid Bearer token."
SELECT verdict, http_status FROM tokenauth.verify_request(jsonb_build_object('Authorization', 'Bearer ' || :'token'));
-- "Tokens are system-wide. A valid token grants access to all API endpoints"
SELECT verdict, scopes, data_scopes FROM tokenauth.verify(:'token', '{users:read,users:write,reviews:approve,system:configuration}');

-- "Tokens can optionally have an expiration date set at creation. After that date, the token stops working"
SELECT name, expires_at FROM tokenauth.tokens WHERE id = :'id';
SELECT token AS dated, id AS dated_id, expires_at = '2099-12-31 00:00Z' AS as_asked FROM tokenauth.issue('api', 'integration:siem', 'SIEM', expires_at => '2099-12-31 00:00Z', actor => 'user:admin') \gset
SELECT :'as_asked' AS as_asked;
SELECT token AS brief, id AS brief_id FROM tokenauth.issue('api', 'integration:siem', 'trial', expires_in => '1 millisecond', actor => 'user:admin') \gset
SELECT pg_sleep(0.01);
SELECT verdict FROM tokenauth.verify(:'dated');
SELECT verdict FROM tokenauth.verify(:'brief');

-- "Permission Assist validates the token on each request and rejects calls with missing, invalid, or expired tokens."
-- "When authentication fails, the API returns 401 Unauthorized with a JSON error body: { "error": "unauthorized", "message": "Invalid or
-- expired authentication token", "correlationId": "a1b2c3d4e5f67890abcdef1234567890" }"
SELECT token AS revoked, id AS revoked_id FROM tokenauth.issue('api', 'integration:siem', 'leaked', actor => 'user:admin') \gset
SELECT tokenauth.revoke(:'revoked_id', actor => 'user:admin');
BEGIN;
SELECT token AS unknown FROM tokenauth.issue('api', 'integration:siem', 'never committed', actor => 'user:admin') \gset
ROLLBACK;
SELECT r.what, v.verdict, e.response -> 'status' AS status, (e.response -> 'body') - 'correlationId' AS body,
       e.response -> 'body' ->> 'correlationId' ~ '^[0-9a-f]{32}$' AND e.response -> 'body' ->> 'correlationId' = v.correlation_id AS correlation_id
  FROM (VALUES (1, 'missing', NULL), (2, 'no bearer', 'Basic dXNlcjpwYXNz'), (3, 'invalid', 'Bearer nonsense'), (4, 'unknown', 'Bearer ' || :'unknown'),
               (5, 'expired', 'Bearer ' || :'brief'), (6, 'revoked', 'Bearer ' || :'revoked')) AS r (number, what, header),
       LATERAL tokenauth.verify_request(jsonb_strip_nulls(jsonb_build_object('Authorization', r.header))) v,
       LATERAL (SELECT tokenauth.error_response(v) AS response) e
 ORDER BY r.number;

-- "Permission Assist updates a last-used timestamp on the token each time it is used to authenticate a request. You can view this timestamp
-- on the token management page"
SELECT token AS fresh, id AS fresh_id FROM tokenauth.issue('api', 'integration:siem', 'fresh', actor => 'user:admin') \gset
SELECT last_used_at FROM tokenauth.tokens WHERE id = :'fresh_id';
SELECT verdict FROM tokenauth.verify(:'fresh');
SELECT last_used_at BETWEEN created_at AND clock_timestamp() AS just_now FROM tokenauth.tokens WHERE id = :'fresh_id';

-- "The token list displays each token's name, created date, expiration date, and last-used date"
SELECT name, created_at <= now() AS created, expires_at IS NOT NULL AS expires, last_used_at IS NOT NULL AS used FROM tokenauth.list('user:admin') ORDER BY name;
SELECT count(*) FROM tokenauth.list('user:reviewer');

-- "Token secrets cannot be viewed after creation. If you lose a token secret, delete the token and create a new one."
SELECT count(*) AS stored FROM tokenauth.token AS t WHERE strpos(t::text, :'fresh') > 0;

-- "Deletion is immediate — any system using that token loses access as soon as the token is deleted"
SELECT verdict FROM tokenauth.verify(:'fresh');
SELECT tokenauth.delete(:'fresh_id', 'user:admin');
SELECT verdict, http_status FROM tokenauth.verify(:'fresh');
SELECT name FROM tokenauth.list('user:admin') ORDER BY name;
-- … but only an administrator can delete it
\set VERBOSITY sqlstate
SELECT tokenauth.delete(:'id', 'user:reviewer');
\set VERBOSITY default
SELECT verdict FROM tokenauth.verify(:'token');

-- "Use a unique token for each automation tool or integration. This makes it easier to identify the source of API calls in audit logs and to
-- revoke access for a single integration without affecting others"
CREATE TABLE audit_log (call text, token_id uuid, token_name text, integration text, correlation_id text);
INSERT INTO audit_log
SELECT call, v.token_id, v.name, v.owner, v.correlation_id
  FROM (VALUES ('GET /users', :'token'), ('GET /reviews', :'dated'), ('POST /users', :'revoked'), ('GET /users', 'nonsense')) AS c (call, presented), LATERAL tokenauth.verify(c.presented) v;
SELECT call, token_name, integration, token_id IS NOT NULL AS attributed FROM audit_log ORDER BY call, token_name;
SELECT count(DISTINCT correlation_id) AS calls FROM audit_log;
SELECT tokenauth.revoke_all('integration:siem', reason => 'integration retired');
SELECT verdict FROM tokenauth.verify(:'dated');
SELECT verdict FROM tokenauth.verify(:'token');
-- … and the history has the life of each token, with who did what
SELECT e.event, e.actor, t.name FROM tokenauth.events e JOIN tokenauth.tokens t ON t.id = e.token_id ORDER BY e.id;

-- "When a token expires, delete it and create a new one."
SELECT tokenauth.delete(:'brief_id', 'user:admin');
-- "Review the token list periodically and delete tokens that are no longer in use. The last-used timestamp helps identify inactive tokens"
SELECT name, status, last_used_at IS NULL AS never_used FROM tokenauth.list('user:admin') ORDER BY name;
