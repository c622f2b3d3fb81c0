-- ParseSphere: keys of accounts and organisations, which are managed with keys, and the parses in their workspaces.
CREATE EXTENSION tokenauth;

INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, owner_inactive, manage_permission, name_required, error_style)
VALUES ('api-key', 'sk_', '{account,org}', 'live', 'suspend', 'keys:manage', true, 'coded');

CREATE TABLE parse (
    id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    workspace text NOT NULL,
    document text NOT NULL,
    status text NOT NULL DEFAULT 'done'
);
ALTER TABLE parse ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON parse FOR SELECT USING (
    (SELECT tokenauth.has_scope('parses:read'))
    AND ((SELECT tokenauth.data_scope('workspace')) IS NULL OR workspace = ANY ((SELECT tokenauth.data_scope('workspace'))::text[])));

-- The API manages keys only on behalf of the holder of a presented key: access "self", not "manage".
CREATE ROLE parsesphere_api LOGIN;
ALTER ROLE parsesphere_api SET statement_timeout = '10s';
ALTER ROLE parsesphere_api SET idle_in_transaction_session_timeout = '30s';
-- The form of errors where no key, and so no kind, is known.
ALTER ROLE parsesphere_api SET tokenauth.default_error_style = 'coded';
SELECT tokenauth.grant_access('parsesphere_api', 'self');
GRANT SELECT ON parse TO parsesphere_api;
