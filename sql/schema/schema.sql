\echo Use "CREATE EXTENSION tokenauth" to load this file. \quit

-- CREATE EXTENSION sets this same path; it is repeated for whoever reads or checks the script alone.
SET LOCAL search_path TO pg_catalog, pg_temp;

-- A plain CREATE: if somebody else has made, and so owns, a schema of this name, the installation fails here.
CREATE SCHEMA tokenauth;

-- A library that is older than this script, since it was loaded before its file was replaced, is told by one clear error.
CREATE FUNCTION tokenauth.require_library() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'require_library_wrapper';
SELECT tokenauth.require_library();
DROP FUNCTION tokenauth.require_library();

COMMENT ON SCHEMA tokenauth IS 'API tokens: issue, verify, list and revoke them';
