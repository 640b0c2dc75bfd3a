"""What may stand anywhere in a statement: casts, function calls, names, TOP, MINUS, SYSDATE."""

from . import dates
from .edit import Edit
from .refused import (
    LEADER_FUNCTIONS,
    LEADER_WORDS,
    MISSING_TYPES,
    refusal,
    refuse_function,
    refuse_leader_function,
    refuse_type,
)
from .sql_types import translate_cast
from .tokens import folded, identifier, quoted

SYSTEM_RELATIONS = frozenset("""
    stl_load_commits stl_load_errors svv_transactions sys_load_detail sys_load_error_detail
    sys_load_history
""".split())
SYSTEM_FUNCTIONS = frozenset("pg_last_copy_count pg_last_copy_id".split())

_SYSDATE = "(now() AT TIME ZONE 'UTC')"
_RENAMED = {"nvl": "COALESCE", "len": "LENGTH"}
# Function -> its translation by number of arguments; None leaves it as it is.
_TEMPLATES = {
    "getdate": {0: "date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC')"},
    "nvl2": {3: "CASE WHEN ({0}) IS NOT NULL THEN {1} ELSE {2} END"},
    # r_CONCAT: NULL if either is; PostgreSQL's would leave the NULL out.
    "concat": {2: "(CAST({0} AS text) || CAST({1} AS text))"},
    "median": {1: "percentile_cont(0.5) WITHIN GROUP (ORDER BY {0})"},
    "charindex": {2: "strpos({1}, {0})"},
    "convert_timezone": {
        2: "(CAST({1} AS timestamp) AT TIME ZONE 'UTC' AT TIME ZONE {0})",
        3: "(CAST({2} AS timestamp) AT TIME ZONE {0} AT TIME ZONE {1})",
    },
    "to_timestamp": {2: None, 3: "to_timestamp({0}, {1})"},
}
# A word before a parenthesis is no function's after one of these.
_BEFORE_NAMES = frozenset(". into table as exists references view constraint".split())
_RANKING = frozenset("row_number rank dense_rank percent_rank cume_dist ntile lag lead".split())
_NO_FRAME_NEEDED = _RANKING | {"listagg", "median", "group", ""}


def rewrite_expressions(edit: Edit, outline: str) -> None:
    """Translate from the last token to the first: the arguments of a call before the call."""
    for p in range(len(edit.words) - 1, -1, -1):
        kind, text = edit.tokens[p]
        if kind == "word":
            if edit.word(p + 1) == "(" and _is_function(edit, p):
                _call(edit, p, outline)
            else:
                _bare_word(edit, p, outline)
        elif text == "::":
            translate_cast(edit, p + 1)
        elif kind == "name" and folded(text) != text:
            edit.put(p, p + 1, quoted(identifier(edit.tokens[p])))


def _is_function(edit: Edit, p: int) -> bool:
    """Whether the word before a parenthesis names a function, not something of the user's."""
    return edit.word(p - 1) not in _BEFORE_NAMES or edit.word(p - 2) == "pg_catalog"


def _call(edit: Edit, p: int, outline: str) -> None:
    word, end = edit.words[p], edit.partner[p + 1] + 1
    if word in SYSTEM_FUNCTIONS:
        _system_name(edit, p)
    elif word in LEADER_FUNCTIONS:
        refuse_leader_function(word, outline)
    elif word in _RENAMED:
        edit.put(p, p + 1, _RENAMED[word])
    elif word in _TEMPLATES:
        _template(edit, p, end)
    elif word in _REWRITTEN:
        _REWRITTEN[word](edit, p, end)
    else:
        refuse_function(word)


def _bare_word(edit: Edit, p: int, outline: str) -> None:
    word, before, after = edit.words[p], edit.word(p - 1), edit.word(p + 1)
    if word[0] == "#":
        # SELECT … INTO #t makes a table too.
        makes = before == "into" and edit.words[0] in ("select", "with")
        edit.put(p, p + 1, ("TEMP " if makes else "") + quoted(word))
    elif after == "'" and before != ".":
        if word in MISSING_TYPES:
            raise refuse_type("bit" if word in ("b", "x") else word)
    elif before in (".", "as") and edit.word(p - 2) != "pg_catalog":
        return
    elif word == "sysdate":
        edit.put(p, p + 1, _SYSDATE)
    elif word in LEADER_WORDS:
        refuse_leader_function(word, outline)
    elif word in SYSTEM_RELATIONS:
        _system_name(edit, p)
    elif word == "minus":
        if after == "select" or after == "(" and edit.word(p + 2) in ("select", "with", "("):
            edit.put(p, p + 1, "EXCEPT")
    elif word == "top" and before == "select":
        _top(edit, p)
    elif word == "approximate" and after == "count":
        edit.drop(p, p + 1)


def _system_name(edit: Edit, p: int) -> None:
    if edit.word(p - 1) == ".":
        edit.put(p - 2, p - 1, "standin")
    else:
        edit.put(p, p + 1, f"standin.{edit.words[p]}")


def _top(edit: Edit, p: int) -> None:
    """SELECT TOP n (r_SELECT_list); n may still be a parameter of psycopg2's."""
    opened = edit.inside[p]
    end = edit.partner.get(opened, len(edit.words))
    if edit.find(opened + 1, end, "union", "except", "intersect", "minus") < end:
        message = "the stand-in does not emulate Redshift's TOP beside UNION, EXCEPT or INTERSECT"
        raise refusal(message, "the SELECT TOP as a subquery")
    until = p + 2
    if edit.says(p + 1, "% ("):
        until = edit.partner[p + 2] + 2
    elif edit.word(p + 1) != "0":
        raise edit.unexpected(p + 1, "a number after TOP")
    limit = edit.text(p + 1, until)
    edit.drop(p, until)
    edit.add(end - 1, f" LIMIT {limit}")


def _template(edit: Edit, p: int, end: int) -> None:
    arguments = edit.arguments(p + 1)
    templates = _TEMPLATES[edit.words[p]]
    if len(arguments) not in templates:
        raise edit.wrong_arguments(p, " or ".join(str(n) for n in templates))
    if template := templates[len(arguments)]:
        edit.put(p, end, template.format(*arguments))


def _window(edit: Edit, p: int, end: int) -> None:
    """An aggregate over an ordered window needs a frame, a rank takes none (c_Window_functions)."""
    function = edit.word(edit.partner[p - 1] - 1) if edit.word(p - 1) == ")" else ""
    framed = edit.find(p + 2, end - 1, "rows", "range") < end - 1
    if function in _RANKING and framed:
        raise refusal(f"Redshift's {function.upper()} takes no frame", "OVER (… ORDER BY …)")
    ordered = edit.find(p + 2, end - 1, "order") < end - 1
    if ordered and not framed and function not in _NO_FRAME_NEEDED:
        message = f"Redshift has no default frame for {function.upper()} OVER (… ORDER BY …)"
        raise refusal(message, "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW, for example")


def _cast(edit: Edit, p: int, end: int) -> None:
    separator = edit.find(p + 2, end - 1, "as")
    if separator < end - 1:
        translate_cast(edit, separator + 1)


def _convert(edit: Edit, p: int, end: int) -> None:
    """CONVERT(type, expression), r_CONVERT_function."""
    if len(edit.arguments(p + 1)) != 2:
        raise edit.wrong_arguments(p, "2")
    translate_cast(edit, p + 2)
    kind, value = edit.arguments(p + 1)
    edit.put(p, end, f"CAST({value} AS {kind})")


def _decode(edit: Edit, p: int, end: int) -> None:
    """DECODE finds NULL equal to NULL (r_DECODE_expression)."""
    arguments = edit.arguments(p + 1)
    if len(arguments) < 3:
        raise edit.wrong_arguments(p, "3 or more")
    value, *rest = arguments
    otherwise = f" ELSE {rest.pop()}" if len(rest) % 2 else ""
    cases = zip(rest[::2], rest[1::2])
    whens = " ".join(f"WHEN ({value}) IS NOT DISTINCT FROM ({a}) THEN {b}" for a, b in cases)
    edit.put(p, end, f"CASE {whens}{otherwise} END")


def _listagg(edit: Edit, p: int, end: int) -> None:
    """LISTAGG([DISTINCT] value[, delimiter]) [WITHIN GROUP (ORDER BY …)], r_LISTAGG."""
    distinct = edit.word(p + 2) == "distinct"
    texts = [edit.text(*item) for item in edit.split(p + 2 + distinct, end - 1)]
    if len(texts) not in (1, 2):
        raise edit.wrong_arguments(p, "1 or 2")
    delimiter = texts[1] if len(texts) == 2 else "''"
    # PostgreSQL orders distinct values by the argument as written, so it goes without a cast.
    value = f"DISTINCT {texts[0]}" if distinct else f"CAST({texts[0]} AS text)"
    order = ""
    if edit.says(end, "within group ("):
        opened, end = end + 2, edit.partner[end + 2] + 1
        order = " " + edit.text(opened + 1, end - 1)
    edit.put(p, end, f"string_agg({value}, {delimiter}{order})")


_REWRITTEN = dates.REWRITTEN | {
    "over": _window,
    "cast": _cast,
    "convert": _convert,
    "decode": _decode,
    "listagg": _listagg,
}
