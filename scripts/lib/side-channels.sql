-- What scripts/side-channels counts, in a database without imports and in one with them.
\if :imports
CREATE DATABASE imports;
\c imports
\endif
CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
SELECT tokenauth.put_principal('user:1', '{devices:read}');
-- Enough tokens for indexes of more than a page.
SELECT count(tokenauth.issue('key', 'user:1')) FROM generate_series(1, 2000);

CREATE SCHEMA probe;
-- In a group all counts must be equal: its texts differ in what nobody may learn. What is in none is only told.
CREATE TABLE probe.call (position serial, same_as text, what text, call text);

-- A text with the checksum of a token: CRC-32 of zlib, in six digits of base62.
CREATE FUNCTION probe.with_checksum(covered text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    digits CONSTANT text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    register bigint := 4294967295;
    written text := '';
BEGIN
    FOR place IN 1..length(covered) LOOP
        register := register # ascii(substr(covered, place, 1));
        FOR bit IN 1..8 LOOP
            register := (register >> 1) # CASE register & 1 WHEN 1 THEN 3988292384 ELSE 0 END;
        END LOOP;
    END LOOP;
    register := 4294967295 - register;
    FOR place IN 1..6 LOOP
        written := substr(digits, (register % 62)::int + 1, 1) || written;
        register := register / 62;
    END LOOP;
    RETURN covered || written;
END
$$;
CREATE FUNCTION probe.verify(same_as text, what text, text text) RETURNS void LANGUAGE sql AS
    $$INSERT INTO probe.call (same_as, what, call) VALUES (same_as, what, format('(tokenauth.verify(%L)).verdict', text))$$;

CREATE TABLE probe.token AS
SELECT state, i.*, left(i.token, 15) AS public, substr(i.token, 16, 32) AS secret
  FROM unnest('{live,revoked,disabled,expired}'::text[]) AS state,
       LATERAL tokenauth.issue('key', 'user:1', expires_in => CASE state WHEN 'expired' THEN interval '1 second' END) i;
SELECT tokenauth.revoke(id) FROM probe.token WHERE state = 'revoked';
SELECT tokenauth.disable(id) FROM probe.token WHERE state = 'disabled';
SELECT pg_sleep(1.1);
CREATE TABLE probe.secret (what text, secret text);
INSERT INTO probe.secret VALUES ('of zeros', repeat('0', 32)), ('of z', repeat('z', 32)), ('of any digits', 'Q3xTn0aVb81LzKeWmYc7RfGhJ5sPuD2i');

\if :imports
-- What another system's tokens look like here: the longest of them is as long as any that is not known.
CREATE TABLE probe.import (algorithm text, text text, digest bytea);
INSERT INTO probe.import VALUES
    ('sha256', 'other-known-0001', sha256('other-known-0001')),
    ('sha512', 'other-known-0002', sha512('other-known-0002')),
    ('sha256-after-bar', '12|other-known-3', sha256('other-known-3')),
    ('sha512-of-hex', '00112233445566ab', sha512('\x00112233445566ab')),
    ('hmac-sha256:other', 'other-known-0005', NULL),
    ('hmac-sha256-after-dot:other', 'nbt.other-known6', NULL);
-- HMAC-SHA-256 under the key of the key file.
CREATE FUNCTION probe.hmac(message bytea) RETURNS bytea LANGUAGE sql AS $$
    SELECT sha256(string_agg(set_byte('\x00', 0, byte # 92), '' ORDER BY at) || sha256(string_agg(set_byte('\x00', 0, byte # 54), '' ORDER BY at) || message))
      FROM generate_series(0, 63) at,
           LATERAL (SELECT CASE WHEN at < 23 THEN get_byte('a key of another system', at) ELSE 0 END) k (byte)
$$;
UPDATE probe.import SET digest = probe.hmac(convert_to(split_part(text, '.', CASE WHEN algorithm ~ 'dot' THEN 2 ELSE 1 END), 'UTF8')) WHERE digest IS NULL;
SELECT tokenauth.import('key', 'user:1', encode(digest, 'hex'), algorithm) FROM probe.import;
SELECT probe.verify('', 'imported, ' || algorithm, text) FROM probe.import;
SELECT probe.verify('', 'not known among imports, ' || what, what)
  FROM unnest('{other-guess-0001,zzzzzzzzzzzzzzzz,0-1-2-3-4-5-6-7-}'::text[]) AS what;
SELECT probe.verify('', 'not known among imports, ' || translate(what, '|', '¦'), what)
  FROM unnest('{12|other-guess-3,98|zzzzzzzzzzzzz}'::text[]) AS what;
SELECT probe.verify('', 'not known among imports, ' || what, what)
  FROM unnest('{00112233445566ac,ffeeddccbbaa9988}'::text[]) AS what;
\else
-- A wrong checksum: no table is read, whatever the lookup and the secret are.
SELECT probe.verify('a wrong checksum', 'wrong checksum, unknown lookup, secret ' || what, 'key_0123456789A' || secret || '000000') FROM probe.secret;
SELECT probe.verify('a wrong checksum', 'wrong checksum, lookup and secret of a token, ' || state, public || secret || '000000') FROM probe.token;
-- The right checksum, and a lookup that no token has.
SELECT probe.verify('an unknown lookup', 'unknown lookup, secret ' || what, probe.with_checksum('key_0123456789A' || secret)) FROM probe.secret;
-- The lookup of a token, and another secret.
SELECT probe.verify('a wrong secret of a live token', 'secret ' || what, probe.with_checksum(public || secret.secret))
  FROM probe.token, probe.secret WHERE state = 'live';
SELECT probe.verify('a wrong secret of a live token', 'first digit of the secret wrong',
                    probe.with_checksum(public || CASE left(secret, 1) WHEN '0' THEN '1' ELSE '0' END || right(secret, 31)))
  FROM probe.token WHERE state = 'live';
SELECT probe.verify('a wrong secret of a live token', 'last digit of the secret wrong',
                    probe.with_checksum(public || left(secret, 31) || CASE right(secret, 1) WHEN '0' THEN '1' ELSE '0' END))
  FROM probe.token WHERE state = 'live';
SELECT probe.verify('a wrong secret of a revoked token', 'secret ' || what, probe.with_checksum(public || secret.secret))
  FROM probe.token, probe.secret WHERE state = 'revoked';
-- Digests that differ from the token's at other places.
INSERT INTO probe.call (same_as, what, call)
SELECT 'a wrong digest', 'digest wrong in byte ' || byte,
       format('(tokenauth.verify_digest(%L, %L)).verdict', public, set_byte(sha256(convert_to(token, 'UTF8')), byte, get_byte(sha256(convert_to(token, 'UTF8')), byte) # 1))
  FROM probe.token, unnest('{0,7,31}'::int[]) AS byte WHERE state = 'live';
INSERT INTO probe.call (same_as, what, call)
SELECT '', 'digest right', format('(tokenauth.verify_digest(%L, %L)).verdict', public, sha256(convert_to(token, 'UTF8'))) FROM probe.token WHERE state = 'live';
-- What a stranger cannot ask, and its holder may know.
SELECT probe.verify('', 'the token itself, ' || state, token) FROM probe.token;
\endif
