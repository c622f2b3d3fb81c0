-- Bad input of every sort ends in a verdict or a coded refusal, never in a crash, and nothing is half written.
-- What is stored is stored to the letter and bounded; what is refused is named by its place and not repeated.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
INSERT INTO tokenauth.kind (name, prefix, max_lifetime) VALUES ('year', 'year_', '1 year');
SELECT tokenauth.put_principal('user:alice', '{devices:*}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
CREATE FUNCTION refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, regexp_replace(nullif(detail, ''), '[0-9-]{10} [0-9:.]+[+-][0-9:]+', 'MOMENT'));
END
$$;

-- texts that are no token: all malformed, whether they come as a text, in a header or as a lookup (blanks around a header's value are no part of it)
SELECT what, v.verdict, r.verdict AS by_request, d.verdict AS as_lookup,
       CASE WHEN btrim(text, E' \t\n') <> :'token' THEN tokenauth.revoke_presented(text) END AS revoked
  FROM (VALUES ('empty', ''), ('one character', 'a'), ('48 characters', repeat('a', 48)), ('49 characters', repeat('a', 49)), ('81 characters', repeat('a', 81)),
               ('82 characters', repeat('a', 82)), ('512 bytes', repeat('a', 512)), ('513 bytes', repeat('a', 513)), ('10 MB', repeat('a', 10485760)),
               ('10 MB around a token', repeat('a', 5242880) || :'token' || repeat('a', 5242880)), ('blank after', :'token' || ' '), ('newline after', :'token' || E'\n'),
               ('blank before', ' ' || :'token'), ('tab before', E'\t' || :'token'), ('twice', :'token' || :'token'), ('with quotes', '''' || :'token' || ''''),
               ('full-width digit', overlay(:'token' placing '１' from 10)), ('right-to-left override', overlay(:'token' placing U&'\202E' from 10)),
               ('zero-width space', :'token' || U&'\200B'), ('combining accent', :'token' || U&'\0301'), ('byte order mark', U&'\FEFF' || :'token'),
               ('beyond the BMP', overlay(:'token' placing '😀' from 10)), ('cyrillic а', overlay(:'token' placing 'а' from 1 for 1)),
               ('control characters', E'\x01\x02\x1b[31m'), ('format', '%s%n%d'), ('SQL', ''';DROP TABLE tokenauth.token;--'), ('backslashes', '\\x00'),
               ('lookup beyond 64 bits', 'api_' || repeat('z', 49))) AS t (what, text),
       LATERAL tokenauth.verify(t.text) v,
       LATERAL tokenauth.verify_request(jsonb_build_object('Authorization', 'Bearer ' || t.text)) r,
       LATERAL tokenauth.verify_digest(t.text, sha256('x')) d;

-- every character of a token, changed into every other: none is accepted, and not one is worth a look into the table
SELECT count(*) AS texts, count(*) FILTER (WHERE v.ok) AS accepted, count(*) FILTER (WHERE v.verdict = 'malformed') AS malformed
  FROM generate_series(5, 53) AS position,
       regexp_split_to_table('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', '') AS letter,
       LATERAL tokenauth.verify(overlay(:'token' placing letter from position)) v
 WHERE letter <> substr(:'token', position, 1);
-- … nor changed in the prefix, nor with two neighbours swapped, nor with a character left out or doubled
SELECT count(*) FILTER (WHERE v.ok) AS accepted
  FROM generate_series(1, 4) AS position, regexp_split_to_table('0aZ_-', '') AS letter,
       LATERAL tokenauth.verify(overlay(:'token' placing letter from position)) v
 WHERE letter <> substr(:'token', position, 1);
SELECT count(*) FILTER (WHERE s.ok) AS swapped, count(*) FILTER (WHERE l.ok) AS left_out, count(*) FILTER (WHERE d.ok) AS doubled
  FROM generate_series(1, 52) AS position,
       LATERAL tokenauth.verify(left(:'token', position - 1) || substr(:'token', position + 1, 1) || substr(:'token', position, 1) || substr(:'token', position + 2)) s,
       LATERAL tokenauth.verify(left(:'token', position - 1) || substr(:'token', position + 1)) l,
       LATERAL tokenauth.verify(left(:'token', position) || substr(:'token', position)) d
 WHERE substr(:'token', position, 1) <> substr(:'token', position + 1, 1);
-- … nor do digests but one byte apart match
SELECT count(*) FILTER (WHERE v.ok) AS accepted
  FROM generate_series(0, 31) AS byte,
       LATERAL tokenauth.verify_digest(left(:'token', 15), set_byte(sha256(:'token'), byte, get_byte(sha256(:'token'), byte) # 1)) v;
SELECT verdict FROM tokenauth.verify(:'token');

-- digests of any length but two
SELECT length, refusal(format('SELECT tokenauth.verify_digest(%L, decode(repeat(''00'', %s), ''hex''))', left(:'token', 15), length))
  FROM unnest('{0,1,31,32,33,63,64,65,100000}'::integer[]) AS length;

-- NULL in an array, an array in an array
SELECT argument, refusal(format('SELECT tokenauth.issue(''api'', ''user:alice'', %s => ARRAY[''devices:read'', NULL])', argument)) AS with_null,
       refusal(format('SELECT tokenauth.issue(''api'', ''user:alice'', %s => ARRAY[[''devices:read''], [''devices:write'']])', argument)) AS nested
  FROM unnest('{scopes,networks}'::text[]) AS argument;
SELECT refusal(format('SELECT tokenauth.edit(%L, scopes => ARRAY[''devices:read'', NULL])', :'id')) AS edit;
SELECT refusal('SELECT tokenauth.put_principal(''user:alice'', ARRAY[NULL, NULL])') AS put_principal;
SELECT refusal('SELECT tokenauth.verify(''x'', ARRAY[NULL::text])') AS verify;
-- … arrays that begin elsewhere than at 1 are arrays
SELECT scopes FROM tokenauth.issue('api', 'user:alice', scopes => '[5:6]={devices:read,devices:write}');

-- scopes: too many, too long, malformed; named by their place
SELECT what, refusal(format('SELECT tokenauth.issue(''api'', ''user:alice'', scopes => %L)', scopes))
  FROM (VALUES ('10,000', array_fill('devices:read'::text, '{10000}')), ('257', array_fill('devices:read'::text, '{257}')), ('256', array_fill('devices:read'::text, '{256}')),
               ('empty', '{devices:read,""}'), ('empty segment', '{devices:}'), ('five segments', '{devices:a:b:c:d}'), ('65 characters', ARRAY['devices:' || repeat('a', 65)]),
               ('1 MB', ARRAY[repeat('a', 1000000)]), ('blank', '{"devices read"}'), ('not ASCII', '{devices:é}'), ('* within', '{devices:re*}'), ('quotes', '{"devices:\""}'),
               ('newline', ARRAY[E'devices:read\n']), ('secret in the second', ARRAY['devices:read', 'hunter 2'])) AS s (what, scopes);

-- points in time beyond any calendar
SELECT argument, value, refusal(format('SELECT tokenauth.issue(%L, ''user:alice'', %s => %L)', kind, argument, value))
  FROM (VALUES ('api', 'expires_at', '-infinity'), ('api', 'expires_at', '0044-03-15 BC'), ('api', 'expires_at', '4713-11-24 BC'), ('api', 'expires_at', '1970-01-01'),
               ('api', 'expires_at', '9999-12-31 23:59:59.999999Z'), ('api', 'expires_at', '10000-01-01 00:00Z'), ('api', 'expires_at', '294276-12-31'), ('year', 'expires_at', '9999-12-31'),
               ('year', 'expires_at', 'infinity'), ('api', 'not_before', 'infinity'), ('api', 'not_before', '10000-01-01 00:00Z'), ('api', 'not_before', '0044-03-15 BC'), ('api', 'not_before', '-infinity'),
               ('api', 'expires_in', '0'), ('api', 'expires_in', '-1 microsecond'), ('api', 'expires_in', '1 month -30 days'), ('api', 'expires_in', '-1 month 29 days'),
               ('api', 'expires_in', '7000 years'), ('api', 'expires_in', '292000 years'), ('api', 'expires_in', '178000000 years'), ('api', 'expires_in', '-178000000 years'),
               ('api', 'expires_in', '2147483647 days'), ('api', 'expires_in', '2147483647 months 2147483647 days'), ('api', 'expires_in', '2562047788 hours'),
               ('year', 'expires_in', '1 year 2 days'), ('year', 'expires_in', '178000000 years')) AS t (kind, argument, value);
SELECT argument, value, refusal(format('SELECT tokenauth.edit(%L, %s => %L)', :'id', argument, value))
  FROM (VALUES ('expires_at', '-infinity'), ('expires_at', '0044-03-15 BC'), ('expires_at', '294276-12-31'), ('expires_in', '292000 years'), ('expires_in', '-1 day')) AS t (argument, value);
-- … in kinds: a lifetime longer than the calendar bounds nothing, and is no error
INSERT INTO tokenauth.kind (name, prefix, default_lifetime, max_lifetime) VALUES ('eon', 'eon_', '100 years', '178000000 years');
SELECT expires_at - created_at > '36000 days' AS long FROM tokenauth.issue('eon', 'user:alice');
-- … and a default that reaches beyond it is refused when it is asked for
INSERT INTO tokenauth.kind (name, prefix, default_lifetime) VALUES ('eons', 'eons_', '178000000 years');
SELECT refusal('SELECT tokenauth.issue(''eons'', ''user:alice'')');
-- … revoke_all before the first and after the last day
SELECT tokenauth.revoke_all('user:alice', 'eon', '4713-11-24 BC'), tokenauth.revoke_all('user:alice', 'eon', '294276-12-31');

-- names and descriptions: bounded, and stored to the letter
SELECT argument, size, refusal(format('SELECT tokenauth.issue(''api'', ''user:alice'', %s => repeat(''x'', %s))', argument, size))
  FROM (VALUES ('name', 255), ('name', 256), ('name', 1000000), ('description', 8192), ('description', 8193), ('description', 1000000)) AS t (argument, size);
-- … bytes count, not characters
SELECT refusal('SELECT tokenauth.issue(''api'', ''user:alice'', name => repeat(''é'', 127))') AS "254", refusal('SELECT tokenauth.issue(''api'', ''user:alice'', name => repeat(''é'', 128))') AS "256";
CREATE TABLE odd AS SELECT text, (tokenauth.issue('api', 'user:alice', name => text, description => text, metadata => jsonb_build_object('text', text))).id
  FROM unnest(ARRAY['%s%n', E'\x1b[31mred\x1b[0m', 'quote '' and "', E'line\nbreak', U&'\202Ereversed', '山', E'back\\slash', '$1', '{', ' ', E'\x01']) AS text;
SELECT count(*) FILTER (WHERE t.name = odd.text AND t.description = odd.text AND t.metadata ->> 'text' = odd.text) = count(*) AS to_the_letter,
       count(*) FILTER (WHERE e.after ->> 'name' = odd.text AND e.after ->> 'description' = odd.text) = count(*) AS in_events_too
  FROM odd JOIN tokenauth.tokens t USING (id) JOIN tokenauth.events e ON e.token_id = odd.id;
SELECT tokenauth.put_principal('user:' || text, '{}', jsonb_build_object(text, jsonb_build_array(text)), state_reason => text, display_name => text) FROM odd WHERE text = '%s%n';
SELECT data_scopes, display_name FROM tokenauth.principal WHERE principal = 'user:%s%n';

-- kinds and principals that were never heard of, of any size
SELECT left(refusal(format('SELECT tokenauth.issue(%L, ''user:alice'')', kind)), 60) AS refused
  FROM unnest(ARRAY['', ' api', 'API', '%s', repeat('k', 1000000)]) AS kind;
SELECT length(refusal(format('SELECT tokenauth.issue(%L, ''user:alice'')', repeat('k', 1000000)))) < 1000 AS bounded_message;
SELECT left(refusal(format('SELECT tokenauth.issue(''api'', %L)', owner)), 90) AS refused
  FROM unnest(ARRAY['', 'user', 'user:', 'USER:alice', ':', 'user:%s', 'user:' || repeat('x', 1000000)]) AS owner;

-- data scopes and metadata of every shape
SELECT what, refusal(format('SELECT tokenauth.issue(''api'', ''user:alice'', data_scopes => %L)', data))
  FROM (VALUES ('array', '[]'), ('string', '"a"'), ('null', 'null'), ('number', '7'), ('value not in an array', '{"site": "nyc"}'), ('NULL in an array', '{"site": [null]}'),
               ('number in an array', '{"site": [1]}'), ('huge number', '{"site": [1e400]}'), ('nested', '{"site": [["nyc"]]}'), ('no name', '{"": []}'),
               ('long name', jsonb_build_object(repeat('d', 256), '[]'::jsonb)::text), ('long value', jsonb_build_object('d', jsonb_build_array(repeat('v', 256)))::text),
               ('65 dimensions', (SELECT jsonb_object_agg('d' || n, '[]'::jsonb) FROM generate_series(1, 65) n)::text),
               ('10,001 values', jsonb_build_object('d', (SELECT jsonb_agg(n::text) FROM generate_series(1, 10001) n))::text),
               ('5 MB', jsonb_build_object('d', jsonb_build_array(repeat('v', 5000000)))::text),
               ('deep', repeat('[', 1000) || repeat(']', 1000)), ('odd but fine', '{"*": [], "%s": ["", "\u202e", "''"]}')) AS t (what, data);
SELECT what, refusal(format('SELECT tokenauth.issue(''api'', ''user:alice'', metadata => %L)', data))
  FROM (VALUES ('array', '[]'), ('string', '"a"'), ('null', 'null'), ('1 MB', jsonb_build_object('a', repeat('x', 1000000))::text), ('huge number', '{"a": 1e400}'),
               ('deep', '{"a":' || repeat('[', 1000) || repeat(']', 1000) || '}'), ('empty name', '{"": 0}')) AS t (what, data);

-- networks of every shape
SELECT network, refusal(format('SELECT tokenauth.issue(''api'', ''user:alice'', networks => ARRAY[%L])', network))
  FROM unnest('{"","10.0.0.0/8","10.0.0.1/8",10.0.0.256,10.0.0.0/33,10.0.0.0/-1,10.0.0.0/+8,10.0.0.0/08,10/8,010.0.0.0/8,0.0.0.0/0,::/0,::1/129,fe80::1%eth0,::ffff:10.0.0.0/104,::ffff:10.0.0.0/95,localhost,10.0.0.1:80,"10.0.0.1 ",é}'::text[]) AS network;

-- ids that are none
SELECT refusal('SELECT tokenauth.revoke(''not a uuid'')');
SELECT refusal('SELECT tokenauth.revoke(''ffffffff-ffff-ffff-ffff-ffffffffffff'')');

-- nothing was uncoded, and the token of the beginning is as it was
SELECT verdict, name, expires_at FROM tokenauth.verify(:'token');
SELECT count(*) AS tokens_without_usage FROM tokenauth.token t WHERE NOT EXISTS (SELECT FROM tokenauth.usage WHERE token_id = t.id);
SELECT count(*) AS tokens_without_event FROM tokenauth.token t WHERE NOT EXISTS (SELECT FROM tokenauth.event WHERE token_id = t.id AND event = 'token.issued');
