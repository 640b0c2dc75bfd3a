"""What PostgreSQL takes and Redshift does not: words, patterns and the advice to give.

A statement is matched by its outline, in which the tokens stand one blank apart: words in lower
case, any quoted name as `"`, any string as `'`, any number as `0`. What a comment, a string or a
quoted name says can therefore never match.
"""

import re

from psycopg2 import errors

# r_pg_keywords. The words that PostgreSQL reserves too are left to PostgreSQL.
RESERVED = frozenset("""
    aes128 aes256 allowoverwrite authorization az64 backup binary blanksasnull bytedict bzip2
    credentials defrag deflate delta delta32k disable emptyasnull enable encode encrypt encryption
    explicit freeze globaldict256 globaldict64k gzip identity ignore isnull lun luns lzo lzop minus
    mostly16 mostly32 mostly8 new notnull nulls off offline offset oid old open overlaps parallel
    partition percent permissions pivot raw readratio recover rejectlog resort respect restore
    snapshot sysdate system tag tdes text255 text32k timestamp top truncatecolumns unnest unpivot
    verbose wallet without
""".split())

NOT_EMULATED_TYPES = frozenset("super varbyte varbinary geometry geography hllsketch".split())
ADVICE_ON_TYPES = {
    "serial": "BIGINT IDENTITY(0, 1)",
    "bigserial": "BIGINT IDENTITY(0, 1)",
    "json": "VARCHAR(MAX)",
    "jsonb": "VARCHAR(MAX)",
    "uuid": "CHAR(36)",
    "money": "NUMERIC(p, s)",
    "datetime": "TIMESTAMP",
}
# Those whose name may stand before a string: xml '<a/>', B'101'.
MISSING_TYPES = NOT_EMULATED_TYPES | ADVICE_ON_TYPES.keys() | frozenset("""
    b bit box bytea cidr circle daterange hstore inet int4range int8range line macaddr numrange path
    point polygon tsquery tsrange tstzrange tsvector x xml
""".split())

# c_unsupported-postgresql-functions; an empty text is no advice.
FUNCTIONS = {
    "string_agg": "LISTAGG",
    "array_agg": "LISTAGG",
    "every": "BOOL_AND",
    "generate_series": "a recursive CTE or a table of numbers",
    "clock_timestamp": "GETDATE()",
    "transaction_timestamp": "SYSDATE",
    "statement_timestamp": "GETDATE()",
    "gen_random_uuid": "MD5 of the key",
    "encode": "TO_HEX or FROM_HEX",
    "bit_length": "8 * OCTET_LENGTH",
    "concat_ws": "||",
    "format": "||",
    "overlay": "SUBSTRING and ||",
    "div": "/ of integers",
    "date_bin": "DATE_TRUNC",
    "make_date": "a cast of a text to DATE",
    "make_timestamp": "a cast of a text to TIMESTAMP",
    "make_interval": "DATEADD",
    "regexp_matches": "REGEXP_SUBSTR",
    "regexp_match": "REGEXP_SUBSTR",
    "nextval": "an IDENTITY column",
} | dict.fromkeys(
    """
    pg_sleep justify_days justify_hours justify_interval corr covar_pop covar_samp regr_avgx
    regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy convert_from
    convert_to quote_nullable regexp_split_to_array regexp_split_to_table width_bucket setseed
    currval setval lastval to_tsvector to_tsquery plainto_tsquery ts_rank json_agg json_build_object
    json_object_agg row_to_json to_json json_each json_array_elements array_length
    array_to_string string_to_array xmlagg xmlelement xmlforest xmlparse xpath make_time
    make_timestamptz pg_advisory_lock pg_advisory_xact_lock pg_advisory_unlock
    pg_try_advisory_lock pg_try_advisory_xact_lock pg_notify
    """.split(),
    "",
)  # fmt: skip
NOT_EMULATED_FUNCTIONS = frozenset("""
    add_months months_between last_day next_day strtol json_extract_path_text json_array_length
    json_extract_array_element_text is_valid_json is_valid_json_array json_parse json_serialize
    ratio_to_report fnv_hash farmfingerprint64 unnest object get_array_length
""".split())

# c_SQL_functions_leader_node_only: they work where no table of the user takes part.
LEADER_WORDS = frozenset("current_timestamp current_time localtime localtimestamp".split())
LEADER_FUNCTIONS = frozenset("now age".split())

JOINED_SELECT = "DELETE … USING and INSERT … SELECT"

# (pattern of the outline, what Redshift lacks, what to write instead)
LACKS = [
    # Statements.
    (r"^ copy ", "COPY but from Amazon S3", "COPY t FROM 's3://…'"),
    (r"^ (savepoint|release) ", "savepoints", "a transaction of its own"),
    (r"^ (rollback|abort) (work |transaction )?to ", "savepoints", "a plain ROLLBACK"),
    (r"^ do ", "DO blocks", "CREATE PROCEDURE and CALL"),
    (r"^ explain (analyze|analyse|\() ", "EXPLAIN ANALYZE and EXPLAIN (…)", "EXPLAIN"),
    (r"^ explain verbose analy[sz]e ", "EXPLAIN ANALYZE", "EXPLAIN VERBOSE"),
    (r"^ (create|alter|drop) (unique )?index ", "indexes", "DISTKEY and SORTKEY"),
    (r"^ (create|alter|drop) (temp |temporary )?sequence ", "sequences", "an IDENTITY column"),
    (r"^ (create|alter|drop) (type|domain) ", "types of one's own", "a VARCHAR column"),
    (r"^ (create|alter|drop) (or replace )?(constraint |event )?(extension|trigger|rule|aggregate|"
     r"operator|cast|collation|conversion|tablespace|statistics|policy|foreign|server|access) ",
     "such an object", ""),
    (r"^ create (global |foreign |unlogged )", "UNLOGGED, GLOBAL or FOREIGN tables",
     "CREATE [TEMP] TABLE"),
    (r"^ create materialized view if ", "CREATE MATERIALIZED VIEW IF NOT EXISTS",
     "DROP MATERIALIZED VIEW IF EXISTS first"),
    (r"^ refresh materialized view concurrently ", "REFRESH … CONCURRENTLY", "REFRESH"),
    (r"^ (reindex|cluster|checkpoint|discard|load|listen|notify|unlisten|reassign) ",
     "this statement", ""),
    (r"^ (prepare transaction|commit prepared|rollback prepared) ", "two-phase commit", "COMMIT"),
    (r"^ (commit|end|rollback|abort) .*chain ", "AND CHAIN", "COMMIT and BEGIN"),
    (r"^ (begin|start) .*deferrable ", "deferrable transactions", "BEGIN"),
    # Queries.
    (r"^ values | \( values \( | (union|except|intersect|all) values \( ",
     "VALUES as a table", "SELECT … UNION ALL SELECT …"),
    (r"^ table | \( table | (union|except|intersect|all) table ", "TABLE t as a query",
     "SELECT * FROM t"),
    (r" on conflict (\(|do|on) ", "INSERT … ON CONFLICT", JOINED_SELECT),
    (r"(?<! \.)(?<! as) returning ", "RETURNING", "a SELECT after the statement"),
    (r" overriding (system|user) value ", "OVERRIDING … VALUE", "GENERATED BY DEFAULT AS IDENTITY"),
    (r" distinct on \( ", "SELECT DISTINCT ON", "ROW_NUMBER() in a subquery"),
    (r" \) filter \( where ", "FILTER (WHERE …)", "the aggregate of a CASE"),
    (r"(?<! \.)(?<! as) lateral ", "LATERAL", "a join with a subquery"),
    (r" window \S+ as \( ", "the WINDOW clause", "the window in each OVER (…)"),
    (r" fetch (first|next) (\S+ )?(row|rows) ", "FETCH FIRST", "LIMIT n"),
    (r" for (no key update|key share|update|share) ", "SELECT … FOR UPDATE", "LOCK t"),
    (r"(?<! \.)(?<! as) tablesample ", "TABLESAMPLE", "ORDER BY RANDOM() LIMIT n"),
    (r" groups (between|unbounded|current|0) ", "GROUPS frames", "ROWS"),
    (r" as \( (insert|update|delete|merge) ", "WITH queries that change data",
     "each change as a statement of its own"),
    (r" as (not )?materialized \( ", "WITH … AS MATERIALIZED", "WITH … AS (…)"),
    (r" is (not )?distinct from ", "IS DISTINCT FROM", "a = b OR (a IS NULL AND b IS NULL)"),
    (r" (->>|->|#>>|#>|@>|<@|&&|\?|\?\||\?&) ", "operators for JSON and arrays",
     "JSON_EXTRACT_PATH_TEXT"),
    (r" \[ | array \( ", "arrays", "one row per element, or a list: IN (…)"),
    (r" (any|some) \( (?!select |with |\( )", "ANY (array)", "IN (…)"),
    (r" u&['\"] ", "U&'…'", "the characters themselves"),
    (r"^ (?!create (or replace )?(procedure|function) ).* \$\$ ",
     "dollar quotes outside CREATE PROCEDURE and CREATE FUNCTION", "'…'"),
    (r"^ update (?:(?! set ).)* set \( ", "UPDATE … SET (a, b) = …", "SET a = …, b = …"),
    (r" with (local |cascaded )?check option ", "WITH CHECK OPTION", "a plain view"),
    (r" split_part \( [^()]* , - 0 \) ", "SPLIT_PART from the end", "a positive part"),
]  # fmt: skip
NOT_EMULATED = [
    (r"^ merge ", "MERGE", JOINED_SELECT),
    (r" with no schema binding ", "WITH NO SCHEMA BINDING", "a plain view"),
    (r" qualify (row_number|rank|dense_rank|percent_rank|cume_dist|ntile|lag|lead|first_value|"
     r"last_value|nth_value|count|sum|avg|min|max) \( ", "QUALIFY", "ROW_NUMBER in a subquery"),
    (r"^ analyze compression ", "ANALYZE COMPRESSION", ""),
    (r"^ (unload|alter table \S+ append) ", "this statement", ""),
]  # fmt: skip

_RULES = [(re.compile(p), f"Redshift has no {what}", instead) for p, what, instead in LACKS] + [
    (re.compile(p), f"the stand-in does not emulate Redshift's {what}", instead)
    for p, what, instead in NOT_EMULATED
]
# In these, FROM names no table.
_FROM_IN_CALL = re.compile(r" (?:extract \( \S+|(?:trim|substring) \( (?:\S+ ){0,2}?\S+) from ")
_CHANGES = ("insert", "update", "delete", "create", "alter")


def refusal(message: str, instead: str = "", error: type = errors.FeatureNotSupported) -> Exception:
    """The exception to raise, in the shape all refusals share."""
    return error(f"{message}; write {instead}" if instead else message)


def refuse(outline: str, top: str) -> None:
    """Raise what Redshift would; `top` is the outline without what stands in parentheses."""
    for pattern, message, instead in _RULES:
        if pattern.search(outline):
            raise refusal(message, instead)
    verb = re.search(r" (select|insert|update|delete|merge) ", top)
    if top.startswith(" with ") and verb and verb[1] != "select":
        message = f"Redshift has no portable WITH before {verb[1].upper()}"
        raise refusal(message, "INSERT INTO t WITH … SELECT, or a subquery")
    # r_INSERT_30
    if " values ( ) , " in top and re.search(r" values \( .*\( select ", outline):
        message = "Redshift has no subquery in an INSERT of several VALUES rows"
        raise refusal(message, "INSERT … SELECT")


def refuse_leader_function(name: str, outline: str) -> None:
    """Raise when a function that only Redshift's leader node knows meets a table."""
    reads = " from " in _FROM_IN_CALL.sub(" ", outline)
    if reads or outline.split(" ", 2)[1] in _CHANGES:
        message = f"Redshift runs {name.upper()} on its leader node only, never with a table"
        raise refusal(message, "GETDATE(), SYSDATE or CURRENT_DATE")


def refuse_type(name: str) -> Exception:
    """The exception for a type that Redshift, or the stand-in, lacks."""
    if name in NOT_EMULATED_TYPES:
        return refusal(f"the stand-in does not emulate Redshift's type {name.upper()}")
    advice = ADVICE_ON_TYPES.get(name, "a type of Redshift's, for example VARCHAR(n)")
    return refusal(f"Redshift has no type {name.upper()}", advice, errors.UndefinedObject)


def refuse_function(name: str) -> None:
    """Raise when Redshift, or the stand-in, lacks the function."""
    if name in NOT_EMULATED_FUNCTIONS:
        raise refusal(f"the stand-in does not emulate Redshift's function {name.upper()}")
    if name in FUNCTIONS or name.startswith(("jsonb_", "pg_advisory_", "array_", "range_")):
        message = f"Redshift has no function {name.upper()}"
        raise refusal(message, FUNCTIONS.get(name, ""), errors.UndefinedFunction)
