"""Refusals of SQL that PostgreSQL takes and Redshift does not: words, patterns and advice.

Patterns match the outline of a statement, not its text. In an outline one blank separates the
tokens; words are in lower case, a quoted name is `"`, a string is `'` and a number is `0`. Prefixes
stay, as in `u&"` and `e'`, and a dollar quote is `$$`. The contents of comments, strings and quoted
names therefore never match.
"""

import re

from psycopg2 import errors

# r_pg_keywords: first the words that PostgreSQL reserves as well.
RESERVED_BY_BOTH = frozenset("""
    all analyse analyze and any array as asc authorization binary both case cast check collate
    column constraint create cross current_date current_time current_timestamp current_user
    default deferrable desc distinct do else end except false for foreign freeze from full grant
    group having ilike in initially inner intersect into is isnull join leading left like limit
    localtime localtimestamp natural not notnull null offset on only or order outer overlaps
    placing primary references right select session_user similar some table then to trailing true
    union unique user using verbose when where with
""".split())
RESERVED = RESERVED_BY_BOTH | frozenset("""
    aes128 aes256 allowoverwrite az64 backup between blanksasnull bytedict bzip2 credentials
    current_user_id deflate defrag delta delta32k disable emptyasnull enable encode encrypt
    encryption explicit globaldict256 globaldict64k gzip identity ignore interval lun luns lzo
    lzop minus mostly16 mostly32 mostly8 new nulls off offline oid old open parallel partition
    percent permissions pivot raw readratio recover rejectlog resort respect restore snapshot
    sysdate system tag tdes text255 text32k timestamp top truncatecolumns unnest unpivot wallet
    without
""".split())

NOT_EMULATED_TYPES = frozenset("super varbyte varbinary geometry geography hllsketch".split())
ADVICE_ON_TYPES = {
    "serial": "BIGINT IDENTITY(0, 1)",
    "bigserial": "BIGINT IDENTITY(0, 1)",
    "json": "VARCHAR(MAX)",
    "jsonb": "VARCHAR(MAX)",
    "uuid": "CHAR(36)",
    "money": "NUMERIC(p, s)",
}
# Types that may stand before a string: xml '<a/>', B'101'.
MISSING_TYPES = NOT_EMULATED_TYPES | ADVICE_ON_TYPES.keys() | frozenset("""
    b bit box bytea cidr circle daterange hstore inet int4range int8range line macaddr numrange path
    point polygon tsquery tsrange tstzrange tsvector x xml
""".split())

# c_SQL_functions_leader_node_only: these work only in queries without a user's table.
LEADER_WORDS = frozenset("current_timestamp current_time localtime localtimestamp".split())
LEADER_FUNCTIONS = frozenset("now age".split())
# r_MEDIAN, r_LISTAGG, r_PERCENTILE_CONT: these work only in queries of a user's table.
COMPUTE_FUNCTIONS = frozenset("listagg median percentile_cont percentile_disc".split())
_TABLE = re.compile(r" (?:from|join) (?:\( )*(?!select |with |\( )\S+ ")

DELETE_AND_INSERT = "DELETE … USING and INSERT … SELECT"

# (pattern of the outline, what Redshift lacks, what to write instead), under the pages of AWS's
# guide that prove it: by naming it, or by a complete grammar.
LACKS = [
    # c_unsupported-postgresql-features
    (r"^ (create|alter|drop) (unique )?index ", "indexes", "DISTKEY and SORTKEY"),
    (r"^ (create|alter|drop) (temp |temporary )?sequence ", "sequences", "an IDENTITY column"),
    (r"^ (explain )?values | (\(|as) values \( | (union|except|intersect|all) values \( ",
     "VALUES as a table", "SELECT … UNION ALL SELECT …"),
    (r" (from|join|into|update|,) only (?!\.)", "ONLY, for it has no inheritance", "the table"),
    (r" \[ | array \( ", "arrays", "one row per element, or a list: IN (…)"),
    (r" (any|some) \( (?!select |with |\( )", "ANY (array)", "IN (…)"),
    (r" collate (?!\( |case_|cs |ci )", "COLLATE in an expression",
     "LOWER (…) where values are compared"),
    # c_unsupported-postgresql-functions
    (r"^ (savepoint|release) ", "savepoints", "a transaction of its own"),
    (r"^ (rollback|abort) (work |transaction )?to ", "savepoints", "a plain ROLLBACK"),
    (r" is (not )?distinct from ", "IS DISTINCT FROM", "a = b OR (a IS NULL AND b IS NULL)"),
    # c_unsupported-postgresql-datatypes
    (r"^ (create|alter|drop) (type|domain) ", "user-defined types", "a VARCHAR column"),
    (r" (->>|->|#>>|#>|@>|<@|&&|\?|\?\||\?&|@@) ", "operators for JSON, arrays and text search",
     "columns of their own, filled by COPY's JSONPaths"),
    # c_SQL_commands
    (r"^ do ", "DO blocks", "the statements themselves"),
    (r"^ (explain )?table | (\(|as|union|except|intersect|all) table "
     r"|^ insert into \S+( \. \S+)*( \( [^()]*\))? table ",
     "TABLE t as a query", "SELECT * FROM t"),
    (r"^ (prepare transaction|commit prepared|rollback prepared) ", "two-phase commit", "COMMIT"),
    # r_EXPLAIN, r_CREATE_TABLE_NEW, r_CREATE_VIEW, r_CREATE_TABLE_AS
    (r"^ explain (verbose )?analy[sz]e ", "EXPLAIN ANALYZE", "EXPLAIN"),
    (r"^ explain \( (?!select |with |\( )", "EXPLAIN (…)", "EXPLAIN"),
    (r"^ create (global |foreign |unlogged )", "UNLOGGED, GLOBAL or FOREIGN tables",
     "CREATE [TEMP] TABLE"),
    (r"^ create (or replace )?(temp |temporary |recursive )+view ",
     "TEMP or RECURSIVE views", "CREATE VIEW"),
    (r" with (local |cascaded )?check option ", "WITH CHECK OPTION", "a plain view"),
    (r" with (no )?data $", "WITH [NO] DATA", "the query with WHERE FALSE for an empty table"),
    # r_COMMIT, r_END, r_ROLLBACK, r_ABORT, r_BEGIN, r_CREATE_ROLE
    (r"^ (commit|end|rollback|abort) .*chain ", "AND CHAIN", "COMMIT and BEGIN"),
    (r"^ (begin|start) .*deferrable ", "deferrable transactions", "BEGIN"),
    (r"^ create role \S+ (?!externalid )", "CREATE ROLE with options", "CREATE USER"),
    # r_INSERT_30, r_UPDATE, r_DELETE
    (r"^ insert into \S+( \. \S+)* as ", "an alias of the table of an INSERT", "its name"),
    (r" on conflict (\(|do|on) ", "INSERT … ON CONFLICT", DELETE_AND_INSERT),
    (r"(?<! \.)(?<! as) returning ", "RETURNING", "a SELECT after the statement"),
    (r" overriding (system|user) value ", "OVERRIDING … VALUE", "GENERATED BY DEFAULT AS IDENTITY"),
    (r"^ update (?:(?! set ).)* set \( ", "UPDATE … SET (a, b) = …", "SET a = …, b = …"),
    # r_SELECT_synopsis, r_SELECT_list, r_FROM_clause30, r_UNION, r_ORDER_BY_clause
    (r" distinct on \( ", "SELECT DISTINCT ON", "ROW_NUMBER() in a subquery"),
    (r"(?<! \.)(?<! as) lateral ", "LATERAL", "a join with a subquery"),
    (r"(?<! \.)(?<! as) tablesample ", "TABLESAMPLE", "ORDER BY RANDOM() LIMIT n"),
    (r" window \S+ as \( ", "the WINDOW clause", "the window in each OVER (…)"),
    (r" (except|intersect|minus) all ", "EXCEPT ALL and INTERSECT ALL", "EXCEPT or INTERSECT"),
    (r"\S fetch (first|next) ", "FETCH FIRST", "LIMIT n"),
    (r" for (no key update|key share|update|share) ", "SELECT … FOR UPDATE", "LOCK t"),
    # c_Aggregate_Functions, r_Window_function_synopsis
    (r" \) filter \( where ", "FILTER (WHERE …)", "the aggregate of a CASE"),
    (r" exclude (current row|group|ties|no others) ", "frames with EXCLUDE",
     "ROWS BETWEEN … AND …"),
    # r_WITH_clause
    (r" as \( (insert|update|delete|merge) ", "WITH queries that change data",
     "each change as a statement of its own"),
    (r" as (not )?materialized \( ", "WITH … AS MATERIALIZED", "WITH … AS (…)"),
    (r" search (depth|breadth) first by | \) cycle \S+ ", "SEARCH and CYCLE",
     "a column that counts"),
    (r"(?<! as) \( with recursive ", "WITH RECURSIVE in a subquery", "it before the first SELECT"),
    (r" (with|recursive|,) \S+ (\( [^()]*\) )?as \( with ", "a WITH within a WITH query",
     "the queries one after the other"),
]  # fmt: skip
# The guide does not mention these.
UNKNOWN = [
    (r" u&['\"] ", "U&'…'", "the characters themselves"),
    (r" e' ", "E'…'", "'…', in which a backslash is an escape character"),
    (r" is (not )?(nf(c|d|kc|kd) )?normalized ", "IS NORMALIZED", "="),
]  # fmt: skip
NOT_EMULATED = [
    (r"^ copy ", "COPY in this place", "COPY t FROM 's3://…' as a statement of its own"),
    (r"^ explain (verbose )?create table ", "EXPLAIN CREATE TABLE AS", "EXPLAIN of the query"),
    (r"^ show (?!\S+ $|time zone $)", "SHOW of tables and other objects",
     "a query of information_schema"),
    (r"^ (explain (verbose )?|prepare \S+ (\( [^()]*\) )?as )?merge ", "MERGE", DELETE_AND_INSERT),
    (r"^ (explain (verbose )?)?(create|alter|drop|refresh) materialized ", "materialized views",
     "CREATE VIEW, or CREATE TABLE AS"),
    (r"^ (create|alter|drop) (or replace )?(function|procedure) |^ call ",
     "user-defined procedures and functions", "the statements themselves"),
    (r" \$\$ ", "dollar quotes", "'…'"),
    (r"^ (create|alter|drop) (or replace )?"
     r"(external|library|model|datashare|identity|masking|rls) ",
     "external objects, libraries, models, datashares, identity providers and policies", ""),
    (r" with no schema binding ", "WITH NO SCHEMA BINDING", "a plain view"),
    (r"(?<! select)(?<! distinct)(?<! ,)(?<! \()(?<! \.)(?<! as)(?<! by)(?<! where)(?<! and)"
     r"(?<! or)(?<! on)(?<! not)(?<! =) qualify (?!, |\) |\. |as |from |$)",
     "QUALIFY", "ROW_NUMBER() in a subquery"),
    (r" (pivot|unpivot) (include |exclude |\( )", "PIVOT and UNPIVOT", "the aggregate of a CASE"),
    (r" (ignore|respect) nulls ", "IGNORE NULLS", "a subquery without the NULLs"),
    (r" start with (?!0)|(?<!\.) connect by ", "CONNECT BY", "WITH RECURSIVE"),
    (r" group by all ", "GROUP BY ALL", "the columns"),
    (r" case_insensitive ", "COLLATE CASE_INSENSITIVE", "LOWER (…) where values are compared"),
    (r"^ analyze compression ", "ANALYZE COMPRESSION", ""),
    (r"^ (unload|use|desc|cancel) ", "UNLOAD, USE, DESC and CANCEL", ""),
    (r"^ alter table \S+( \. \S+)* append ", "ALTER TABLE … APPEND", DELETE_AND_INSERT),
]  # fmt: skip
# c_SQL_commands: the commands that the stand-in has, then the objects to create, alter and drop.
STATEMENTS = frozenset("""
    ( abort alter analyse analyze begin close comment commit create deallocate declare delete drop
    end execute explain fetch grant insert lock prepare reset revoke rollback select set
    show start truncate update vacuum with
""".split())
_OBJECT = re.compile(
    r"^ (?:create (?:(?:local )?(?:temp |temporary )?table |(?:or replace )?view )"
    r"|(?:create|drop) view |(?:alter|drop) table "
    r"|(?:create|alter|drop) (?:schema|database|user|group|role) "
    r"|(?!create |alter |drop ))")

_RULES = [
    (re.compile(pattern), message.format(what), instead)
    for patterns, message in (
        (LACKS, "Redshift has no {}"),
        (NOT_EMULATED, "the stand-in does not emulate Redshift's {}"),
        (UNKNOWN, "the stand-in does not emulate {}, which Redshift's guide does not mention"),
    )
    for pattern, what, instead in patterns
]
# Calls in which FROM does not name a table.
_FROM_IN_CALL = re.compile(r" (?:extract \( \S+|(?:trim|substring) \( (?:\S+ ){0,2}?\S+) from ")
_CHANGES = ("insert", "update", "delete", "create", "alter")


def refusal(message: str, instead: str = "", error: type = errors.FeatureNotSupported) -> Exception:
    """Return the exception to raise: what is refused, and what to write instead."""
    return error(f"{message}; write {instead}" if instead else message)


def refuse(outline: str, top: str) -> None:
    """Raise if Redshift or the stand-in refuses the statement; `top` is Edit.top_outline()."""
    for pattern, message, instead in _RULES:
        if pattern.search(outline):
            raise refusal(message, instead)
    first = outline.split(" ", 2)[1]
    if first not in STATEMENTS:
        message = f"the stand-in knows of no statement {first.upper()} in Redshift"
        raise refusal(message, "", errors.SyntaxError)
    if not _OBJECT.search(outline):
        command = " ".join(outline.upper().split()[: 4 if " or replace " in outline else 2])
        raise refusal(f"the stand-in knows of no {command} in Redshift")
    verb = re.search(r" (select|insert|update|delete|merge) ", top)
    if first == "with" and verb and verb[1] in ("insert", "merge"):  # r_WITH_clause
        message = f"Redshift has no WITH before {verb[1].upper()}"
        raise refusal(message, "INSERT INTO t WITH … SELECT, or a subquery")
    # r_INSERT_30
    if " values ( ) , " in top and re.search(r" values \( .*\( select ", outline):
        message = "Redshift has no subquery in an INSERT of several VALUES rows"
        raise refusal(message, "INSERT … SELECT")


def refuse_misplaced_function(name: str, outline: str) -> None:
    """Raise if a leader-node function is used with a table, or a compute-node one without."""
    if name in COMPUTE_FUNCTIONS:
        if not _TABLE.search(_FROM_IN_CALL.sub(" ", outline)):
            message = f"Redshift runs {name.upper()} only in a query of a table"
            raise refusal(message, "FROM and a table")
        return
    has_from = " from " in _FROM_IN_CALL.sub(" ", outline)
    if has_from or outline.split(" ", 2)[1] in _CHANGES:
        message = f"Redshift runs {name.upper()} on its leader node only, never with a table"
        raise refusal(message, "GETDATE(), SYSDATE or CURRENT_DATE")


def type_refusal(name: str) -> Exception:
    """Return the exception for a type that Redshift or the stand-in does not have."""
    if name in NOT_EMULATED_TYPES:
        return refusal(f"the stand-in does not emulate Redshift's type {name.upper()}")
    # c_Supported_data_types is the complete list.
    advice = ADVICE_ON_TYPES.get(name, "a type of Redshift's, for example VARCHAR(n)")
    return refusal(f"Redshift has no type {name.upper()}", advice, errors.UndefinedObject)


def reserved_word_refusal(word: str) -> Exception:
    message = f"{word.upper()} is a reserved word of Redshift"
    return refusal(message, f'"{word}" or choose another name', errors.SyntaxError)


def length_refusal(size: int) -> Exception:
    """Return the exception for a name that PostgreSQL would cut; Redshift takes 127 bytes (r_names)."""
    if size > 127:
        message = f"Redshift takes no names of {size} bytes"
    else:
        message = f"the stand-in takes names of up to 63 bytes, not of {size} like Redshift"
    return refusal(message, "a shorter name", errors.NameTooLong)
