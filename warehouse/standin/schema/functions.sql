-- functions: Redshift's functions that PostgreSQL does not have, or that differ there. The package
-- sql/ turns calls of Redshift's into calls of these.

CREATE SCHEMA IF NOT EXISTS redshift;
GRANT USAGE ON SCHEMA redshift TO PUBLIC;

-- A cast to VARCHAR(n) cuts to n bytes, at the boundary of a character (r_Character_types).
CREATE OR REPLACE FUNCTION redshift.cut(value text, bytes int) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS
$$
DECLARE
    octets bytea;
    size int := bytes;
BEGIN
    IF octet_length(value) <= bytes THEN
        RETURN value;
    END IF;
    octets := convert_to(value, 'UTF8');
    WHILE size > 0 AND get_byte(octets, size) BETWEEN 128 AND 191 LOOP
        size := size - 1;
    END LOOP;
    RETURN convert_from(substr(octets, 1, size), 'UTF8');
END
$$;

-- Limit the VARCHAR(n) and CHAR(n) of a table created from a query to n bytes, as CREATE TABLE does;
-- PostgreSQL limits them to n characters.
CREATE OR REPLACE PROCEDURE redshift.count_bytes(relation regclass) LANGUAGE plpgsql AS
$$
DECLARE
    checks CONSTANT text := (
        SELECT string_agg(format(
            'ADD CONSTRAINT %I CHECK (octet_length(%I) <= %s) NOT VALID',
            CASE
                WHEN octet_length(attname) <= 57 THEN attname::text
                ELSE left(attname, 48) || '_' || left(md5(attname), 8)
            END || '_bytes',
            attname, atttypmod - 4
        ), ', ')
        FROM pg_attribute
        WHERE attrelid = relation AND attnum > 0 AND atttypmod > 4
            AND atttypid IN ('varchar'::regtype, 'bpchar'::regtype)
    );
BEGIN
    IF checks IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', relation, checks);
    END IF;
END
$$;

-- Create the BRIN index that stands in for Redshift's zone maps; a range of either covers a megabyte
-- (t_Sorting_data). An entry holds the least and the greatest value of up to 32 columns in 8,152 bytes.
-- The index ends before the first column of the SORTKEY that may not fit, or whose type has no ranges
-- in PostgreSQL, such as boolean. After CREATE TABLE IF NOT EXISTS the relation may be a view, a table
-- without these columns, or one that has its index.
CREATE OR REPLACE PROCEDURE redshift.map_zones(relation regclass, key text[]) LANGUAGE plpgsql AS
$$
DECLARE
    mapped CONSTANT text := (
        SELECT string_agg(format('%I', name), ', ' ORDER BY n)
        FROM (
            SELECT name, n, SUM(CASE
                WHEN atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND atttypmod > 4
                THEN atttypmod + 4
                WHEN opcintype NOT IN ('text'::regtype, 'bpchar'::regtype) THEN 32
                ELSE 8152
            END) OVER (ORDER BY n) AS bytes
            FROM unnest(key) WITH ORDINALITY AS k (name, n)
            LEFT JOIN pg_attribute ON attrelid = relation AND attname = name
            LEFT JOIN pg_opclass ON opcintype = atttypid AND opcdefault
                AND opcmethod = (SELECT oid FROM pg_am WHERE amname = 'brin')
        ) columns
        WHERE n <= 32 AND 2 * bytes <= 8000
    );
BEGIN
    IF mapped IS NOT NULL AND EXISTS (
        SELECT 1 FROM pg_class WHERE oid = relation AND relkind = 'r' AND NOT relhasindex
    ) THEN
        EXECUTE format('CREATE INDEX ON %s USING brin (%s)', relation, mapped);
    END IF;
END
$$;

-- Refusals of ALTER TABLE (r_ALTER_TABLE) that depend on the table: a drop of a column of the SORTKEY,
-- a new length for a column with a DEFAULT, a PRIMARY KEY of columns that may be NULL. DISTKEY is not
-- stored, so a drop of its column is not refused.
CREATE OR REPLACE PROCEDURE redshift.refuse_key(relation regclass, name text) LANGUAGE plpgsql AS
$$
BEGIN
    IF EXISTS (
        SELECT 1 FROM pg_index JOIN pg_attribute ON attrelid = indexrelid
        WHERE indrelid = relation AND attname = name
    ) THEN
        RAISE dependent_objects_still_exist USING MESSAGE =
            format('Redshift does not drop a column of a SORTKEY (%s)', name);
    END IF;
END
$$;
CREATE OR REPLACE PROCEDURE redshift.refuse_default(relation regclass, name text) LANGUAGE plpgsql AS
$$
BEGIN
    IF EXISTS (
        SELECT 1 FROM pg_attribute WHERE attrelid = relation AND attname = name AND atthasdef
    ) THEN
        RAISE feature_not_supported USING MESSAGE =
            format('Redshift does not change the length of a column with a DEFAULT (%s)', name);
    END IF;
END
$$;
CREATE OR REPLACE PROCEDURE redshift.refuse_nullable(relation regclass, names text[])
LANGUAGE plpgsql AS
$$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY names LOOP
        IF NOT EXISTS (
            SELECT 1 FROM pg_attribute WHERE attrelid = relation AND attname = name AND attnotnull
        ) THEN
            RAISE invalid_table_definition USING MESSAGE =
                format('Redshift adds a PRIMARY KEY of NOT NULL columns only (%s)', name);
        END IF;
    END LOOP;
END
$$;

-- Views are read-only (r_CREATE_VIEW).
CREATE OR REPLACE FUNCTION redshift.refuse_write_to_view() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    RAISE feature_not_supported USING MESSAGE =
        format('Redshift''s views are read-only (%s); write to the table', TG_TABLE_NAME);
END
$$;

-- The average of integers is an integer; that of decimals keeps their scale (r_AVG). The
-- state, `sum`, is {count, sum}.
CREATE OR REPLACE FUNCTION redshift.add(sum numeric[], value numeric) RETURNS numeric[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN value IS NULL THEN sum ELSE ARRAY[sum[1] + 1, sum[2] + value] END $$;
CREATE OR REPLACE FUNCTION redshift.add(sum numeric[], value bigint) RETURNS numeric[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT redshift.add(sum, value::numeric) $$;
CREATE OR REPLACE FUNCTION redshift.mean(sum numeric[]) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT trunc(sum[2] / NULLIF(sum[1], 0), scale(sum[2])) $$;
CREATE OR REPLACE FUNCTION redshift.whole_mean(sum numeric[]) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT trunc(sum[2] / NULLIF(sum[1], 0))::bigint $$;
CREATE OR REPLACE FUNCTION redshift.whole_mean(sum bigint[]) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT sum[2] / NULLIF(sum[1], 0) $$;
CREATE OR REPLACE AGGREGATE redshift.avg(smallint) (
    SFUNC = int2_avg_accum, STYPE = bigint[], INITCOND = '{0,0}', FINALFUNC = redshift.whole_mean);
CREATE OR REPLACE AGGREGATE redshift.avg(int) (
    SFUNC = int4_avg_accum, STYPE = bigint[], INITCOND = '{0,0}', FINALFUNC = redshift.whole_mean);
CREATE OR REPLACE AGGREGATE redshift.avg(bigint) (
    SFUNC = redshift.add, STYPE = numeric[], INITCOND = '{0,0}', FINALFUNC = redshift.whole_mean);
CREATE OR REPLACE AGGREGATE redshift.avg(numeric) (
    SFUNC = redshift.add, STYPE = numeric[], INITCOND = '{0,0}', FINALFUNC = redshift.mean);
CREATE OR REPLACE AGGREGATE redshift.avg(float8) (
    SFUNC = float8_accum, STYPE = float8[], INITCOND = '{0,0,0}', FINALFUNC = float8_avg);

-- STDDEV and VARIANCE return doubles for every type (r_STDDEV_functions, r_VARIANCE_functions).
DO $$
DECLARE
    name text;
    final text;
BEGIN
    FOR name, final IN VALUES
        ('stddev', 'stddev_samp'), ('stddev_samp', 'stddev_samp'), ('stddev_pop', 'stddev_pop'),
        ('variance', 'var_samp'), ('var_samp', 'var_samp'), ('var_pop', 'var_pop')
    LOOP
        EXECUTE format('CREATE OR REPLACE AGGREGATE redshift.%s(float8) (SFUNC = float8_accum,'
            ' STYPE = float8[], INITCOND = ''{0,0,0}'', FINALFUNC = float8_%s)', name, final);
    END LOOP;
END
$$;

-- Raise if a text is longer than 65,535 bytes (r_LISTAGG, r_REPEAT, r_Character_types).
CREATE OR REPLACE FUNCTION redshift.fit(value text, function text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS
$$
BEGIN
    IF octet_length(value) > 65535 THEN
        RAISE program_limit_exceeded USING MESSAGE =
            format('Redshift''s %s gives at most 65535 bytes', function);
    END IF;
    RETURN value;
END
$$;

-- ROUND and TRUNC of a double to a number of places (r_ROUND, r_TRUNC).
CREATE OR REPLACE FUNCTION redshift.round(value float8, places int) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT pg_catalog.round(value::text::numeric, places)::float8 $$;
CREATE OR REPLACE FUNCTION redshift.round(value float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT pg_catalog.round(value) $$;
CREATE OR REPLACE FUNCTION redshift.round(value numeric, places int DEFAULT 0) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT pg_catalog.round(value, places) $$;
CREATE OR REPLACE FUNCTION redshift.trunc(value float8, places int) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT pg_catalog.trunc(value::text::numeric, places)::float8 $$;

-- TRUNC of a timestamp is its date (r_TRUNC_date).
CREATE OR REPLACE FUNCTION redshift.trunc(value timestamp) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT value::date $$;
CREATE OR REPLACE FUNCTION redshift.trunc(value float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT pg_catalog.trunc(value) $$;
CREATE OR REPLACE FUNCTION redshift.trunc(value numeric, places int DEFAULT 0) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT pg_catalog.trunc(value, places) $$;

CREATE OR REPLACE FUNCTION redshift.last_day(value timestamp) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (date_trunc('month', value) + INTERVAL '1 month - 1 day')::date $$;
-- The last day of a month gives the last day of the month of the result (r_ADD_MONTHS).
CREATE OR REPLACE FUNCTION redshift.add_months(value timestamp, months bigint) RETURNS timestamp
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$
    SELECT CASE
        WHEN value::date = redshift.last_day(value)
        THEN value + INTERVAL '1 day' + months * INTERVAL '1 month' - INTERVAL '1 day'
        ELSE value + months * INTERVAL '1 month'
    END
$$;

-- Implicit conversions (r_Type_conversion). They are in pg_catalog, which no search_path hides, so
-- only a superuser can create them. The private server's user is one; in the database of another
-- user they are missing, and PostgreSQL refuses statements that need one. SQL functions are inlined,
-- so a join by such an equality is a hash join.
--
-- A text is not cast to INT or TIMESTAMP in an INSERT: Redshift refuses that as well.
DO $do$
DECLARE
    wanted record;
    source text;
    template CONSTANT text := 'CREATE OR REPLACE FUNCTION %s RETURNS %s LANGUAGE sql STABLE'
        ' PARALLEL SAFE AS $f$ SELECT %s $f$';
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    -- In an INSERT or UPDATE a text becomes a DECIMAL.
    FOREACH source IN ARRAY '{text, varchar, bpchar}'::text[] LOOP
        IF NOT EXISTS (SELECT FROM pg_cast WHERE castsource = source::regtype AND casttarget = 1700)
        THEN
            EXECUTE format('CREATE CAST (%s AS numeric) WITH INOUT AS ASSIGNMENT', source);
        END IF;
    END LOOP;
    -- An INT or FLOAT and a text are compared as texts, a DECIMAL and a text as numbers; LIKE takes any
    -- value. + of two texts joins them (r_NVL2); a BOOLEAN can be compared with an INT. || joins values
    -- of two different types as texts (r_CONCAT). There is none for two values of one type: that would
    -- capture 'a' || 1, whose literal has no type yet.
    FOR wanted IN
        WITH compare (name, op) AS (VALUES
            ('eq', '='), ('ne', '<>'), ('lt', '<'), ('le', '<='), ('gt', '>'), ('ge', '>=')),
        alike (name, op) AS (VALUES
            ('alike', '~~'), ('unlike', '!~~'), ('ialike', '~~*'), ('iunlike', '!~~*')),
        number (kind) AS (SELECT unnest('{int2, int4, int8, float4, float8}'::text[])),
        other (kind) AS (SELECT unnest('{numeric, date, timestamp, timestamptz}'::text[])),
        joined (kind) AS (SELECT unnest('{text, int2, int4, int8, numeric, date, timestamp}'::text[]))
        SELECT name, op, kind AS a, 'text' AS b, '$1::text %s $2' AS body FROM number, compare
        UNION ALL SELECT name, op, 'text', kind, '$1 %s $2::text' FROM number, compare
        UNION ALL SELECT name, op, 'numeric', 'text', '$1 %s $2::numeric' FROM compare
        UNION ALL SELECT name, op, 'text', 'numeric', '$1::numeric %s $2' FROM compare
        UNION ALL SELECT name, op, kind, 'text', '$1::text %s $2'
        FROM (TABLE number UNION ALL TABLE other) kinds, alike
        UNION ALL SELECT name, op, 'boolean', 'int4', '$1 %s ($2 <> 0)' FROM compare
        WHERE name IN ('eq', 'ne')
        UNION ALL SELECT name, op, 'int4', 'boolean', '($1 <> 0) %s $2' FROM compare
        WHERE name IN ('eq', 'ne')
        UNION ALL VALUES ('plus', '+', 'text', 'text', '$1 || $2')
        UNION ALL SELECT 'joined', '||', one.kind, two.kind, '$1::text %s $2::text'
        FROM joined one, joined two WHERE one.kind <> two.kind
    LOOP
        EXECUTE format(template, format('redshift.%s(%s, %s)', wanted.name, wanted.a, wanted.b),
            CASE WHEN wanted.name IN ('plus', 'joined') THEN 'text' ELSE 'boolean' END,
            format(wanted.body, wanted.op));
        IF to_regoperator(format('pg_catalog.%s(%s,%s)', wanted.op, wanted.a, wanted.b)) IS NULL THEN
            EXECUTE format('CREATE OPERATOR pg_catalog.%s (LEFTARG = %s, RIGHTARG = %s,'
                ' FUNCTION = redshift.%s)', wanted.op, wanted.a, wanted.b, wanted.name);
        END IF;
    END LOOP;
    -- Functions of texts take numbers and dates as well.
    FOR wanted IN
        SELECT kind, name, more
        FROM unnest('{int2, int4, int8, float4, float8, numeric, date, timestamp, timestamptz}'
            ::text[]) AS kind, (VALUES
            ('substring', ', int'), ('substring', ', int, int'), ('substr', ', int'),
            ('substr', ', int, int'), ('split_part', ', text, int'), ('left', ', int'),
            ('right', ', int'), ('length', ''), ('btrim', ''), ('replace', ', text, text'),
            ('md5', ''), ('lpad', ', int, text')
        ) AS functions (name, more)
    LOOP
        EXECUTE format(template, format('pg_catalog.%I(%s%s)', wanted.name, wanted.kind, wanted.more),
            CASE wanted.name WHEN 'length' THEN 'int' ELSE 'text' END,
            format('pg_catalog.%I($1::text%s)', wanted.name, CASE wanted.more
                WHEN '' THEN '' WHEN ', int' THEN ', $2' ELSE ', $2, $3' END));
    END LOOP;
END
$do$;
