\echo Use "ALTER EXTENSION tokenauth UPDATE TO '0.2.0'" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

-- A library that is older than this script, since it was loaded before its file was replaced, is told by one clear error.
CREATE FUNCTION tokenauth.require_library() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'require_library_wrapper';
SELECT tokenauth.require_library();
DROP FUNCTION tokenauth.require_library();
