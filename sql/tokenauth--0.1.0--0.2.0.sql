\echo Use "ALTER EXTENSION tokenauth UPDATE TO '0.2.0'" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

-- A library that is older than this script, since it was loaded before its file was replaced, is told by one clear error.
CREATE FUNCTION tokenauth.require_library() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'require_library_wrapper';
SELECT tokenauth.require_library();
DROP FUNCTION tokenauth.require_library();

-- Comments that say in a sentence what a function does.
COMMENT ON FUNCTION tokenauth.strip_grants IS 'Internal: revokes what default privileges grant while the extension is created or updated';

-- Last, since it is for everything that this script has made: nothing of that is granted to anybody.
SELECT tokenauth.strip_grants();
