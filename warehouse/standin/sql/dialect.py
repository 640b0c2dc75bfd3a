"""Redshift SQL -> PostgreSQL SQL, token by token, with Redshift's refusals.

This is text in, text out, without a database. COPY belongs to the package `copy`.
"""

import hashlib

from psycopg2 import errors

from .alter import alter_table
from .ddl import Table, create_table, finish_table
from .edit import Edit
from .expressions import rewrite_expressions
from .refusals import refusal, refuse
from .tokens import Token, first_word, quote_string

# cm_chap_ConfigurationRef: settings that PostgreSQL has too; settings that change no result, which
# are stored only; and settings that would change a result.
SHARED_SETTINGS = frozenset("""
    application_name client_encoding datestyle extra_float_digits search_path seed
    statement_timeout timezone
""".split())
REMEMBERED_SETTINGS = frozenset("""
    analyze_threshold_percent auto_analyze enable_result_cache_for_session enable_vacuum_boost
    max_concurrency_scaling_clusters max_cursor_result_set_size mv_enable_aqmv_for_session
    query_group use_fips_ssl wlm_query_slot_count
""".split())
NOT_EMULATED_SETTINGS = frozenset("""
    cast_super_null_on_error datashare_break_glass_session_var default_array_search_null_handling
    default_geometry_encoding describe_field_name_in_uppercase downcase_delimited_identifier
    enable_case_sensitive_identifier enable_case_sensitive_super_attribute
    enable_numeric_rounding enable_spectrum_oid error_on_nondeterministic_update
    interval_forbid_composite_literals json_serialization_enable
    json_serialization_parse_nested_strings navigate_super_null_on_error
    parse_super_null_on_error pg_federation_repeatable_read spectrum_enable_pseudo_columns
    spectrum_query_maxerror stored_proc_log_min_messages
""".split())


def has_implicit_commit(tokens: list[Token]) -> bool:
    """Return whether Redshift commits right after the statement (r_TRUNCATE)."""
    return first_word(tokens) == "truncate"


def is_refused_in_transaction(tokens: list[Token]) -> bool:
    """Return whether Redshift refuses the statement within a transaction (r_ALTER_TABLE)."""
    if first_word(tokens) != "alter":
        return False
    words = Edit(tokens).words
    return words[1:2] == ["table"] and "alter" in words[2:] and "type" in words[3:]


def translate(tokens: list[Token]) -> list[str]:
    """Return the PostgreSQL statements for one Redshift statement; none if there is nothing to do.

    Text that needs no translation is returned as it was, comments included.
    """
    edit = Edit(tokens)
    if not edit.words:
        return []
    outline = edit.outline()
    refuse(outline, edit.top_outline())
    rewrite_expressions(edit, outline)
    handler = _STATEMENTS.get(_find_kind(edit.words))
    return handler(edit) if handler else [str(edit)]


def _find_kind(words: list[str]) -> str:
    """Return the verb and, after CREATE and ALTER, the kind of object; "create or" for OR REPLACE."""
    if words[0] == "create":
        words = ["create"] + [w for w in words[1:4] if w not in ("local", "temp", "temporary")]
    return " ".join(words[:2]) if words[0] in ("create", "alter") else words[0]


def _translate_create_view(edit: Edit) -> list[str]:
    """Translate CREATE [OR REPLACE] VIEW: no new columns, and no writes to the view (r_CREATE_VIEW).

    PostgreSQL would let REPLACE add columns, and would pass writes on to the view's table.
    """
    pos = edit.words.index("view") + 1
    end = edit.skip_name(pos)
    name = edit.text(pos, end)
    if edit.words[pos][0] == "#":
        edit.replace(pos - 1, pos, "TEMP " + edit.text(pos - 1, pos))
    if edit.word(end) == "(":
        edit.read_names(end)
    read_only = ("CREATE TRIGGER standin_read_only INSTEAD OF INSERT OR UPDATE OR DELETE"
                 f" ON {name} FOR EACH ROW EXECUTE FUNCTION redshift.refuse_write_to_view()")
    if edit.word(1) != "or":
        return [str(edit), read_only]
    columns = f"(SELECT relnatts FROM pg_class WHERE oid = to_regclass({quote_string(name)}))"
    digest = hashlib.md5(str(edit).encode(errors="replace"), usedforsecurity=False).hexdigest()
    tag = f"$standin_{digest}$"
    message = "Redshift replaces a view only with one of the same columns; write DROP VIEW first"
    return [f"DO {tag} DECLARE before CONSTANT int := {columns}; BEGIN\n{edit}\n;"
            f" IF before IS NULL THEN {read_only};"
            f" ELSIF before < {columns} THEN RAISE feature_not_supported USING MESSAGE ="
            f" {quote_string(message)}; END IF; END {tag}"]


def _translate_select(edit: Edit) -> list[str]:
    """Translate SELECT; with INTO it creates a table (r_SELECT_INTO)."""
    pos = edit.find(0, len(edit.words), "into") + 1
    while edit.word(pos) in ("temp", "temporary", "table"):
        pos += 1
    if pos >= len(edit.words):
        return [str(edit)]
    name = edit.text(pos, edit.skip_name(pos)).removeprefix("TEMP ")
    return [str(edit)] + finish_table(name, Table())


def _translate_delete(edit: Edit) -> list[str]:
    if edit.word(1) != "from":
        edit.append(0, " FROM")
    return [str(edit)]


def _translate_begin(edit: Edit) -> list[str]:
    """Translate BEGIN without its isolation level: that of the database always applies (r_BEGIN)."""
    pos = edit.find(1, len(edit.words), "isolation")
    if edit.has_words(pos, "isolation level"):
        edit.drop(pos, min(pos + 3 + (edit.word(pos + 2) in ("read", "repeatable")), len(edit.words)))
    return [str(edit)]


def _translate_truncate(edit: Edit) -> list[str]:
    pos = 1 + (edit.word(1) == "table")
    if edit.skip_name(pos) != len(edit.words):
        message = "Redshift's TRUNCATE takes one table and no RESTART or CASCADE"
        raise refusal(message, "a TRUNCATE for each table")
    if pos == 1:
        edit.append(0, " TABLE")
    return [str(edit)]


def _translate_lock(edit: Edit) -> list[str]:
    """Translate LOCK [TABLE] t, …, which has no other clauses (r_LOCK)."""
    for start, end in edit.split(1 + (edit.word(1) == "table"), len(edit.words)) or [(1, 0)]:
        if edit.skip_name(start) != end:
            raise refusal("Redshift has no LOCK … IN … MODE and no NOWAIT", "LOCK t")
    return [str(edit)]


def _translate_analyze(edit: Edit) -> list[str]:
    """Translate ANALYZE of a table into a call of standin.analyze (r_ANALYZE)."""
    end = len(edit.words)
    if edit.word(end - 1) == "columns" and edit.word(end - 2) in ("predicate", "all"):
        edit.drop(end - 2, end)
        end -= 2
    if end > 1 and edit.word(1) != "verbose" and edit.skip_name(1) == end:
        edit.replace(0, end, f"CALL standin.analyze({quote_string(edit.text(1, end))})")
    return [str(edit)]


def _translate_vacuum(edit: Edit) -> list[str]:
    """Translate VACUUM [FULL | SORT ONLY | …] [t [TO n PERCENT] [BOOST]] (r_VACUUM_command)."""
    kinds = ("full", "sort only", "delete only", "reindex", "recluster")
    pos = 1 + next((len(kind.split()) for kind in kinds if edit.has_words(1, kind)), 0)
    if pos > 1:
        edit.drop(1, pos)
    if pos == len(edit.words):
        return [str(edit)]
    end = pos = edit.skip_name(pos)
    if edit.word(pos) == "to" and edit.word(pos + 2) == "percent":
        pos += 3
    pos += edit.word(pos) == "boost"
    if pos != len(edit.words):
        raise edit.syntax_error(pos, "TO n PERCENT or the end of the statement")
    if pos > end:
        edit.drop(end, pos)
    return [str(edit)]


def _translate_setting(edit: Edit) -> list[str]:
    """Translate SET, RESET and SHOW; Redshift's own settings become standin.<name> (r_SET)."""
    verb = edit.words[0]
    pos = 1 + (verb == "set" and edit.word(1) in ("session", "local"))
    name = edit.word(pos)
    if edit.has_words(pos, "time zone"):
        return [str(edit)]
    if name in REMEMBERED_SETTINGS:
        edit.replace(pos, pos + 1, f"standin.{name}")
        return [str(edit)]
    if edit.has_words(0, "reset all"):  # all but the settings that make PostgreSQL a stand-in
        names = SHARED_SETTINGS - {"seed", "timezone"}
        names |= {f"standin.{name}" for name in REMEMBERED_SETTINGS}
        return ["SET TIME ZONE 'UTC'"] + [f"RESET {name}" for name in sorted(names)]
    if name == "timezone" and (verb == "reset" or edit.word(pos + 2) == "default"):
        return ["SET TIME ZONE 'UTC'"]
    if name in NOT_EMULATED_SETTINGS:
        raise refusal(f"the stand-in does not emulate Redshift's setting {name}")
    takes_any_name = verb == "show" or edit.has_words(1, "session authorization")
    if name not in SHARED_SETTINGS and not takes_any_name:
        if not name:
            raise edit.syntax_error(pos, "a setting")
        message = f"the stand-in knows of no setting {name} in Redshift"
        instead = f"one of {', '.join(sorted(SHARED_SETTINGS | REMEMBERED_SETTINGS))}"
        raise refusal(message, instead, errors.UndefinedObject)
    return [str(edit)]


_STATEMENTS = {
    "create table": create_table,
    "create view": _translate_create_view,
    "create or": _translate_create_view,
    "select": _translate_select,
    "with": _translate_select,
    "alter table": alter_table,
    "begin": _translate_begin,
    "start": _translate_begin,
    "delete": _translate_delete,
    "truncate": _translate_truncate,
    "lock": _translate_lock,
    "analyze": _translate_analyze,
    "vacuum": _translate_vacuum,
    "set": _translate_setting,
    "reset": _translate_setting,
    "show": _translate_setting,
}
