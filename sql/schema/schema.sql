\echo Use "CREATE EXTENSION tokenauth" to load this file. \quit

-- CREATE EXTENSION sets just this path; said here, it holds for whoever reads or checks the script by itself.
SET LOCAL search_path TO pg_catalog, pg_temp;

-- A plain CREATE: if somebody has made a schema of this name beforehand, and so owns it, the installation fails here.
CREATE SCHEMA tokenauth;

COMMENT ON SCHEMA tokenauth IS 'API tokens: issue, verify, see and revoke them';
