-- Parascope: personal tokens that live and die with their user, service keys that belong to no user, administrators' keys.
-- Each quotation is from Parascope's documentation; the statements below it show that it holds.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)

-- "Personal tokens  ps_usr_  Individual users via the UI  Until revoked"
-- "Service keys     ps_svc_  System-provisioned by Parascope  Until rotated"
-- "Admin keys       ps_adm_  Administrators  Until revoked"
-- "Read-only keys   ps_ro_   Administrators  Until revoked"
INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, self_service, issue_permission, manage_permission, ceiling, name_required) VALUES
    ('personal', 'ps_usr_', '{user}', 'live', true, NULL, NULL, NULL, true),
    ('service', 'ps_svc_', '{service}', 'live', false, NULL, NULL, NULL, true),
    ('admin', 'ps_adm_', '{user}', 'live', true, 'keys:admin', 'keys:admin', NULL, true),
    ('read-only', 'ps_ro_', '{user}', 'live', true, 'keys:admin', 'keys:admin', '{*:read}', true);

-- the application's own table of users decides who is active and who may do what; "inheriting that user's permissions and
-- data scopes": a NULL in sites stands for every site
CREATE TABLE users (
    id integer PRIMARY KEY,
    name text NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    permissions text[] NOT NULL DEFAULT '{}',
    sites text[]
);
INSERT INTO users (id, name, permissions) VALUES (1, 'Ada', '{*}');
SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'is_active', permissions => 'permissions',
    data_scopes => $$CASE WHEN sites IS NULL THEN '{}' ELSE jsonb_build_object('site', sites) END$$, display_name => 'name');
INSERT INTO users (id, name, permissions, sites) VALUES (2, 'Bo', '{ci:read,ci:write}', '{nyc,lon}');
SELECT tokenauth.put_principal('service:discovery', '{ci:*}');

-- "Enter a name for the token (e.g., "Monitoring Script", "CI/CD Pipeline")"
SELECT tokenauth.issue('personal', 'user:2', actor => 'user:2');
\echo :SQLSTATE
-- "Copy the token immediately — it will not be shown again"
SELECT token, id FROM tokenauth.issue('personal', 'user:2', 'Monitoring Script', actor => 'user:2') \gset
SELECT :'token' ~ '^ps_usr_[0-9A-Za-z]{49}$' AS shown_once;
SELECT count(*) AS shown_again FROM tokenauth.list('user:2') AS l WHERE l::text LIKE '%' || :'token' || '%';

-- "Include the token in the X-API-Key header of your API requests"
SELECT verdict, http_status, owner FROM tokenauth.verify_request(jsonb_build_object('X-API-Key', :'token'), '{ci:read}');
-- "Always use single quotes around the key value in shell commands to avoid special character interpretation." None is needed:
SELECT :'token' ~ '^[0-9A-Za-z_]+$' AS safe_in_a_shell;

-- "Created by individual users, inheriting that user's permissions and data scopes."
SELECT scopes, data_scopes FROM tokenauth.verify(:'token');
-- "If your permissions change, the token's effective access changes too."
UPDATE users SET permissions = '{ci:read,reports:read}', sites = '{lon}' WHERE id = 2;
SELECT scopes, data_scopes FROM tokenauth.verify(:'token');
SELECT verdict, http_status, detail FROM tokenauth.verify(:'token', '{ci:write}');
-- "Lifetime: Until revoked"
SELECT expires_at FROM tokenauth.tokens WHERE id = :'id';

-- "The token list […] shows: Token name; Token prefix (first few characters for identification); Created date; Last used date"
SELECT name, hint = 'ps_usr_' || substr(:'token', 8, 8) || '…' || right(:'token', 4) AS hint, created_at <= now() AS created, last_used_at <= clock_timestamp() AS last_used
  FROM tokenauth.list('user:2');
-- "The full token value is never displayed after creation."
SELECT count(*) AS stored FROM tokenauth.token AS t WHERE strpos(t::text, :'token') > 0;
SELECT count(*) AS in_history FROM tokenauth.events AS e WHERE strpos(e::text, :'token') > 0;
-- a user's list contains the user's own tokens, and no others
SELECT count(*) FROM tokenauth.list('user:1');

-- "Revoked tokens are immediately invalidated — any requests using them will receive a 401 Unauthorized response."
SELECT token AS second, id AS second_id FROM tokenauth.issue('personal', 'user:2', 'CI/CD Pipeline', actor => 'user:2') \gset
SELECT tokenauth.revoke(:'second_id', actor => 'user:2');
SELECT v.verdict, v.http_status, tokenauth.error_response(v) -> 'status' AS status, tokenauth.error_response(v) -> 'headers' ->> 'WWW-Authenticate' AS challenge,
       tokenauth.error_response(v) -> 'body' ->> 'error' AS error
  FROM tokenauth.verify_request(jsonb_build_object('X-API-Key', :'second')) v;
-- … and nobody else can even see them
SELECT count(*) FROM tokenauth.list('user:1', 'user:2', 'personal');

-- "If the user is deactivated, all their tokens are immediately revoked."
UPDATE users SET is_active = false WHERE id = 2;
SELECT verdict, http_status FROM tokenauth.verify(:'token');
SELECT name, status FROM tokenauth.tokens WHERE owner = 'user:2' ORDER BY name;
SELECT tokenauth.issue('personal', 'user:2', 'while away', actor => 'user:2');
\echo :SQLSTATE
-- … for good; and only the table decides who is active, not a call by hand
SELECT tokenauth.activate('user:2');
\echo :SQLSTATE
UPDATE users SET is_active = true WHERE id = 2;
SELECT verdict, http_status FROM tokenauth.verify(:'token');
-- … a deactivation that is rolled back has revoked nothing
SELECT token AS third FROM tokenauth.issue('personal', 'user:2', 'third', actor => 'user:2') \gset
BEGIN;
UPDATE users SET is_active = false WHERE id = 2;
SELECT verdict FROM tokenauth.verify(:'third');
ROLLBACK;
SELECT verdict FROM tokenauth.verify(:'third');
-- … a deactivation covers any number of users at once
BEGIN;
UPDATE users SET is_active = false;
SELECT count(*) AS alive FROM tokenauth.tokens WHERE owner LIKE 'user:%' AND status = 'active';
ROLLBACK;
-- … and a deleted row leaves no working token behind
BEGIN;
DELETE FROM users WHERE id = 2;
SELECT verdict, http_status FROM tokenauth.verify(:'third');
ROLLBACK;

-- "Service Keys: Pre-provisioned keys used by automated integrations and service-to-service communication. These don't expire and
-- aren't tied to a user account."
SELECT token AS service, id AS service_id, expires_at FROM tokenauth.issue('service', 'service:discovery', 'nightly discovery') \gset
SELECT verdict, owner, scopes, expires_at FROM tokenauth.verify(:'service');
SELECT tokenauth.issue('service', 'user:1', 'mine');
\echo :SQLSTATE
-- "Created By: System-provisioned by Parascope": neither by the service itself nor by an administrator
SELECT tokenauth.issue('service', 'service:discovery', 'another', actor => 'service:discovery');
\echo :SQLSTATE
SELECT tokenauth.issue('service', 'service:discovery', 'another', actor => 'user:1');
\echo :SQLSTATE
-- "Lifetime: Until rotated"
SELECT token AS rotated FROM tokenauth.rotate(:'service_id') \gset
SELECT verdict FROM tokenauth.verify(:'service');
SELECT verdict, name FROM tokenauth.verify(:'rotated');
-- … and no user's deactivation affects it
BEGIN;
UPDATE users SET is_active = false;
SELECT verdict FROM tokenauth.verify(:'rotated');
ROLLBACK;

-- "Admin keys, Read-only keys: Created By Administrators"
SELECT token AS admin FROM tokenauth.issue('admin', 'user:1', 'break glass', actor => 'user:1') \gset
SELECT token AS readonly FROM tokenauth.issue('read-only', 'user:2', 'auditor', actor => 'user:1') \gset
SELECT tokenauth.issue('admin', 'user:2', 'mine', actor => 'user:2');
\echo :SQLSTATE
SELECT tokenauth.grantable('admin', 'user:2', 'user:2') AS admin_button, tokenauth.grantable('read-only', 'user:2', 'user:2') AS readonly_button,
       tokenauth.grantable('personal', 'user:2', 'user:2') AS personal_button;
SELECT left(:'admin', 7) AS admin, left(:'readonly', 6) AS readonly;
SELECT verdict FROM tokenauth.verify(:'admin', '{ci:write,users:write}');
-- a read-only key can only read, whatever its owner may do
UPDATE users SET permissions = '{*}' WHERE id = 2;
SELECT scopes FROM tokenauth.verify(:'readonly');
SELECT verdict FROM tokenauth.verify(:'readonly', '{ci:read}');
SELECT verdict, http_status FROM tokenauth.verify(:'readonly', '{ci:write}');
UPDATE users SET permissions = '{ci:read}' WHERE id = 2;
-- administrators see and revoke these keys
SELECT name, owner, kind FROM tokenauth.list('user:1') ORDER BY name;
SELECT tokenauth.revoke(id, actor => 'user:1') FROM tokenauth.list('user:1', kind => 'read-only');
SELECT verdict, http_status FROM tokenauth.verify(:'readonly');

-- "Revoke unused tokens — regularly review and revoke tokens that are no longer needed"
SELECT name, kind, last_used_at IS NULL AS never_used FROM tokenauth.tokens WHERE status = 'active' ORDER BY name;
-- "Use minimal permissions — if a script only reads data, ensure the token's user has read-only access"
SELECT scopes FROM tokenauth.verify(:'third');
SELECT verdict FROM tokenauth.verify(:'third', '{ci:write}');
