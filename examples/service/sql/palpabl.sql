-- Palpabl NMS: personal tokens with any subset of the permissions held, and the devices of their owners.
CREATE EXTENSION tokenauth;

INSERT INTO tokenauth.kind (name, prefix, permission_mode, default_lifetime, max_lifetime)
VALUES ('pat', 'pnms_pat_', 'intersect', '90 days', '1 year');

CREATE TABLE device (
    id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    owner_id text NOT NULL,
    name text NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'offline', 'planned'))
);
CREATE INDEX ON device (owner_id);
ALTER TABLE device ENABLE ROW LEVEL SECURITY;
CREATE POLICY viewed ON device FOR SELECT USING (
    owner_id = (SELECT tokenauth.current_owner_id()) AND (SELECT tokenauth.has_scope('dcim.view_device')));
CREATE POLICY changed ON device FOR UPDATE USING (
    owner_id = (SELECT tokenauth.current_owner_id()) AND (SELECT tokenauth.has_scope('dcim.change_device')));

CREATE ROLE palpabl_api LOGIN;
ALTER ROLE palpabl_api SET statement_timeout = '10s';
ALTER ROLE palpabl_api SET idle_in_transaction_session_timeout = '30s';
SELECT tokenauth.grant_access('palpabl_api', 'verify');
GRANT SELECT, UPDATE (status) ON device TO palpabl_api;
