-- ParseSphere: keys of accounts and organisations, managed through the API itself; the keys of a deactivated account get 403 until
-- it is in good standing again. Each quotation is from ParseSphere's documentation; the statements below it show that it holds.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)

-- "API keys start with sk_ and are tied to your account (or organization, if you're part of one)."
INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, owner_inactive, manage_permission, name_required, error_style)
VALUES ('api-key', 'sk_', '{account,org}', 'live', 'suspend', 'keys:manage', true, 'coded');

-- … errors have the same form where no key, and so no kind, is known
SET tokenauth.default_error_style = 'coded';

-- accounts and organisations, which the application itself keeps in step
SELECT tokenauth.put_principal('account:ann', '{parses:*,workspaces:*}', '{"workspace": ["ann-notes", "acme-shared"]}');
SELECT tokenauth.put_principal('account:ben', '{parses:*,workspaces:*}', '{"workspace": ["ben-notes", "acme-shared"]}');
SELECT tokenauth.put_principal('org:acme', '{parses:*,workspaces:*}', '{"workspace": ["acme-shared"]}');

-- "The easiest way to create an API key is through the dashboard. Log in, go to API Keys, and click "Create Key.""
SELECT token, id FROM tokenauth.issue('api-key', 'account:ann', 'First key', actor => 'account:ann') \gset
SELECT left(:'token', 3) AS starts_with;

-- "Include your API key in the Authorization header using the Bearer scheme: Authorization: Bearer sk_your_api_key"
SELECT verdict, http_status, owner, name FROM tokenauth.verify_request(jsonb_build_object('Authorization', 'Bearer ' || :'token'));
-- "All ParseSphere API requests require authentication using an API key."
SELECT v.verdict, tokenauth.error_response(v) -> 'status' AS status, (tokenauth.error_response(v) -> 'body') - 'correlationId' AS body
  FROM tokenauth.verify_request('{"Content-Type": "application/json"}') v;

-- "You can also manage keys programmatically using the endpoints below."
-- … each request is a transaction that authenticates with the key and acts as its owner; the API server's role can do nothing else
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_parsesphere_api;
RESET client_min_messages;
CREATE ROLE regress_parsesphere_api;
SELECT tokenauth.grant_access('regress_parsesphere_api', 'self');
SET ROLE regress_parsesphere_api;
-- "POST /v1/api-keys: Create a new API key"
BEGIN;
SELECT tokenauth.authenticate_request(jsonb_build_object('Authorization', 'Bearer ' || :'token'));
SELECT token AS secret, id AS secret_id, name FROM tokenauth.issue('api-key', tokenauth.current_owner(), 'Production API Key') \gset
COMMIT;
SELECT :'name' AS name;
-- "The full key (in the secret field) is only shown once." "you won't be able to retrieve it again."
SELECT verdict FROM tokenauth.verify(:'secret');

-- "GET /v1/api-keys: List all your API keys". "For security, only the key prefix is shown. Full keys are never returned after creation."
BEGIN;
SELECT tokenauth.authenticate_request(jsonb_build_object('Authorization', 'Bearer ' || :'token'));
SELECT l.name, l.hint ~ '^sk_[0-9A-Za-z]{8}…[0-9A-Za-z]{4}$' AS prefix, l.status = 'active' AS is_active FROM tokenauth.list() l ORDER BY l.name;
SELECT count(*) AS shown_again FROM tokenauth.list() AS l WHERE strpos(l::text, :'secret') > 0;
COMMIT;

-- "DELETE /v1/api-keys/{api_key_id}: Revoke an API key"
BEGIN;
SELECT tokenauth.authenticate_request(jsonb_build_object('Authorization', 'Bearer ' || :'token'));
SELECT tokenauth.revoke(:'secret_id', 'DELETE /v1/api-keys');
COMMIT;
-- … keys cannot be managed without a key, nor with a revoked one
\set VERBOSITY sqlstate
SELECT tokenauth.issue('api-key', 'account:ann', 'without a key');
SELECT tokenauth.authenticate(:'secret');
\set VERBOSITY default
RESET ROLE;
-- "Revoking a key is immediate. Any applications using it will lose access right away."
-- "Revoked: Key has been deleted via the DELETE endpoint. Requests return 401 Unauthorized"
SELECT v.verdict, v.http_status, tokenauth.error_response(v) -> 'body' ->> 'error_code' AS error_code FROM tokenauth.verify(:'secret') v;
SELECT name, status = 'active' AS is_active FROM tokenauth.list('account:ann') ORDER BY name;
-- … somebody else's key cannot be revoked, and seems not to exist
SELECT token AS bens FROM tokenauth.issue('api-key', 'account:ben', 'Ben''s key') \gset
\set VERBOSITY sqlstate
BEGIN;
SELECT tokenauth.authenticate(:'bens');
SELECT tokenauth.revoke(:'id');
ROLLBACK;
SELECT tokenauth.revoke(:'id', actor => 'account:ben');
\set VERBOSITY default

-- "API keys do not expire automatically. A key remains valid until it is explicitly revoked or its owning account is deactivated."
SELECT name, expires_at FROM tokenauth.list('account:ann') ORDER BY name;
-- "Active (is_active: true): Key can authenticate requests normally"
SELECT verdict, http_status FROM tokenauth.verify(:'token');
-- "Account deactivated: The account owning the key has been deactivated. Requests return 403 Forbidden with error_code:
-- "account_deactivated""
SELECT tokenauth.deactivate('account:ann', 'subscription unpaid');
SELECT v.verdict, v.http_status, (tokenauth.error_response(v) -> 'body') - 'correlationId' AS body FROM tokenauth.verify(:'token') v;
-- … a revoked key of the same account still gets 401
SELECT verdict, http_status FROM tokenauth.verify(:'secret');
-- "If your previously working key starts returning 403, check that your account is in good standing and your subscription is active."
SELECT tokenauth.activate('account:ann');
SELECT verdict, http_status FROM tokenauth.verify(:'token');
SELECT verdict, http_status FROM tokenauth.verify(:'secret');

-- "If you're part of an organization, API keys can be scoped to that organization."
SELECT tokenauth.add_member('org:acme', 'account:ann', '{keys:manage}');
SELECT tokenauth.add_member('org:acme', 'account:ben');
-- "Keys created while in an org context are tied to that organization"
SELECT token AS org_token, id AS org_id, owner FROM tokenauth.issue('api-key', 'org:acme', 'Acme ingest', actor => 'account:ann') \gset
SELECT :'owner' AS owner;
-- "They can access workspaces shared within the organization"
SELECT verdict, owner, data_scopes FROM tokenauth.verify(:'org_token', '{workspaces:read}');
SELECT tokenauth.put_principal('org:acme', data_scopes => '{"workspace": ["acme-shared", "acme-new"]}');
SELECT data_scopes FROM tokenauth.verify(:'org_token');
SELECT tokenauth.put_principal('org:acme', data_scopes => '{"workspace": ["acme-shared"]}');
-- "All org members with appropriate permissions can see and manage org keys"
SELECT owner, name FROM tokenauth.list('account:ann') ORDER BY owner, name;
SELECT owner, name FROM tokenauth.list('account:ben') ORDER BY owner, name;
SELECT tokenauth.grantable('api-key', 'org:acme', 'account:ann') AS ann, tokenauth.grantable('api-key', 'org:acme', 'account:ben') AS ben;
SELECT tokenauth.issue('api-key', 'org:acme', 'mine', actor => 'account:ben');
\echo :SQLSTATE
SELECT tokenauth.add_member('org:acme', 'account:ben', '{keys:manage}');
-- … and Ben can do so by a key of his own
BEGIN;
SELECT tokenauth.authenticate(:'bens');
SELECT owner, name FROM tokenauth.list() ORDER BY owner, name;
SELECT name FROM tokenauth.edit(:'org_id', name => 'Acme ingest (Ben)');
COMMIT;
-- … the organisation's key keeps working when the member who created it has left
SELECT tokenauth.remove_member('org:acme', 'account:ann');
SELECT tokenauth.deactivate('account:ann');
SELECT verdict, owner FROM tokenauth.verify(:'org_token');
SELECT tokenauth.activate('account:ann');
SELECT count(*) FROM tokenauth.list('account:ann', 'org:acme');

-- "For production systems, rotate API keys periodically:
--  1. Create a new key"
SELECT token AS new_token, id AS new_id FROM tokenauth.rotate(:'org_id', grace => '7 days', actor => 'account:ben') \gset
--  "2. Update your application to use the new key"
SELECT verdict FROM tokenauth.verify(:'org_token');
SELECT verdict FROM tokenauth.verify(:'new_token');
--  "3. Verify everything works"
SELECT predecessor = :'org_id' AS old, successor = :'new_id' AS new, successor_last_used_at IS NOT NULL AS new_is_used FROM tokenauth.rotation_status(:'new_id');
--  "4. Revoke the old key"
SELECT tokenauth.revoke(:'org_id', 'rotated', 'account:ben');
SELECT verdict FROM tokenauth.verify(:'org_token');
SELECT verdict FROM tokenauth.verify(:'new_token');
SELECT predecessor_in_use FROM tokenauth.rotation_status(:'new_id');

-- "Keep an eye on your API keys through the dashboard: See when each key was last used. Track request counts."
SELECT name, status, last_used_at <= clock_timestamp() AS last_used, request_count > 0 AS requests, denied_count > 0 AS denied
  FROM tokenauth.tokens ORDER BY created_at;
-- "Revoke compromised keys immediately": one call revokes all keys of an account
SELECT tokenauth.revoke_all('account:ann', reason => 'compromised');
SELECT verdict, http_status FROM tokenauth.verify(:'token');
SELECT verdict FROM tokenauth.verify(:'new_token');

DROP OWNED BY regress_parsesphere_api;
DROP ROLE regress_parsesphere_api;
