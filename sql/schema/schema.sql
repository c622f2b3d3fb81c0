\echo Use "CREATE EXTENSION tokenauth" to load this file. \quit

-- CREATE EXTENSION sets this same path; it is repeated for whoever reads or checks the script alone.
SET LOCAL search_path TO pg_catalog, pg_temp;

-- A plain CREATE: if somebody else has made, and so owns, a schema of this name, the installation fails here.
CREATE SCHEMA tokenauth;

COMMENT ON SCHEMA tokenauth IS 'API tokens: issue, verify, list and revoke them';
