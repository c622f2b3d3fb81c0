-- The library, the extension in a database and the installed files are of one version, or doctor() says which is not. A
-- library that is too old for what is installed refuses every call, before it reads an argument.
CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'k_');
SELECT tokenauth.put_principal('user:1', '{*}');
SELECT id, token FROM tokenauth.issue('api', 'user:1') \gset
SELECT area, object, finding FROM tokenauth.doctor() WHERE area = 'version';
SELECT extversion AS this, split_part(extversion, '.', 1) || '.' || split_part(extversion, '.', 2) || '.999' AS patch
  FROM pg_extension WHERE extname = 'tokenauth' \gset
CREATE FUNCTION versions() RETURNS TABLE (object text, finding text, hint text) LANGUAGE sql AS $$
    SELECT d.object, replace(d.finding, a.default_version, 'THIS'), replace(d.hint, a.default_version, 'THIS')
      FROM tokenauth.doctor() d, pg_available_extensions a WHERE d.area = 'version' AND a.name = 'tokenauth'
$$;

-- an extension that is not updated yet works
UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'tokenauth';
\c
SELECT verdict FROM tokenauth.verify(:'token');
SELECT * FROM versions();

-- and so does one that a later patch release has updated, whose functions and tables are the same
UPDATE pg_extension SET extversion = :'patch' WHERE extname = 'tokenauth';
\c
SELECT verdict FROM tokenauth.verify(:'token');
SELECT object, replace(finding, :'patch', 'PATCH') AS finding, hint FROM versions();

-- a newer one has functions and tables that the library does not know: no function, no trigger and no view goes on
UPDATE pg_extension SET extversion = '999.0.0' WHERE extname = 'tokenauth';
\c
\set VERBOSITY sqlstate
SELECT verdict FROM tokenauth.verify(:'token');
SELECT tokenauth.revoke(:'id');
SELECT count(*) FROM tokenauth.doctor();
SELECT count(*) FROM tokenauth.tokens;
UPDATE tokenauth.kind SET description = 'renamed';
DELETE FROM tokenauth.token;

-- with one clear error
CREATE FUNCTION told(statement text) RETURNS TABLE (message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    SELECT replace(message, a.default_version, 'THIS') INTO message FROM pg_available_extensions a WHERE a.name = 'tokenauth';
    RETURN NEXT;
END $$;
\x on
SELECT * FROM told('SELECT tokenauth.verify($$k_1$$)');
\x off

-- a script of a newer version begins by asking for the library that it needs
CREATE FUNCTION require_library() RETURNS void LANGUAGE c AS 'tokenauth', 'require_library_wrapper';
SELECT require_library();
UPDATE pg_extension SET extversion = :'patch' WHERE extname = 'tokenauth';
SELECT require_library();
UPDATE pg_extension SET extversion = :'this' WHERE extname = 'tokenauth';
SELECT require_library();
\c
SELECT verdict FROM tokenauth.verify(:'token');
SELECT * FROM versions();
