-- Parascope: the kinds in its documentation, the application's table of users, and the configuration items of sites.
CREATE EXTENSION tokenauth;

INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, self_service, issue_permission, manage_permission, ceiling, name_required) VALUES
    ('personal', 'ps_usr_', '{user}', 'live', true, NULL, NULL, NULL, true),
    ('service', 'ps_svc_', '{service}', 'live', false, NULL, NULL, NULL, true),
    ('admin', 'ps_adm_', '{user}', 'live', true, 'keys:admin', 'keys:admin', NULL, true),
    ('read-only', 'ps_ro_', '{user}', 'live', true, 'keys:admin', 'keys:admin', '{*:read}', true);

-- Deactivating a user here revokes the user's tokens in the same transaction. NULL in sites stands for every site.
CREATE TABLE users (
    id integer PRIMARY KEY,
    name text NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    permissions text[] NOT NULL DEFAULT '{}',
    sites text[]
);
SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'is_active', permissions => 'permissions',
    data_scopes => $$CASE WHEN sites IS NULL THEN '{}' ELSE jsonb_build_object('site', sites) END$$, display_name => 'name');

CREATE TABLE configuration_item (
    id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    ci_type text NOT NULL,
    name text NOT NULL,
    site text NOT NULL,
    UNIQUE (site, name)
);

-- data_scope() is empty when nobody is authenticated, and NULL when the owner may see all sites.
ALTER TABLE configuration_item ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON configuration_item FOR SELECT USING (
    (SELECT tokenauth.has_scope('ci:read'))
    AND ((SELECT tokenauth.data_scope('site')) IS NULL OR site = ANY ((SELECT tokenauth.data_scope('site'))::text[])));
CREATE POLICY writable ON configuration_item FOR INSERT WITH CHECK (
    (SELECT tokenauth.has_scope('ci:write'))
    AND ((SELECT tokenauth.data_scope('site')) IS NULL OR site = ANY ((SELECT tokenauth.data_scope('site'))::text[])));

CREATE ROLE parascope_api LOGIN;
ALTER ROLE parascope_api SET statement_timeout = '10s';
ALTER ROLE parascope_api SET idle_in_transaction_session_timeout = '30s';
SELECT tokenauth.grant_access('parascope_api', 'verify');
GRANT SELECT, INSERT ON configuration_item TO parascope_api;
