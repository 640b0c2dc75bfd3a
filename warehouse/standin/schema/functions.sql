-- functions: what PostgreSQL lacks or does otherwise, in a schema that sql/ points to.

CREATE SCHEMA IF NOT EXISTS redshift;
GRANT USAGE ON SCHEMA redshift TO PUBLIC;

-- A cast to VARCHAR(n) cuts to n bytes and leaves no part of a character (r_Character_types).
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

-- Columns that a query gave their lengths count bytes from now on, as those of CREATE TABLE do.
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

-- Zone maps are block ranges, of a megabyte each as Redshift's blocks are (t_Sorting_data). An entry
-- holds the least and the greatest value of up to 32 columns in 8,152 bytes: the key is cut before a
-- column that may not fit, and before one of a type that PostgreSQL has no ranges of, as boolean.
-- CREATE TABLE IF NOT EXISTS may have found a view, a table without these columns, or with an index.
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

-- Rows are never changed through a view (r_CREATE_VIEW).
CREATE OR REPLACE FUNCTION redshift.refuse_write_to_view() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    RAISE feature_not_supported USING MESSAGE =
        format('Redshift changes no rows of a view (%s); write its table', TG_TABLE_NAME);
END
$$;

-- The average of integers is an integer (r_AVG).
CREATE OR REPLACE FUNCTION redshift.add(sum numeric[], value numeric) RETURNS numeric[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN value IS NULL THEN sum ELSE ARRAY[sum[1] + 1, sum[2] + value] END $$;
CREATE OR REPLACE FUNCTION redshift.add(sum numeric[], value bigint) RETURNS numeric[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT redshift.add(sum, value::numeric) $$;
CREATE OR REPLACE FUNCTION redshift.mean(sum numeric[]) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT sum[2] / NULLIF(sum[1], 0) $$;
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

-- TRUNC also takes the time off a timestamp (r_TRUNC_date).
CREATE OR REPLACE FUNCTION redshift.trunc(value timestamp) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT value::date $$;
CREATE OR REPLACE FUNCTION redshift.trunc(value float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT pg_catalog.trunc(value) $$;
CREATE OR REPLACE FUNCTION redshift.trunc(value numeric, places int DEFAULT 0) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT pg_catalog.trunc(value, places) $$;

CREATE OR REPLACE FUNCTION redshift.last_day(value timestamp) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (date_trunc('month', value) + INTERVAL '1 month - 1 day')::date $$;
-- The last day of a month becomes the last day of the other month (r_ADD_MONTHS).
CREATE OR REPLACE FUNCTION redshift.add_months(value timestamp, months bigint) RETURNS timestamp
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$
    SELECT CASE
        WHEN value::date = redshift.last_day(value)
        THEN value + INTERVAL '1 day' + months * INTERVAL '1 month' - INTERVAL '1 day'
        ELSE value + months * INTERVAL '1 month'
    END
$$;
