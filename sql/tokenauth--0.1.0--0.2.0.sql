\echo Use "ALTER EXTENSION tokenauth UPDATE TO '0.2.0'" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

-- A library that is older than this script, since it was loaded before its file was replaced, is told by one clear error.
CREATE FUNCTION tokenauth.require_library() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'require_library_wrapper';
SELECT tokenauth.require_library();
DROP FUNCTION tokenauth.require_library();

-- Comments that say in a sentence what a function does.
COMMENT ON FUNCTION tokenauth.authenticate_digest IS 'Authenticates the transaction as authenticate does, given the SHA-256 of the token';
COMMENT ON FUNCTION tokenauth.authenticate_request IS 'Authenticates the transaction as authenticate does, by the token in the headers of an HTTP request';
COMMENT ON FUNCTION tokenauth.sign_in_digest IS 'Verifies a token as sign_in does, given its SHA-256';
COMMENT ON FUNCTION tokenauth.sign_in_request IS 'Verifies as sign_in does, for the token in the headers of an HTTP request';
COMMENT ON FUNCTION tokenauth.current_owner IS 'Returns the principal that the transaction acts for; NULL when nobody is authenticated';
COMMENT ON FUNCTION tokenauth.current_owner_type IS 'Returns the type of the principal that the transaction acts for';
COMMENT ON FUNCTION tokenauth.current_owner_id IS 'Returns the id of the principal that the transaction acts for, without its type';
COMMENT ON FUNCTION tokenauth.current_token_id IS 'Returns the id of the token that authenticated the transaction';
COMMENT ON FUNCTION tokenauth.current_kind IS 'Returns the kind of the token that authenticated the transaction';
COMMENT ON FUNCTION tokenauth.current_scopes IS 'Returns the scopes that the token granted when it authenticated the transaction';
COMMENT ON FUNCTION tokenauth.has_scope IS 'Tells whether the transaction is authenticated by a token that grants this scope';
COMMENT ON FUNCTION tokenauth.data_scope IS 'Returns the allowed values of a dimension; NULL when unrestricted, none when nobody is authenticated';
COMMENT ON FUNCTION tokenauth.in_data_scope IS 'Tells whether the transaction is authenticated by a token that allows this value of a dimension';
COMMENT ON FUNCTION tokenauth.pre_request IS 'Authenticates the transaction by the headers of PostgREST''s request, as its db-pre-request, or raises the response';
COMMENT ON FUNCTION tokenauth.strip_grants IS 'Internal: revokes what default privileges grant while the extension is created or updated';
COMMENT ON FUNCTION tokenauth.doctor IS 'Lists what is not as it ought to be, and what to do about it, the most urgent first';
COMMENT ON FUNCTION tokenauth.expiring IS 'Lists tokens that are alive and expire within this time, the first to expire first';
COMMENT ON FUNCTION tokenauth.idle IS 'Lists tokens that are alive and were neither issued nor used within this time, the longest idle first';
COMMENT ON FUNCTION tokenauth.contains_token IS 'Tells whether a text contains a token';
COMMENT ON FUNCTION tokenauth.mask IS 'Returns the text with every token in it hidden except for its hint';
COMMENT ON FUNCTION tokenauth.report IS 'Shows the state of things on one page: tokens by kind, expiring, idle, unusual, newly dead, drift, settings';
COMMENT ON FUNCTION tokenauth.sync_principal IS 'Keeps principals or memberships in step with a table, as the function of a trigger on it';
COMMENT ON FUNCTION tokenauth.stats IS 'Shows how often each verdict was given in this database, on this server';
COMMENT ON FUNCTION tokenauth.unusual_activity IS 'Lists recent unusual use of tokens, with its evidence';
COMMENT ON FUNCTION tokenauth.covers IS 'Tells whether a list of scopes grants all of this scope or pattern';

-- Last, since it is for everything that this script has made: nothing of that is granted to anybody.
SELECT tokenauth.strip_grants();
