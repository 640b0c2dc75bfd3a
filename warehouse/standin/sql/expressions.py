"""Translation of expressions in any statement: casts, function calls, names, TOP, MINUS, SYSDATE."""

import re
from collections import defaultdict

from . import dates
from .aliases import name_subquery
from .column_types import CHARACTER_TYPES, TYPES, cut_to_bytes, translate_cast_type
from .edit import Edit
from .functions import refuse_function
from .refusals import (
    COMPUTE_FUNCTIONS,
    LEADER_FUNCTIONS,
    LEADER_WORDS,
    MISSING_TYPES,
    refusal,
    refuse_misplaced_function,
    type_refusal,
)
from .reserved import refuse_reserved_name
from .tokens import decode_name, fold_case, quote_name

SYSTEM_RELATIONS = frozenset("""
    stl_load_commits stl_load_errors stl_replacements svv_transactions sys_load_detail
    sys_load_error_detail sys_load_history
""".split())
SYSTEM_FUNCTIONS = frozenset("pg_last_copy_count pg_last_copy_id".split())

_UNKNOWN_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\[uUx]")
_SYSDATE = "(now() AT TIME ZONE 'UTC')"
_USER_ID = "(SELECT usesysid::int FROM pg_catalog.pg_user WHERE usename = current_user)"
_RENAMED = {
    "any_value": "MIN",
    "nvl": "COALESCE",
} | dict.fromkeys(("char_length", "character_length", "len", "textlen"), "LENGTH") | {
    name: f"redshift.{name}" for name in """
        add_months avg last_day round stddev stddev_pop stddev_samp trunc var_pop var_samp variance
    """.split()
}
_REPEAT = {2: "redshift.fit(repeat({0}, {1}), 'REPEAT')"}
# Function -> number of arguments -> translation; None leaves the call as it is.
_TEMPLATES = {
    "getdate": {0: "date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC')"},
    "nvl2": {3: "(CASE WHEN ({0}) IS NOT NULL THEN {1} ELSE {2} END)"},
    "date_part_year": {1: "CAST(EXTRACT(year FROM {0}) AS int)"},
    "repeat": _REPEAT,
    "replicate": _REPEAT,
    # r_CONCAT: NULL if either argument is NULL; PostgreSQL's ignores NULLs.
    "concat": {2: "(CAST({0} AS text) || CAST({1} AS text))"},
    "median": {1: "percentile_cont(0.5) WITHIN GROUP (ORDER BY {0})"},
    "charindex": {2: "strpos({1}, {0})"},
    "convert_timezone": {
        2: "(CAST({1} AS timestamp) AT TIME ZONE 'UTC' AT TIME ZONE {0})",
        3: "(CAST({2} AS timestamp) AT TIME ZONE {0} AT TIME ZONE {1})",
    },
    "to_timestamp": {2: None, 3: "to_timestamp({0}, {1})"},
    "log": {1: None},
    # r_WF_LAG, r_WF_LEAD: no third argument, PostgreSQL's default for a missing row.
    "lag": {1: None, 2: None},
    "lead": {1: None, 2: None},
    # REGEXP_REPLACE: replaces every occurrence; PostgreSQL's replaces the first.
    "regexp_replace": {
        2: "regexp_replace({0}, {1}, '', 'g')",
        3: "regexp_replace({0}, {1}, {2}, 'g')",
        4: "regexp_replace({0}, {1}, {2}, {3}, 0)",
        5: "regexp_replace({0}, {1}, {2}, {3}, 0, {4})",
    },
}
# Words that are not functions, although a parenthesis may follow.
_SYNTAX = frozenset("""
    all and any as between by case check conflict cube default distinct distkey else end except
    exclude exists explain filter for foreign from group grouping having identity ilike in insert
    intersect interval into is join key like limit minus not offset on or partition range references
    return rollup row_format select set sets similar some sortkey table then to top unique using
    values when where with
""".split())
# After one of these words, a word before a parenthesis is a function; after any other, a name or type.
_BEFORE_CALLS = frozenset("""
    all and any approximate between both by case default distinct else explain extract for from
    having ilike in is join leading like limit not offset on or select set similar some then
    trailing when where
""".split())
# A list in parentheses after one of these is a row value, not a list of columns, types or values.
_BEFORE_ROWS = frozenset("""
    ( , = <> != < > <= >= + - * / || all and between case distinct else having not on or select then
    when where
""".split())
# Not reserved, so Redshift takes them as aliases without AS (r_SELECT_list, r_pg_keywords);
# PostgreSQL requires AS.
_ALIASES_AFTER_AS = frozenset("day hour minute month second year".split())
# Statements without names, or whose own translation reads the names.
_NAMELESS = frozenset("alter begin grant lock reset revoke set show start truncate vacuum".split())
_RANKING = frozenset("row_number rank dense_rank percent_rank cume_dist ntile lag lead".split())
_FRAMES = ("between", "unbounded", "current", "0")
_AFTER_ITEMS = (")", ",", "order", "asc", "desc", "nulls", "rows")
_NO_FRAME_NEEDED = _RANKING | {""}


def rewrite_expressions(edit: Edit, outline: str) -> None:
    """Translate expressions from the last token to the first: arguments before the call that takes them."""
    names_from = _find_first_name(edit)
    values = _find_value_lists(edit)
    casts = defaultdict(list)  # start of the operand -> casts to apply once it is translated
    for pos in range(len(edit.words) - 1, -1, -1):
        kind, text = edit.tokens[pos]
        called = edit.word(pos + 1) == "(" and edit.words[pos] not in _SYNTAX and _is_call(edit, pos)
        if called:
            _translate_call(edit, pos, outline)
        elif kind == "word":
            if pos >= names_from:
                refuse_reserved_name(edit, pos)
            _translate_word(edit, pos, outline)
        elif kind == "string":
            _refuse_escapes(text)
        elif text == "::":
            _refuse_boolean_cast(edit, pos - 1, pos)
            if cut := translate_cast_type(edit, pos + 1):
                casts[edit.find_operand(pos)].append((*cut, pos))
        elif text == "(" and pos not in values:
            _refuse_row(edit, pos)
            name_subquery(edit, pos)
        elif kind == "name" and fold_case(text) != text:
            edit.replace(pos, pos + 1, quote_name(decode_name(edit.tokens[pos])))
        for end, size, operator in sorted(casts.pop(pos, ())):
            edit.replace(pos, end, cut_to_bytes(edit.text(pos, operator), size))


def _find_first_name(edit: Edit) -> int:
    """Return the position from which names are to be checked: those before it are read elsewhere."""
    verb = edit.words[0]
    if verb in _NAMELESS:
        return len(edit.words)
    if verb == "create" and "table" in edit.words[1:4]:
        return edit.find(0, len(edit.words), "as")
    return 0


def _find_value_lists(edit: Edit) -> set[int]:
    """Return the positions where the lists of VALUES (…), (…) begin."""
    positions = set()
    for pos, word in enumerate(edit.words):
        if word == "values":
            pos += 1
            while edit.word(pos) == "(":
                positions.add(pos)
                pos = edit.partner[pos] + 1
                pos += edit.word(pos) == ","
    return positions


def _refuse_row(edit: Edit, pos: int) -> None:
    """Raise if the parenthesis holds a row (a, b) outside of IN.

    c_unsupported-postgresql-features: no row constructors. r_expression_lists: (a, b) IN (…).
    """
    before, close = edit.word(pos - 1), edit.partner[pos]
    if edit.word(close + 1 + (edit.word(close + 1) == "not")) == "in":
        return
    if before not in _BEFORE_ROWS and not (before == "by" and edit.word(pos - 2) != "group"):
        return
    if edit.word(edit.inside[pos] - 1) in ("in", "sets", "rollup", "cube"):
        return
    if edit.word(pos + 1) not in ("select", "with") and edit.find(pos + 1, close, ",") < close:
        message = "Redshift has no row values (a, b)"
        raise refusal(message, "a comparison of each column, or EXISTS (SELECT …)")


def _refuse_escapes(text: str) -> None:
    if "\\" in text and _UNKNOWN_ESCAPE.search(text):
        message = "Redshift's guide does not document \\u, \\U and \\x in a string"
        raise refusal(message, "the character itself")


def _is_call(edit: Edit, pos: int) -> bool:
    """Return whether the word before a parenthesis calls one of Redshift's functions, not a user's."""
    kind, before, close = edit.tokens[pos].kind, edit.word(pos - 1), edit.partner.get(pos + 1, pos)
    if kind not in ("word", "name"):
        return False
    if edit.words[pos] == "over":
        return True
    if before == ".":
        return edit.word(pos - 2) == "pg_catalog"
    if before == "::" or edit.has_words(pos - 2, "convert (") and edit.words[pos] in TYPES:
        return False
    if edit.has_words(close + 1, "as ("):
        return False  # WITH a (…) AS (…)
    if pos and edit.tokens[pos - 1].kind == "word":
        return before in _BEFORE_CALLS
    return before not in ("'", '"', "0", ")") or edit.word(pos - 2) == "top"


def _translate_call(edit: Edit, pos: int, outline: str) -> None:
    word, end = edit.words[pos], edit.partner[pos + 1] + 1
    if edit.word(pos - 1) == "." and word in _RENAMED.keys() | _TEMPLATES.keys() | _TRANSLATIONS.keys():
        edit.replace(pos - 2, pos, "")  # pg_catalog
    if word in COMPUTE_FUNCTIONS:
        refuse_misplaced_function(word, outline)
    if edit.tokens[pos].kind == "name":
        refuse_function(decode_name(edit.tokens[pos]))
    elif word in SYSTEM_FUNCTIONS:
        _translate_system_name(edit, pos)
    elif word in LEADER_FUNCTIONS:
        refuse_misplaced_function(word, outline)
    elif word in _RENAMED:
        edit.replace(pos, pos + 1, _RENAMED[word])
    elif word in _TEMPLATES:
        _translate_by_template(edit, pos, end)
    elif word in _TRANSLATIONS:
        _TRANSLATIONS[word](edit, pos, end)
    else:
        refuse_function(word)


def _translate_word(edit: Edit, pos: int, outline: str) -> None:
    word, before, after = edit.words[pos], edit.word(pos - 1), edit.word(pos + 1)
    if word[0] == "#":
        # SELECT … INTO #t makes a table too.
        creates = before == "into" and edit.words[0] in ("select", "with")
        edit.replace(pos, pos + 1, ("TEMP " if creates else "") + quote_name(word))
    elif after == "'" and before != ".":
        if word in MISSING_TYPES:
            raise type_refusal("bit" if word in ("b", "x") else word)
    elif before in (".", "as") and edit.word(pos - 2) != "pg_catalog":
        return
    elif word in _ALIASES_AFTER_AS and _is_bare_alias(edit, pos):
        edit.replace(pos, pos + 1, f"AS {edit.tokens[pos].text}")
    elif word == "current_user_id":
        edit.replace(pos, pos + 1, _USER_ID)
    elif word == "current_catalog":
        raise refusal("the stand-in knows of no CURRENT_CATALOG in Redshift", "CURRENT_DATABASE()")
    elif word == "recursive" and before == "with":
        _refuse_recursion(edit, pos + 1)
    elif word == "sysdate":
        edit.replace(pos, pos + 1, _SYSDATE)
    elif word in LEADER_WORDS:
        refuse_misplaced_function(word, outline)
    elif word in SYSTEM_RELATIONS:
        _translate_system_name(edit, pos)
    elif word == "minus":
        edit.replace(pos, pos + 1, "EXCEPT")
    elif word == "top":
        _translate_top(edit, pos)
    elif word == "approximate" and after in ("count", "percentile_disc"):
        edit.drop(pos, pos + 1)


def _is_bare_alias(edit: Edit, pos: int) -> bool:
    """Return whether a word is the alias, without AS, of an item of a SELECT list."""
    before = edit.word(pos - 1)
    return (
        edit.find_clause(pos) == "select" and edit.word(pos + 1) in (",", "from", ")", "into", "")
        and (edit.tokens[pos - 1].kind != "op" or before == ")") and before not in _BEFORE_CALLS
        and edit.word(pos - 2) not in ("interval", "top")  # INTERVAL '1' day, TOP 5 day
    )


def _refuse_recursion(edit: Edit, pos: int) -> None:
    """Raise unless the recursive queries have columns and UNION ALL (r_WITH_clause)."""
    while edit.word(pos + 1) in ("(", "as"):
        name, columns = edit.words[pos], edit.word(pos + 1) == "("
        opened = edit.partner[pos + 1] + 2 if columns else pos + 2
        if edit.word(opened) != "(":
            return
        close = edit.partner[opened]
        union = edit.find(opened + 1, close, "union")
        if name in edit.words[union:close]:
            if not columns:
                raise refusal("Redshift needs the columns of a recursive query", "name (column, …)")
            if edit.word(union + 1) != "all":
                raise refusal("Redshift has no recursive query without UNION ALL", "UNION ALL")
        pos = close + 1 + (edit.word(close + 1) == ",")


def _translate_system_name(edit: Edit, pos: int) -> None:
    if edit.word(pos - 1) == ".":
        edit.replace(pos - 2, pos - 1, "standin")
    else:
        edit.replace(pos, pos + 1, f"standin.{edit.words[pos]}")


def _translate_top(edit: Edit, pos: int) -> None:
    """Translate SELECT TOP n into LIMIT (r_SELECT_list); n may still be a %s parameter of psycopg2."""
    opened = edit.inside[pos]
    end = edit.partner.get(opened, len(edit.words))
    if edit.find(opened + 1, end, "union", "except", "intersect", "minus") < end:
        message = "the stand-in does not emulate Redshift's TOP with UNION, EXCEPT or INTERSECT"
        raise refusal(message, "the SELECT TOP as a subquery")
    limit_end = pos + 2
    if edit.has_words(pos + 1, "% ("):
        limit_end = edit.partner[pos + 2] + 2
    elif edit.word(pos + 1) != "0":
        raise edit.syntax_error(pos + 1, "a number after TOP")
    limit = edit.text(pos + 1, limit_end)
    edit.drop(pos, limit_end)
    edit.append(end - 1, f" LIMIT {limit}")


def _translate_by_template(edit: Edit, pos: int, end: int) -> None:
    arguments = edit.arguments(pos + 1)
    templates = _TEMPLATES[edit.words[pos]]
    if len(arguments) not in templates:
        raise edit.arguments_error(pos, " or ".join(map(str, templates)))
    if template := templates[len(arguments)]:
        edit.replace(pos, end, template.format(*arguments))


def _refuse_window(edit: Edit, pos: int, end: int) -> None:
    """Raise unless OVER suits its function: an aggregate with ORDER BY needs a frame, a ranking
    function takes none (c_Window_functions).
    """
    function = edit.word(edit.partner[pos - 1] - 1) if edit.word(pos - 1) == ")" else ""
    if function in ("group", "median", "listagg", "percentile_cont", "percentile_disc"):
        message = "the stand-in does not emulate Redshift's MEDIAN, LISTAGG and PERCENTILE_… OVER"
        raise refusal(message, "them in a subquery with GROUP BY")
    has_frame = edit.find(pos + 2, end - 1, "rows") < end - 1
    if function in _RANKING and has_frame:
        raise refusal(f"Redshift's {function.upper()} takes no frame", "OVER (… ORDER BY …)")
    for by_pos in (i for i in range(pos + 2, end - 1) if edit.words[i] == "by"):
        constant = edit.word(by_pos + 1) in ("'", "0") and edit.word(by_pos + 2) in _AFTER_ITEMS
        if constant and edit.inside[by_pos] == pos + 1:
            message = "Redshift takes no constant in the PARTITION BY or ORDER BY of a window"
            raise refusal(message, "a column")
    frame = edit.find(pos + 2, end - 1, "groups", "range")
    if edit.word(frame + 1) in _FRAMES and edit.word(frame - 1) not in ("by", ","):
        raise refusal("Redshift has no RANGE and GROUPS frames", "ROWS")
    has_order = edit.find(pos + 2, end - 1, "order") < end - 1
    if has_order and not has_frame and function not in _NO_FRAME_NEEDED:
        message = f"Redshift has no default frame for {function.upper()} OVER (… ORDER BY …)"
        raise refusal(message, "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW, for example")


def _translate_cast(edit: Edit, pos: int, end: int) -> None:
    separator = edit.find(pos + 2, end - 1, "as")
    if separator == end - 1:
        raise edit.syntax_error(end - 1, "CAST(value AS type)")
    _refuse_boolean_cast(edit, pos + 2, separator)
    if cut := translate_cast_type(edit, separator + 1):
        edit.replace(pos, end, cut_to_bytes(edit.text(pos + 2, separator), cut[1]))


def _refuse_boolean_cast(edit: Edit, start: int, end: int) -> None:
    """Raise if TRUE or FALSE is cast to a text (r_CAST_function, r_Boolean_type).

    The value stands from start up to end, where :: or AS follows.
    """
    is_boolean = end - start == 1 and edit.word(start) in ("true", "false")
    if is_boolean and edit.word(end + 1) in CHARACTER_TYPES:
        raise refusal("Redshift casts no BOOLEAN to a text", "CASE WHEN … THEN 'true' …")


def _translate_convert(edit: Edit, pos: int, end: int) -> None:
    """Translate CONVERT(type, expression) into CAST (r_CONVERT_function)."""
    if len(edit.arguments(pos + 1)) != 2:
        raise edit.arguments_error(pos, "2")
    cut = translate_cast_type(edit, pos + 2)
    kind, value = edit.arguments(pos + 1)
    edit.replace(pos, end, cut_to_bytes(value, cut[1]) if cut else f"CAST({value} AS {kind})")


def _translate_decode(edit: Edit, pos: int, end: int) -> None:
    """Translate DECODE into CASE, with NULL equal to NULL (r_DECODE_expression)."""
    arguments = edit.arguments(pos + 1)
    if len(arguments) < 3:
        raise edit.arguments_error(pos, "3 or more")
    value, *rest = arguments
    otherwise = f" ELSE {rest.pop()}" if len(rest) % 2 else ""
    cases = zip(rest[::2], rest[1::2], strict=True)
    whens = " ".join(f"WHEN ({value}) IS NOT DISTINCT FROM ({search}) THEN {result}"
                     for search, result in cases)
    edit.replace(pos, end, f"(CASE {whens}{otherwise} END)")


def _translate_listagg(edit: Edit, pos: int, end: int) -> None:
    """Translate LISTAGG([DISTINCT] value[, delimiter]) [WITHIN GROUP (ORDER BY …)] (r_LISTAGG)."""
    distinct = edit.word(pos + 2) == "distinct"
    texts = [edit.text(*item) for item in edit.split(pos + 2 + distinct, end - 1)]
    if len(texts) not in (1, 2):
        raise edit.arguments_error(pos, "1 or 2")
    delimiter = texts[1] if len(texts) == 2 else "''"
    # PostgreSQL can order distinct values only by the argument as written, so it gets no cast.
    value = f"DISTINCT {texts[0]}" if distinct else f"CAST({texts[0]} AS text)"
    order = ""
    if edit.has_words(end, "within group ("):
        opened, end = end + 2, edit.partner[end + 2] + 1
        order = " " + edit.text(opened + 1, end - 1)
    edit.replace(pos, end, f"redshift.fit(string_agg({value}, {delimiter}{order}), 'LISTAGG')")


def _refuse_negative_part(edit: Edit, pos: int, end: int) -> None:
    """Raise if SPLIT_PART is to count from the end (SPLIT_PART)."""
    parts = edit.split(pos + 2, end - 1)
    if len(parts) == 3 and edit.word(parts[2][0]) == "-":
        raise refusal("Redshift has no SPLIT_PART from the end", "a positive part")


_TRANSLATIONS = dates.TRANSLATIONS | {
    "split_part": _refuse_negative_part,
    "over": _refuse_window,
    "cast": _translate_cast,
    "convert": _translate_convert,
    "decode": _translate_decode,
    "listagg": _translate_listagg,
}
