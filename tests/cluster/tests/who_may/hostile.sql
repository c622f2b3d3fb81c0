-- For every operator and function of PostgreSQL, one of the same name and arguments that would run in its place.
CREATE SCHEMA hostile;
GRANT USAGE ON SCHEMA hostile TO PUBLIC;
DO $$
    DECLARE
        original record;
    BEGIN
        FOR original IN
            SELECT p.oid, p.proname AS name, p.prorettype::regtype AS answer, p.proretset AS is_set,
                   (SELECT string_agg(t::regtype::text, ', ' ORDER BY place)
                      FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY a (t, place)) AS arguments
              FROM pg_proc p
             WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f'
               AND NOT EXISTS (SELECT FROM pg_type t
                                WHERE t.oid = ANY (p.proargtypes::oid[] || p.prorettype) AND t.typtype = 'p'
                                  AND t.typname NOT IN ('void', 'anyelement', 'anyarray', 'record'))
               AND NOT (p.prorettype IN ('anyelement'::regtype, 'anyarray'::regtype)
                        AND NOT p.proargtypes::oid[] && ARRAY['anyelement'::regtype, 'anyarray'::regtype]::oid[])
        LOOP
            BEGIN
                EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS %s %s LANGUAGE plpgsql AS %L', original.name,
                               original.arguments, CASE WHEN original.is_set THEN 'SETOF' END, original.answer,
                               'BEGIN RAISE ''captured''; END');
            EXCEPTION WHEN OTHERS THEN
                -- Some cannot be written in PL/pgSQL, such as one that returns a record without its columns.
                NULL;
            END;
        END LOOP;
        FOR original IN
            SELECT o.oprname AS name, o.oprleft::regtype AS first, o.oprright::regtype AS second, p.proname AS function
              FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
             WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprleft <> 0 AND o.oprright <> 0
        LOOP
            BEGIN
                EXECUTE format('CREATE OPERATOR hostile.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = hostile.%I)',
                               original.name, original.first, original.second, original.function);
            EXCEPTION WHEN OTHERS THEN
                NULL;
            END;
        END LOOP;
    END $$;
