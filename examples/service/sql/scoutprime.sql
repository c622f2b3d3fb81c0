-- scoutPRIME: tokens of the members of one group, with a required lifetime, which can be shown again, and the workspaces
-- of their owners. Showing needs a line "seal" in the server's tokenauth.key_file.
CREATE EXTENSION tokenauth;

INSERT INTO tokenauth.kind (name, prefix, permission_mode, issue_permission, lifetime_required, expired_editable, reveal)
VALUES ('api', 'scout_', 'live', 'group:api-tokens', true, false, true);

CREATE TABLE workspace (
    id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    owner_id text NOT NULL,
    name text NOT NULL,
    findings integer NOT NULL DEFAULT 0
);
CREATE INDEX ON workspace (owner_id);
ALTER TABLE workspace ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON workspace FOR SELECT USING (
    owner_id = (SELECT tokenauth.current_owner_id()) AND (SELECT tokenauth.has_scope('workspaces:read')));

CREATE ROLE scoutprime_api LOGIN;
ALTER ROLE scoutprime_api SET statement_timeout = '10s';
ALTER ROLE scoutprime_api SET idle_in_transaction_session_timeout = '30s';
SELECT tokenauth.grant_access('scoutprime_api', 'self');
GRANT SELECT ON workspace TO scoutprime_api;
