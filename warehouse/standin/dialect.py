"""Redshift SQL -> PostgreSQL SQL, token by token; what Redshift refuses is refused here too.

Text in, text out: nothing here talks to a database, and COPY belongs to the module `copy`.
"""

from psycopg2 import errors

from .ddl import alter_table, create_table
from .edit import Edit
from .expressions import rewrite_expressions
from .refused import refusal, refuse
from .tokens import Token, first_word

# cm_chap_ConfigurationRef: settings that PostgreSQL has too, and those it only remembers.
SHARED_SETTINGS = frozenset("""
    application_name client_encoding datestyle extra_float_digits search_path statement_timeout
    timezone
""".split())
REMEMBERED_SETTINGS = frozenset("""
    analyze_threshold_percent enable_result_cache_for_session error_on_nondeterministic_update
    query_group wlm_query_slot_count
""".split())


def commits(tokens: list[Token]) -> bool:
    """Whether Redshift commits right after the statement (r_TRUNCATE)."""
    return first_word(tokens) == "truncate"


def translate(tokens: list[Token]) -> list[str]:
    """The PostgreSQL statements that do what one Redshift statement does; none if nothing is to do.

    What needs no change comes back as it was, comments included.
    """
    edit = Edit(tokens)
    if not edit.words:
        return []
    outline = edit.outline()
    refuse(outline, edit.outline_of_top())
    rewrite_expressions(edit, outline)
    handler = _STATEMENTS.get(_kind(edit.words))
    return handler(edit) if handler else [str(edit)]


def _kind(words: list[str]) -> str:
    """The verb, and after CREATE and ALTER what it makes or changes."""
    if words[0] == "create":
        words = ["create"] + [w for w in words[1:4] if w not in ("local", "temp", "temporary")]
    return " ".join(words[:2]) if words[0] in ("create", "alter") else words[0]


def _delete(edit: Edit) -> list[str]:
    if edit.word(1) != "from":
        edit.add(0, " FROM")
    return [str(edit)]


def _begin(edit: Edit) -> list[str]:
    """Every isolation level means that of the database (r_BEGIN): the session's."""
    p = edit.find(1, len(edit.words), "isolation")
    if edit.says(p, "isolation level"):
        edit.drop(p, min(p + 3 + (edit.word(p + 2) in ("read", "repeatable")), len(edit.words)))
    return [str(edit)]


def _truncate(edit: Edit) -> list[str]:
    p = 1 + (edit.word(1) == "table")
    if edit.qualified(p) != len(edit.words):
        message = "Redshift's TRUNCATE takes one table and no RESTART or CASCADE"
        raise refusal(message, "a TRUNCATE for each table")
    if p == 1:
        edit.add(0, " TABLE")
    return [str(edit)]


def _lock(edit: Edit) -> list[str]:
    for start, end in edit.split(1 + (edit.word(1) == "table"), len(edit.words)) or [(1, 0)]:
        if edit.qualified(start) != end:
            raise refusal("Redshift has no LOCK … IN … MODE and no NOWAIT", "LOCK t")
    return [str(edit)]


def _analyze(edit: Edit) -> list[str]:
    """ANALYZE skips a table of which few rows changed (r_ANALYZE): catalog's procedure decides."""
    end = len(edit.words)
    if edit.word(end - 1) == "columns" and edit.word(end - 2) in ("predicate", "all"):
        edit.drop(end - 2, end)
        end -= 2
    if end > 1 and edit.word(1) != "verbose" and edit.qualified(1) == end:
        table = edit.text(1, end).replace("'", "''")
        edit.put(0, end, f"CALL standin.analyze('{table}')")
    return [str(edit)]


def _vacuum(edit: Edit) -> list[str]:
    """VACUUM [FULL | SORT ONLY | …] [t [TO n PERCENT] [BOOST]], r_VACUUM_command."""
    kinds = ("full", "sort only", "delete only", "reindex", "recluster")
    p = 1 + next((len(k.split()) for k in kinds if edit.says(1, k)), 0)
    if p > 1:
        edit.drop(1, p)
    if p == len(edit.words):
        return [str(edit)]
    end = p = edit.qualified(p)
    if edit.word(p) == "to" and edit.word(p + 2) == "percent":
        p += 3
    p += edit.word(p) == "boost"
    if p != len(edit.words):
        raise edit.unexpected(p, "TO n PERCENT or the end of the statement")
    if p > end:
        edit.drop(end, p)
    return [str(edit)]


def _setting(edit: Edit) -> list[str]:
    """SET, RESET and SHOW; what PostgreSQL lacks it remembers as standin.<name> (r_SET)."""
    verb = edit.words[0]
    p = 1 + (verb == "set" and edit.word(1) in ("session", "local"))
    name = edit.word(p)
    if name in REMEMBERED_SETTINGS:
        edit.put(p, p + 1, f"standin.{name}")
        return [str(edit)]
    free = verb == "show" or verb == "reset" and name == "all" or edit.says(
        1, "session authorization")
    if name not in SHARED_SETTINGS and not free:
        message = f"Redshift has no setting {name or 'without a name'}"
        instead = f"one of {', '.join(sorted(SHARED_SETTINGS | REMEMBERED_SETTINGS))}"
        raise refusal(message, instead, errors.UndefinedObject)
    return [str(edit)]


_STATEMENTS = {
    "create table": create_table,
    "alter table": alter_table,
    "begin": _begin,
    "start": _begin,
    "delete": _delete,
    "truncate": _truncate,
    "lock": _lock,
    "analyze": _analyze,
    "vacuum": _vacuum,
    "set": _setting,
    "reset": _setting,
    "show": _setting,
}
