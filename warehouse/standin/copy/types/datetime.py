"""Converter of DATE, TIMESTAMP and TIMESTAMPTZ: formats of a COPY, 'auto', and epochs.

Guide: r_DATEFORMAT_and_TIMEFORMAT_strings, automatic-recognition.
"""

import re
from calendar import monthrange
from datetime import date, datetime, timedelta
from typing import Callable

from ..values import BlankIsNull

EPOCH = datetime(1970, 1, 1)
PER_SECOND = {"epochsecs": 1, "epochmillisecs": 1000}
WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)
OFFSET = r"[+-]([0-9]{1,2})(?::?([0-9]{2}))?"
# Hours from UTC of the zones that have a name of their own in 'auto'.
ZONES = {
    "Z": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6,
    "PST": -8, "PDT": -7,
}

ELEMENTS = {
    "YYYY": "(?P<year>[0-9]{4})",
    "YY": "(?P<year>[0-9]{2})",
    "MM": "(?P<month>[0-9]{2})",
    "MON": "(?P<month>[A-Za-z]{3,9})",
    "DD": "(?P<day>[0-9]{2})",
    "HH24": "(?P<hour>[0-9]{2})",
    "HH12": "(?P<hour>[0-9]{2})",
    "HH": "(?P<hour>[0-9]{2})",
    "MI": "(?P<minute>[0-9]{2})",
    "SS": r"(?P<second>[0-9]{2})(?P<fraction>\.[0-9]{1,6})?",
    "AM": "(?P<half>[AaPp][Mm])",
    "PM": "(?P<half>[AaPp][Mm])",
    "T": "T",  # between date and time
}
ELEMENT = re.compile("YYYY|YY|MM|MON|DD|HH24|HH12|HH|MI|SS|AM|PM|T(?=HH)|[^A-Za-z0-9]")

# What needs no look at a calendar, in the default formats.
DAY = (
    rb"[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    rb"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
TIME_OF_DAY = rb"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"

TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
ZONE = rf"(?: ?(?P<zone>{OFFSET}|(?!BC)[A-Z]{{1,4}}))?"
AUTO = [
    re.compile(
        rf"{day}(?:[ T](?P<time>{TIME}|[0-9]{{6}}){ZONE})?(?P<era> BC)?",
        re.ASCII,
    )
    for day in (
        r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})",
        r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})",
        r"(?P<year>[0-9]{2})(?P<month>[0-9]{2})(?P<day>[0-9]{2})",
        r"(?P<month>[0-9]{2})/(?P<day>[0-9]{2})/(?P<year>[0-9]{4})",
        r"(?P<first>[0-9]{2})\.(?P<other>[0-9]{2})\.(?P<year>[0-9]{4})",
        r"(?P<year>[0-9]{4})\.(?P<of_year>[0-9]{3})",
        r"J(?P<julian>[0-9]{7})",
        r"(?P<month>[A-Za-z]{3,9})-(?P<day>[0-9]{2})-(?P<year>[0-9]{4}|[0-9]{2})(?= BC|$| [0-9])",
        r"(?P<month>[A-Za-z]{3,9}) (?P<day>[0-9]{2}), (?P<year>[0-9]{4})",
    )
] + [
    re.compile(
        r"(?P<day>[0-9]{2}) (?P<month>[A-Za-z]{3,9})"
        rf" (?P<time>{TIME}) (?P<year>[0-9]{{4}}){ZONE}",
        re.ASCII,
    )
]


class Moment(BlankIsNull):
    """DATE, TIMESTAMP, TIMESTAMPTZ."""

    default = {"date": "YYYY-MM-DD", "timestamp": "YYYY-MM-DD HH:MI:SS"}

    def __init__(self, column, options):
        super().__init__(column, options)
        self.form = options.dateformat if column.type == "date" else options.timeformat
        self.read = self.reader()

    def plain(self, stops):
        if self.form or self.column.type not in self.default:
            return None
        time = b"" if self.column.type == "date" else b" " + TIME_OF_DAY
        return b"(?:%s%s|%s)" % (DAY, time, self.null or b"(?!)")

    def reader(self) -> Callable[[str], str | None]:
        """What reads the texts of the column, and returns None for one that it cannot read."""
        kind, form = self.column.type, self.form
        if form in PER_SECOND and kind != "date":
            zone = "+00" if kind == "timestamptz" else ""
            return lambda text: from_epoch(text, PER_SECOND[form], zone)
        if form == "auto":
            return lambda text: automatic(text, kind)
        if kind == "timestamptz":
            # A format string cannot name a zone; only the default format and 'auto' can.
            wanted = None if form else with_offset(pattern(self.default["timestamp"]))
        else:
            wanted = pattern(form or self.default[kind])
        return lambda text: by_pattern(text, wanted, kind)

    def parsed(self, text, value):
        found = self.read(text)
        if found is not None:
            return found
        if self.options.acceptanydate and self.column.type != "timestamptz":
            return None
        raise self.reject(*self.complaint(text), text)

    def complaint(self, text: str) -> tuple[int, str]:
        """Redshift's code and words for a text that is no date or time."""
        if self.column.type == "date":
            if len(text) < 10 and not self.form:
                return 1205, "Invalid Date Format - length must be 10 or more"
            return 1205, f"Invalid Date Format [{self.form or self.default['date']}]"
        form = self.form or "YYYY-MM-DD HH24:MI:SS" + "OF" * (self.column.type == "timestamptz")
        return 1206, f"Invalid timestamp format or value [{form}]"


def pattern(form: str) -> re.Pattern | None:
    """A format string as a regular expression, or None if Redshift's COPY does not document it.

    >>> bool(pattern("MON DD, YYYY")), bool(pattern("YYYY-MM-DD TZ")), bool(pattern("yyyy"))
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
    is_12 = "HH12" in form
    if len(set(names)) < len(names) or "year" not in names or is_12 != ("half" in names):
        return None
    return re.compile("".join(pieces), re.ASCII)


def with_offset(wanted: re.Pattern) -> re.Pattern:
    return re.compile(rf"{wanted.pattern}(?P<zone>{OFFSET})?", re.ASCII)


def by_pattern(text: str, wanted: re.Pattern | None, kind: str) -> str | None:
    found = wanted and wanted.fullmatch(text)
    if not found:
        return None
    parts = found.groupdict()
    day = day_text(parts["year"], parts.get("month") or "01", parts.get("day") or "01")
    hour, minute = int(parts.get("hour") or 0), parts.get("minute") or "00"
    if parts.get("half"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (parts["half"].lower() == "pm")
    second = (parts.get("second") or "00") + (parts.get("fraction") or "")
    time, zone = time_text(f"{hour:02}:{minute}:{second}"), offset(parts.get("zone") or "")
    if day is None or time is None or zone is None:
        return None
    return day if kind == "date" else f"{day} {time}{zone}"


def automatic(text: str, kind: str) -> str | None:
    """A text in any of the forms that 'auto' recognizes (guide: automatic-recognition)."""
    for wanted in AUTO:
        found = wanted.fullmatch(text)
        if found:
            break
    else:
        return None
    parts = found.groupdict()
    time, zone = time_text(parts["time"] or "00:00"), offset(parts["zone"] or "")
    day, era = automatic_day(parts), parts.get("era") or ""
    if day is None or time is None or zone is None:
        return None
    if kind == "date":
        return day + era
    return f"{day} {time}{zone if kind == 'timestamptz' else ''}{era}"


def automatic_day(parts: dict) -> str | None:
    try:
        if parts.get("julian"):
            return str(date.fromordinal(int(parts["julian"]) - 1721425))
        if parts.get("of_year"):
            days = timedelta(int(parts["of_year"]) - 1)
            found = date(int(parts["year"]), 1, 1) + days
            return str(found) if found.year == int(parts["year"]) and days.days >= 0 else None
    except (ValueError, OverflowError):
        return None
    if parts.get("first"):
        # The guide has one example of each order, so a date that could be either is refused.
        first, other = parts["first"], parts["other"]
        orders = {day_text(parts["year"], first, other), day_text(parts["year"], other, first)}
        orders.discard(None)
        return orders.pop() if len(orders) == 1 else None
    return day_text(parts["year"], parts["month"], parts["day"], parts.get("era") or "")


def day_text(year: str, month: str, day: str, era: str = "") -> str | None:
    """A day as PostgreSQL reads it, or None if the calendar has no such day."""
    if len(year) == 2 and not era:
        year = ("20" if year < "70" else "19") + year
    if not month.isdigit():
        names = [i for i, name in enumerate(MONTHS, 1) if month.lower() in (name, name[:3])]
        month = str(*names) or "0"
    if not 1 <= int(month) <= 12 or not 1 <= int(year) <= (4712 if era else 9999):
        return None
    # A year before Christ is leap by its number less one, and 400 years repeat the calendar.
    number = 1 - int(year) if era else int(year)
    if not 1 <= int(day) <= monthrange(400 + number % 400, int(month))[1]:
        return None
    return f"{int(year):04}-{int(month):02}-{int(day):02}"


def time_text(time: str) -> str | None:
    """A time of day as PostgreSQL reads it: 04:05:06.789 from 04:05:06.789, 04:05 or 040506."""
    if ":" not in time:
        time = f"{time[:2]}:{time[2:4]}:{time[4:]}"
    hour, minute, second, *_ = [*time.split(":"), "00"]
    if int(hour) > 23 or int(minute) > 59 or float(second) >= 60:
        return None
    return f"{hour}:{minute}:{second}"


def offset(zone: str) -> str | None:
    """The offset of a zone, or None for one that is not known here."""
    if zone in ZONES:
        return f"{ZONES[zone]:+03}"
    found = re.fullmatch(OFFSET, zone)
    if zone and (not found or int(found[1]) > 15 or int(found[2] or 0) > 59):
        return None
    return zone


def from_epoch(text: str, per_second: int, zone: str) -> str | None:
    """Whole seconds or milliseconds since 1970; Redshift documents nothing on fractions."""
    if not WHOLE.fullmatch(text):
        return None
    try:
        return f"{EPOCH + timedelta(microseconds=int(text) * 1_000_000 // per_second)}{zone}"
    except OverflowError:
        return None
