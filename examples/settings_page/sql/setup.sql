-- The tables of an application, the kinds of tokens of five products, and the roles that the settings page connects as.
CREATE EXTENSION tokenauth;

INSERT INTO tokenauth.kind
    (name, prefix, description, owner_types, permission_mode, owner_inactive, name_required,
     default_lifetime, max_lifetime, lifetime_required, reveal, issue_permission, manage_permission) VALUES
    -- Parascope's personal tokens
    ('personal', 'ps_usr_', 'Personal token: may do whatever you may, and dies with your account',
     '{user}', 'live', 'revoke', true, NULL, NULL, false, false, NULL, 'tokens:manage'),
    -- ParseSphere's keys of accounts and organisations
    ('api-key', 'sk_', 'API key: may do whatever its owner may, and rests while the account does',
     '{user,org}', 'live', 'suspend', true, NULL, NULL, false, false, NULL, 'tokens:manage'),
    -- scoutPRIME's tokens, for the members of a group; showing them needs a line "seal" in tokenauth.key_file
    ('scout', 'scout_', 'scoutPRIME token: has a timeout, and can be shown again',
     '{user}', 'live', 'revoke', false, NULL, NULL, true, true, 'group:api-tokens', 'tokens:manage'),
    -- Palpabl's tokens
    ('pat', 'pnms_pat_', 'Access token: may do what you choose, for 90 days unless you say otherwise',
     '{user}', 'intersect', 'revoke', false, '90 days', '1 year', false, false, NULL, 'tokens:manage'),
    -- Permission Assist's tokens, which administrators manage
    ('integration', 'pa_', 'System-wide token of an integration: may do everything',
     '{integration}', 'all', 'revoke', true, NULL, NULL, false, false, 'system:configuration', 'system:configuration');

-- The application's own tables decide who is active and who may do what; each change here is one there, at once.
CREATE TABLE person (
    id text PRIMARY KEY,
    name text NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    is_administrator boolean NOT NULL DEFAULT false,
    permissions text[] NOT NULL DEFAULT '{}'
);
CREATE TABLE organisation (
    id text PRIMARY KEY,
    name text NOT NULL,
    permissions text[] NOT NULL DEFAULT '{}'
);
CREATE TABLE membership (
    organisation_id text REFERENCES organisation ON DELETE CASCADE,
    person_id text REFERENCES person ON DELETE CASCADE,
    permissions text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (organisation_id, person_id)
);
CREATE TABLE integration (
    id text PRIMARY KEY,
    name text NOT NULL
);
SELECT tokenauth.bind_principals('person', 'user', 'id', active => 'is_active', permissions => 'permissions', display_name => 'name');
SELECT tokenauth.bind_principals('organisation', 'org', 'id', permissions => 'permissions', display_name => 'name');
SELECT tokenauth.bind_principals('integration', 'integration', 'id', display_name => 'name');
SELECT tokenauth.bind_members('membership', $$'org:' || organisation_id$$, $$'user:' || person_id$$, permissions => 'permissions');

-- The forms act for whoever is signed in. A statement that forgets to say for whom fails, instead of acting for the
-- application itself, which may do everything.
CREATE ROLE settings_page LOGIN;
ALTER ROLE settings_page SET tokenauth.require_actor = on;
SELECT tokenauth.grant_access('settings_page', 'manage');
GRANT SELECT ON person, organisation, membership, integration TO settings_page;

-- What administrators look at, kinds and charts: this role sees every token and can change none.
CREATE ROLE settings_observer LOGIN;
SELECT tokenauth.grant_access('settings_observer', 'observe');

-- The API verifies tokens, and can do nothing else.
CREATE ROLE settings_api LOGIN;
SELECT tokenauth.grant_access('settings_api', 'verify');

ALTER ROLE settings_page SET statement_timeout = '10s';
ALTER ROLE settings_observer SET statement_timeout = '10s';
ALTER ROLE settings_api SET statement_timeout = '10s';
