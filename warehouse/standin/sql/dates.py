"""Date parts and the functions that take one: DATEADD, DATEDIFF, EXTRACT, DATE_PART, DATE_TRUNC."""

import re

from psycopg2 import errors

from .edit import Edit
from .refusals import refusal
from .tokens import decode_name, decode_string

# r_Dateparts_for_datetime_functions: the spellings of each date part, PostgreSQL's first.
_SPELLINGS = """
    millennium millennia mil mils millenniums|century centuries c cent cents
    decade decades dec decs|year years y yr yrs|quarter quarters qtr qtrs|month months mon mons
    week weeks w|day days d|hour hours h hr hrs|minute minutes m min mins|second seconds s sec secs
    milliseconds millisecond ms msec msecs msecond mseconds millisec millisecs millisecon
    microseconds microsecond us usec usecs usecond useconds microsec microsecs
    dow dayofweek dw weekday|doy dayofyear dy yearday|epoch|timezone|timezone_hour|timezone_minute
"""
_PARTS = {
    spelling: part.split()[0]
    for part in re.split(r"[|\n]", _SPELLINGS)
    for spelling in part.split()
}
_EXTRACT_TEMPLATES = {
    "epoch": "CAST(floor(EXTRACT(epoch FROM {0})) AS bigint)",
    "milliseconds": "CAST(mod(floor(EXTRACT(milliseconds FROM {0})), 1000) AS int)",
    "microseconds": "CAST(mod(floor(EXTRACT(microseconds FROM {0})), 1000000) AS int)",
}
# r_DATEDIFF_function: DATEDIFF counts the boundaries crossed. So number the parts from a fixed origin,
# and subtract the start's number from the end's. A week begins on Sunday; 1970-01-04 was one.
_COUNT_TEMPLATES = {
    "quarter": "EXTRACT(year FROM {0}) * 4 + EXTRACT(quarter FROM {0})",
    "month": "EXTRACT(year FROM {0}) * 12 + EXTRACT(month FROM {0})",
    "week": "floor((CAST({0} AS date) - DATE '1970-01-04') / 7.0)",
    "day": "(CAST({0} AS date) - DATE '1970-01-01')",
    "hour": "floor(EXTRACT(epoch FROM {0}) / 3600)",
    "minute": "floor(EXTRACT(epoch FROM {0}) / 60)",
    "second": "floor(EXTRACT(epoch FROM {0}))",
    "milliseconds": "floor(EXTRACT(epoch FROM {0}) * 1000)",
    "microseconds": "floor(EXTRACT(epoch FROM {0}) * 1000000)",
} | {part: f"EXTRACT({part} FROM {{0}})" for part in ("year", "decade", "century", "millennium")}


def _read_part(edit: Edit, pos: int) -> str:
    """Return the date part at a position, bare or quoted, in PostgreSQL's spelling.

    The list in r_Dateparts_for_datetime_functions is complete.
    """
    token = edit.tokens[pos]
    spelling = decode_string(token) if token.kind == "string" else decode_name(token)
    if spelling.lower() not in _PARTS:
        message = f"Redshift has no date part {token.text!r}"
        instead = "year, month, week, day, hour, minute, second, dow, doy or epoch"
        raise refusal(message, instead, errors.InvalidParameterValue)
    return _PARTS[spelling.lower()]


def _read_counted_part(edit: Edit, pos: int) -> str:
    """Return the first argument of DATEADD or DATEDIFF at `pos`; raises if it cannot be counted."""
    part = _read_part(edit, pos + 2)
    if part not in _COUNT_TEMPLATES:
        message = f"Redshift's {edit.words[pos].upper()} takes no {part}"
        raise refusal(message, "day", errors.InvalidParameterValue)
    return part


def _read_arguments(edit: Edit, pos: int, end: int, count: int) -> list[str]:
    """Return the arguments after the date part; `count` is the number of all arguments."""
    items = edit.split(pos + 2, end - 1)
    if len(items) != count or items[0][1] - items[0][0] != 1 or any(start == stop for start, stop in items):
        raise edit.arguments_error(pos, f"a date part and {count - 1} more")
    return [edit.text(*item) for item in items[1:]]


def _translate_dateadd(edit: Edit, pos: int, end: int) -> None:
    number, start = _read_arguments(edit, pos, end, 3)
    part = _read_counted_part(edit, pos)
    step = "3 months" if part == "quarter" else f"1 {part}"
    interval = f"CAST({number} AS bigint) * INTERVAL '{step}'"
    edit.replace(pos, end, f"(CAST({start} AS timestamp) + {interval})")


def _translate_datediff(edit: Edit, pos: int, end: int) -> None:
    times = _read_arguments(edit, pos, end, 3)
    template = _COUNT_TEMPLATES[_read_counted_part(edit, pos)]
    first, last = (f"({template.format(f'CAST({text} AS timestamp)')})" for text in times)
    edit.replace(pos, end, f"CAST({last} - {first} AS bigint)")


def _translate_extract(edit: Edit, pos: int, end: int) -> None:
    if edit.word(pos + 3) != "from" or end - pos < 6:
        raise edit.syntax_error(pos + 3, "EXTRACT(part FROM value)")
    edit.replace(pos, end, _format_extract(_read_part(edit, pos + 2), edit.text(pos + 4, end - 1)))


def _format_extract(part: str, value: str) -> str:
    """Return an expression for a date part of a value as an integer (r_EXTRACT_function)."""
    template = _EXTRACT_TEMPLATES.get(part, f"CAST(floor(EXTRACT({part} FROM {{0}})) AS int)")
    return template.format(value)


def _translate_date_part(edit: Edit, pos: int, end: int) -> None:
    (value,) = _read_arguments(edit, pos, end, 2)
    part = _read_part(edit, pos + 2)
    if part in _EXTRACT_TEMPLATES or part == "second":
        edit.replace(pos, end, f"CAST({_format_extract(part, value)} AS float8)")
    else:
        edit.replace(pos, end, f"DATE_PART('{part}', {value})")


def _translate_date_trunc(edit: Edit, pos: int, end: int) -> None:
    if edit.word(pos + 2) == "'" and edit.word(pos + 3) == ",":
        edit.replace(pos + 2, pos + 3, f"'{_read_part(edit, pos + 2)}'")


# Function -> translator of the call from `pos`, where its name is, up to `end`.
TRANSLATIONS = {
    "dateadd": _translate_dateadd,
    "date_add": _translate_dateadd,
    "datediff": _translate_datediff,
    "date_diff": _translate_datediff,
    "extract": _translate_extract,
    "date_part": _translate_date_part,
    "datepart": _translate_date_part,
    "date_trunc": _translate_date_trunc,
}
