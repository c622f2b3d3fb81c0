\echo Use "CREATE EXTENSION tokenauth" to load this file. \quit

-- A plain CREATE: if somebody has made a schema of this name beforehand, and so owns it, the installation fails here.
CREATE SCHEMA tokenauth;

COMMENT ON SCHEMA tokenauth IS 'API tokens: issue, verify, see and revoke them';
