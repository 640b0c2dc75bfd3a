"""Questions about the plays, and their answers: tables for the terminal and for the page.

A row is a dict of column heads and values (numbers, dates, text from the logs).
"""

from datetime import date, datetime, timedelta
from typing import Callable, NamedTuple
from xml.etree.ElementTree import Element

from ..database.statements import subject_of
from ..history import LastTimes
from .text import format_count

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_DAYS_FILLED = 366  # a longer span has no rows for days without plays

Row = dict[str, object]


class Total(NamedTuple):
    """Totals over all plays. The times are UTC."""

    plays: int
    sessions: int
    listeners: int
    hours: float
    first_play: datetime | None
    last_play: datetime | None


class Question(NamedTuple):
    """A question about one view.

    The columns of sql are named like heads, except for upper and lower case. The first column is the
    name of the row. A column "found" is the number of rows without LIMIT. heads may also contain
    columns of COMPUTED, such as "%".
    """

    title: str
    purpose: str
    sql: str
    heads: tuple[str, ...]
    chart: Callable[[Element, "Answer"], None]  # draws it into a section of the page
    list_names: Callable[[Total], list] | None = None  # names that get a row even without plays
    totals: tuple[str, ...] = ("plays",)  # heads with a number in the last row
    total_name: str = "total"
    plural: str = ""  # noun for the rows; with it the last row counts them

    @property
    def view(self) -> str:
        return subject_of(self.sql)


class Answer(NamedTuple):
    """The rows of a table, and the rows at its end (others, total), which may contain None."""

    question: Question
    rows: list[Row]
    end_rows: list[Row]


class Report(NamedTuple):
    total: Total
    answers: list[Answer]  # empty if there are no plays
    as_of: str  # a sentence about the last load


def describe_total(total: Total) -> str:
    """Describe the totals, and the span of time of the report."""
    if not total.plays:
        return "There are no plays in the warehouse yet. Run etl.py to load some."
    return (f"{format_count(total.plays, 'play')} by {format_count(total.listeners, 'listener')} in"
            f" {format_count(total.sessions, 'session')}, {total.hours:,.1f} hours of music.\n"
            f"From {format_time(total.first_play)}, to {format_time(total.last_play)} (UTC).")


def describe_last(last: LastTimes | None) -> str:
    """Describe the load whose result the report shows. None means that the history cannot be read."""
    if not last:
        return 'The time of the load is unknown: the table "loads" is missing, or this user cannot read it.'
    if last.loaded_at:
        return f"As of the load of {last.loaded_at:%Y-%m-%d %H:%M} UTC."
    since = f"since the reset of {last.reset:%Y-%m-%d %H:%M} UTC" if last.reset else "yet"
    return f"No load has succeeded {since}."


def format_time(time: datetime) -> str:
    return f"{time.day} {time:%B %Y, %H:%M}"


# ------------------------------------------------------------------------------- computed columns

def compute_percent(row: Row, total: Total) -> float:
    return 100 * row["plays"] / total.plays


def compute_days(row: Row, total: Total) -> int:
    """Count how often the weekday of the row occurs from the first day to the last."""
    day = WEEKDAYS.index(row["weekday"]) + 1
    before, last = total.first_play.toordinal() - 1, total.last_play.toordinal()  # day 1 was a Monday
    return (last - day) // 7 - (before - day) // 7


def compute_plays_per_day(row: Row, total: Total) -> float:
    return row["plays"] / row["days"] if row["days"] else 0.0


def compute_minutes_per_session(row: Row, total: Total) -> float:
    return row["hours listened"] * 60 / row["sessions"]


COMPUTED = {
    "%": compute_percent,
    "days": compute_days,
    "plays per day": compute_plays_per_day,
    "minutes per session": compute_minutes_per_session,
}


# -------------------------------------------------------------------------------------- row names

def list_days(total: Total) -> list[date]:
    """List the days from the first to the last; [] if there are more than MOST_DAYS_FILLED."""
    first = total.first_play.date()
    days = (total.last_play.date() - first).days + 1
    return [first + timedelta(n) for n in range(days)] if days <= MOST_DAYS_FILLED else []


def list_hours(total: Total) -> list[str]:
    return [f"{hour:02}:00" for hour in range(24)]


def list_weekdays(total: Total) -> list[str]:
    return list(WEEKDAYS)


# ---------------------------------------------------------------------------------------- answers

def make_answer(question: Question, rows: list[Row], total: Total) -> Answer:
    """Make the answer to a question from the rows of its SQL, of which there is at least one."""
    name = question.heads[0]
    names = question.list_names(total) if question.list_names else []
    if names:
        by_name = {row[name]: row for row in rows}
        nothing = dict.fromkeys(rows[0], 0)
        rows = [by_name.get(one, nothing | {name: one}) for one in names]
    rows = [add_computed(question, replace_missing(row), total) for row in rows]
    ends = [add_computed(question, row, total) for row in make_end_rows(question, rows, total)]
    return Answer(question, [{head: row[head] for head in question.heads} for row in rows],
                  [{head: row.get(head) for head in question.heads} for row in ends])


def replace_missing(row: Row) -> Row:
    """Replace texts that are missing or blank in the logs by words."""
    words = {None: "(unknown)", "": "(blank)"}
    return {head: words.get(value, value) for head, value in row.items()}


def add_computed(question: Question, row: Row, total: Total) -> Row:
    """Add the columns that are computed from the others."""
    for head, function in COMPUTED.items():
        if head in question.heads and head not in row:
            row = row | {head: function(row, total)}
    return row


def make_end_rows(question: Question, rows: list[Row], total: Total) -> list[Row]:
    """Make a row for everything that is not listed, if anything, and a row for the total."""
    name, found = question.heads[0], rows[0].get("found", 0)
    last = {name: question.total_name}
    if question.plural and found > 1:
        last[name] = f"all {found:,} {question.plural}"
    of_all = {"plays": total.plays, "sessions": total.sessions, "listeners": total.listeners,
              "hours listened": total.hours}
    for head in question.totals:
        last[head] = of_all[head] if head in of_all else sum(row[head] for row in rows)
    if found <= len(rows):
        return [last]
    # All views have the same sum of plays, so the rows that are not listed need not be read.
    rest = total.plays - sum(row["plays"] for row in rows)
    return [{name: format_count(found - len(rows), "other"), "plays": rest}, last]
