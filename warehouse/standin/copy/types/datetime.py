"""Converter of DATE, TIMESTAMP and TIMESTAMPTZ, by format, by 'auto' or from epochs.

Guide: r_DATEFORMAT_and_TIMEFORMAT_strings, automatic-recognition. Of the forms of 'auto' these are
read: YYYY-MM-DD, alone or with HH:MI:SS after a blank or T, and then Z or an offset. A text in any
other form may be a date to Redshift, so it fails the whole COPY, whatever MAXERROR and
ACCEPTANYDATE say: a rejected row or a NULL would make a load green here whose rows differ there.
"""

import re
from datetime import datetime, timedelta
from typing import Callable

from ..values import BlankIsNull, NotEmulated

EPOCH = datetime(1970, 1, 1)
PER_SECOND = {"epochsecs": 1, "epochmillisecs": 1000}
WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
SINCE_1970 = re.compile("-?[0-9]{10,}", re.ASCII)  # which 'auto' does not take
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
ACCEPTED = ("formats of YYYY, MM and DD, and then HH24 or HH, MI and SS, with separators, in"
            " capitals and without a zone")


def pattern(form: str) -> re.Pattern | None:
    """A format string as a regular expression, or None if it is not emulated.

    >>> bool(pattern("MM/DD/YYYY")), bool(pattern("MON DD, YYYY")), bool(pattern("YYYY-MM-DD OF"))
    (True, False, False)
    """
    pieces, position = [], 0
    while position < len(form):
        found = ELEMENT.match(form, position)
        if not found:
            return None
        pieces.append(ELEMENTS.get(found[0]) or re.escape(found[0]))
        position = found.end()
    names = re.findall(r"\?P<(\w+)>", "".join(pieces))
    if len(set(names)) < len(names) or not {"year", "month", "day"} <= set(names):
        return None
    return re.compile("".join(pieces), re.ASCII)


def with_zone(wanted: re.Pattern, zone: str) -> re.Pattern:
    return re.compile(f"{wanted.pattern}(?P<zone>{zone})?", re.ASCII)


OFFSET = "[+-](?:0?[0-9]|1[0-5])(?::?[0-5][0-9])?"
TIMESTAMPTZ = with_zone(pattern(DEFAULT["timestamp"]), OFFSET)
AUTO = (pattern(DEFAULT["date"]), with_zone(pattern(DEFAULT["timestamp"]), f"Z|{OFFSET}"),
        with_zone(pattern("YYYY-MM-DDTHH:MI:SS"), f"Z|{OFFSET}"))


class Moment(BlankIsNull):
    """DATE, TIMESTAMP, TIMESTAMPTZ."""

    def __init__(self, column, options):
        super().__init__(column, options)
        self.form = options.dateformat if column.type == "date" else options.timeformat
        self.read = self.reader()

    def reader(self) -> Callable[[str], str | None]:
        """What reads the texts of the column, and returns None for one that it cannot read."""
        kind, form = self.column.type, self.form
        if form in PER_SECOND and kind != "date":
            zone = "+00" if kind == "timestamptz" else ""
            return lambda text: from_epoch(text, PER_SECOND[form], zone)
        if form == "auto":
            return lambda text: by_patterns(text, AUTO, kind)
        if kind == "timestamptz":
            # A format string cannot name a zone; only the default format and 'auto' can.
            return lambda text: None if form else by_patterns(text, [TIMESTAMPTZ], kind)
        wanted = [pattern(form or DEFAULT[kind])]
        return lambda text: by_patterns(text, wanted, kind)

    def parsed(self, text, value):
        found = self.read(text)
        if found is not None:
            return found
        if self.form == "auto" and isinstance(value, str) and not SINCE_1970.fullmatch(text):
            if not any(wanted.fullmatch(text) for wanted in AUTO):
                raise NotEmulated(
                    f"of {text[:40]!r} into column {self.column.name} by 'auto', which here reads"
                    " YYYY-MM-DD and YYYY-MM-DD HH:MI:SS, with T, Z or an offset")
        if self.options.acceptanydate and self.column.type != "timestamptz":
            return None
        raise self.reject(*self.complaint(text), text)

    def complaint(self, text: str) -> tuple[int, str]:
        """Redshift's code and words for a text that is no date or time."""
        if self.column.type == "date":
            if len(text) < 10 and not self.form:
                return 1205, "Invalid Date Format - length must be 10 or more"
            return 1205, f"Invalid Date Format [{self.form or DEFAULT['date']}]"
        form = self.form or "YYYY-MM-DD HH24:MI:SS" + "OF" * (self.column.type == "timestamptz")
        return 1206, f"Invalid timestamp format or value [{form}]"


def by_patterns(text: str, patterns, kind: str) -> str | None:
    """The day or time as PostgreSQL reads it; a zone counts for TIMESTAMPTZ only."""
    found = next(filter(None, (wanted.fullmatch(text) for wanted in patterns)), None)
    if not found:
        return None
    parts = found.groupdict()
    try:
        moment = datetime(*(int(parts.get(name) or 0) for name in FIELDS))
    except ValueError:
        return None
    if kind == "date":
        return str(moment.date())
    zone = parts.get("zone") or "" if kind == "timestamptz" else ""
    return f"{moment}{parts.get('fraction') or ''}{zone}"


def from_epoch(text: str, per_second: int, zone: str) -> str | None:
    """Whole seconds or milliseconds since 1970; Redshift documents nothing on fractions."""
    if not WHOLE.fullmatch(text):
        return None
    try:
        return f"{EPOCH + timedelta(microseconds=int(text) * 1_000_000 // per_second)}{zone}"
    except OverflowError:
        return None
