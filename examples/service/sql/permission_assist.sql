-- Permission Assist: system-wide tokens of integrations, and an audit log that attributes each call.
CREATE EXTENSION tokenauth;

INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, issue_permission, manage_permission, name_required, error_style)
VALUES ('api', 'pa_', '{integration}', 'all', 'system:configuration', 'system:configuration', true, 'uniform');

CREATE TABLE person (id integer PRIMARY KEY, name text NOT NULL, department text NOT NULL);
CREATE TABLE review (id integer PRIMARY KEY, person_id integer NOT NULL REFERENCES person, state text NOT NULL DEFAULT 'open');
CREATE TABLE audit_log (
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    call text NOT NULL,
    review_id integer,
    token_id uuid NOT NULL DEFAULT tokenauth.current_token_id(),
    integration text NOT NULL DEFAULT tokenauth.current_owner()
);

-- Tokens of this kind grant everything: every authenticated caller passes these policies, and nobody else does.
ALTER TABLE person ENABLE ROW LEVEL SECURITY;
CREATE POLICY authenticated ON person FOR SELECT USING ((SELECT tokenauth.has_scope('users:read')));
ALTER TABLE review ENABLE ROW LEVEL SECURITY;
CREATE POLICY authenticated ON review USING ((SELECT tokenauth.has_scope('reviews:approve')));
-- A call cannot be logged under somebody else's name.
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON audit_log FOR INSERT WITH CHECK (
    token_id = (SELECT tokenauth.current_token_id()) AND integration = (SELECT tokenauth.current_owner()));

CREATE ROLE permission_assist_api LOGIN;
ALTER ROLE permission_assist_api SET statement_timeout = '10s';
ALTER ROLE permission_assist_api SET idle_in_transaction_session_timeout = '30s';
SELECT tokenauth.grant_access('permission_assist_api', 'verify');
GRANT SELECT ON person TO permission_assist_api;
GRANT SELECT, UPDATE (state) ON review TO permission_assist_api;
GRANT INSERT ON audit_log TO permission_assist_api;
