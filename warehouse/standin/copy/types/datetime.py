"""Converter of DATE, TIMESTAMP and TIMESTAMPTZ: by a format, by 'auto' or from epochs.

Guide: r_DATEFORMAT_and_TIMEFORMAT_strings, automatic-recognition. 'auto' reads two forms here:
YYYY-MM-DD, and YYYY-MM-DD HH:MI:SS with a blank or T in the middle and, optionally, Z or an offset
at the end. Redshift may read other texts as dates too. Such a text fails the whole COPY, regardless
of MAXERROR and ACCEPTANYDATE: with the row rejected, or NULL in it, the COPY would succeed here and
yet load other rows than on Redshift.
"""

import re
from datetime import datetime, timedelta
from typing import Callable

from ..values import BlankIsNull, NotEmulated

EPOCH = datetime(1970, 1, 1)
EPOCH_UNITS = {"epochsecs": 1, "epochmillisecs": 1000}  # per second
INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
EPOCH_NUMBER = re.compile("-?[0-9]{10,}", re.ASCII)  # 'auto' does not read epochs
FIELDS = ("year", "month", "day", "hour", "minute", "second")

DEFAULT = {"date": "YYYY-MM-DD", "timestamp": "YYYY-MM-DD HH:MI:SS"}
ELEMENTS = {
    "YYYY": "(?P<year>[0-9]{4})",
    "MM": "(?P<month>[0-9]{2})",
    "DD": "(?P<day>[0-9]{2})",
    "HH24": "(?P<hour>[0-9]{2})",
    "HH": "(?P<hour>[0-9]{2})",
    "MI": "(?P<minute>[0-9]{2})",
    "SS": r"(?P<second>[0-9]{2})(?P<fraction>\.[0-9]{1,6})?",
}
ELEMENT = re.compile("YYYY|MM|DD|HH24|HH(?!12)|MI|SS|T(?=HH)|[^A-Za-z0-9]")
ACCEPTED_FORMATS = ("formats of YYYY, MM and DD, then HH24 or HH, MI and SS, with separators, in"
                    " capitals and without a zone")


def compile_format(format_string: str) -> re.Pattern | None:
    """Return a format string as a regular expression, or None if it is not emulated.

    >>> [bool(compile_format(text)) for text in ("MM/DD/YYYY", "MON DD, YYYY", "YYYY-MM-DD OF")]
    [True, False, False]
    """
    pieces, position = [], 0
    while position < len(format_string):
        match = ELEMENT.match(format_string, position)
        if not match:
            return None
        pieces.append(ELEMENTS.get(match[0]) or re.escape(match[0]))
        position = match.end()
    names = re.findall(r"\?P<(\w+)>", "".join(pieces))
    if len(set(names)) < len(names) or not {"year", "month", "day"} <= set(names):
        return None
    return re.compile("".join(pieces), re.ASCII)


def add_zone(regex: re.Pattern, zone: str) -> re.Pattern:
    return re.compile(f"{regex.pattern}(?P<zone>{zone})?", re.ASCII)


OFFSET = "[+-](?:0?[0-9]|1[0-5])(?::?[0-5][0-9])?"
TIMESTAMPTZ_PATTERN = add_zone(compile_format(DEFAULT["timestamp"]), OFFSET)
AUTO_PATTERNS = (
    compile_format(DEFAULT["date"]),
    add_zone(compile_format(DEFAULT["timestamp"]), f"Z|{OFFSET}"),
    add_zone(compile_format("YYYY-MM-DDTHH:MI:SS"), f"Z|{OFFSET}"),
)


class Moment(BlankIsNull):
    """DATE, TIMESTAMP, TIMESTAMPTZ."""

    def __init__(self, column, options):
        super().__init__(column, options)
        self.format = options.dateformat if column.type == "date" else options.timeformat
        self.read = self.make_reader()

    def make_reader(self) -> Callable[[str], str | None]:
        """Return the function that reads the column's texts; it returns None for an invalid one."""
        type_name, format_string = self.column.type, self.format
        if format_string in EPOCH_UNITS and type_name != "date":
            zone = "+00" if type_name == "timestamptz" else ""
            return lambda text: parse_epoch(text, EPOCH_UNITS[format_string], zone)
        if format_string == "auto":
            return lambda text: parse_datetime(text, AUTO_PATTERNS, type_name)
        if type_name == "timestamptz":
            # A format string cannot name a zone; only the default format and 'auto' can.
            patterns = [] if format_string else [TIMESTAMPTZ_PATTERN]
        else:
            patterns = [compile_format(format_string or DEFAULT[type_name])]
        return lambda text: parse_datetime(text, patterns, type_name)

    def parse(self, text, value):
        parsed = self.read(text)
        if parsed is not None:
            return parsed
        if self.format == "auto" and isinstance(value, str) and not EPOCH_NUMBER.fullmatch(text):
            if not any(regex.fullmatch(text) for regex in AUTO_PATTERNS):
                raise NotEmulated(
                    f"of {text[:40]!r} into column {self.column.name} by 'auto', which here reads"
                    " YYYY-MM-DD and YYYY-MM-DD HH:MI:SS, with T, Z or an offset")
        if self.options.acceptanydate and self.column.type != "timestamptz":
            return None
        raise self.rejection(*self.describe_error(text), text)

    def describe_error(self, text: str) -> tuple[int, str]:
        """Return Redshift's error code and message for an invalid date or time."""
        if self.column.type == "date":
            if len(text) < 10 and not self.format:
                return 1205, "Invalid Date Format - length must be 10 or more"
            return 1205, f"Invalid Date Format [{self.format or DEFAULT['date']}]"
        zone = "OF" if self.column.type == "timestamptz" else ""
        format_string = self.format or f"YYYY-MM-DD HH24:MI:SS{zone}"
        return 1206, f"Invalid timestamp format or value [{format_string}]"


def parse_datetime(text: str, patterns, type_name: str) -> str | None:
    """Return the date or time as PostgreSQL reads it; only TIMESTAMPTZ keeps the zone."""
    match = next(filter(None, (regex.fullmatch(text) for regex in patterns)), None)
    if not match:
        return None
    parts = match.groupdict()
    try:
        moment = datetime(*(int(parts.get(name) or 0) for name in FIELDS))
    except ValueError:
        return None
    if type_name == "date":
        return str(moment.date())
    zone = parts.get("zone") or "" if type_name == "timestamptz" else ""
    return f"{moment}{parts.get('fraction') or ''}{zone}"


def parse_epoch(text: str, per_second: int, zone: str) -> str | None:
    """Read whole seconds or milliseconds since 1970; Redshift documents nothing on fractions."""
    if not INTEGER.fullmatch(text):
        return None
    try:
        return f"{EPOCH + timedelta(microseconds=int(text) * 1_000_000 // per_second)}{zone}"
    except OverflowError:
        return None
