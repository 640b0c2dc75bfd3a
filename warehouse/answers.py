"""What the views say, read in one transaction and made ready to be shown.

An answer is a table, which the terminal prints and the page draws as a chart as well.
"""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from psycopg2 import extensions

import sql_queries

from . import WarehouseError, tables
from .statements import execute, subject_of
from .texts import counted

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_DAYS_FILLED = 366  # with a row for each day that has no play


class Total(NamedTuple):
    """All plays. The times are UTC."""

    plays: int
    sessions: int
    listeners: int
    hours: float
    first: datetime | None
    last: datetime | None

    def percent(self, plays: int) -> float:
        return 100 * plays / self.plays

    def weekdays(self) -> list[int]:
        """How many Mondays, Tuesdays, … there are from the first day to the last."""
        before, last = self.first.toordinal() - 1, self.last.toordinal()  # day 1 was a Monday
        return [(last - day) // 7 - (before - day) // 7 for day in range(1, 8)]


class Answer(NamedTuple):
    """A table: what it says, its rows, and what ends it (others, total). Values are as they came:
    numbers, dates, texts of the logs; % is of all plays."""

    view: str
    title: str
    purpose: str
    heads: tuple[str, ...]
    rows: list[tuple]
    ends: list[tuple] = []


class Report(NamedTuple):
    total: Total
    answers: list[Answer]  # none where there are no plays


def read(cursor: extensions.cursor, top: int) -> Report:
    """Ask every view. Raises WarehouseError, naming all of them that cannot be asked."""
    if unreadable := tables.unreadable_views(cursor):
        raise WarehouseError(f"views {', '.join(unreadable)}: {tables.MAKE_VIEWS}.")
    execute(cursor, sql_queries.report_total, {})
    plays, sessions, listeners, seconds, first, last = cursor.fetchone()
    total = Total(int(plays or 0), sessions, listeners, hours(seconds or 0), first, last)
    answers = []
    for sql in sql_queries.report_queries if total.plays else ():
        execute(cursor, sql, {"top": top})
        answers.append(ANSWERS[subject_of(sql)](cursor.fetchall(), total))
    return Report(total, answers)


def covered(total: Total) -> str:
    """What the report is about, in a sentence or two."""
    if not total.plays:
        return "There are no plays in the warehouse yet. Run etl.py to load some."
    return (f"{counted(total.plays, 'play')} of {counted(total.listeners, 'listener')} in"
            f" {counted(total.sessions, 'session')}, {total.hours:,.1f} hours of music.\n"
            f"From {moment(total.first)}, to {moment(total.last)} (UTC).")


def moment(time: datetime) -> str:
    return f"{time.day} {time:%B %Y, %H:%M}"


def hours(seconds) -> float:
    return float(seconds) / 3600


def known(text: str | None) -> str:
    """A text of the logs, or what stands for a missing one."""
    return "(not known)" if text is None else text or "(blank)"


def ranked(answer: Answer, rows: list[tuple], total: Total, what: str = "") -> Answer:
    """With a row for what is not listed, if anything, and one for the total.

    The last column of rows tells how many there are.
    """
    at, count = answer.heads.index("plays"), rows[0][-1]
    rest = total.plays - sum(row[at] for row in answer.rows)

    def end(name: str, plays: int) -> tuple:
        filled = {0: name, at: plays, at + 1: total.percent(plays)}
        return tuple(filled.get(i) for i in range(len(answer.heads)))

    ends = [end(f"all {count:,} {what}" if what and count > 1 else "total", total.plays)]
    if count > len(rows):
        ends.insert(0, end(counted(count - len(rows), "other"), rest))
    return answer._replace(ends=ends)


# ------------------------------------------------------------------------------------- answers

def plays_by_day(rows: list[tuple], total: Total) -> Answer:
    return Answer(
        "plays_by_day", "Plays by day", "How often a song was started on each day (UTC), by free"
        " and by paying listeners.", ("day", "plays", "free", "paid", "listeners"),
        every_day(rows, total),
        [("total", total.plays, sum(row[2] for row in rows), sum(row[3] for row in rows), None)])


def listeners_by_day(rows: list[tuple], total: Total) -> Answer:
    return Answer(
        "listeners_by_day", "New and returning listeners", "How many users listened on each day"
        " (UTC), and for how many it was the first day ever.",
        ("day", "listeners", "new", "returning"), every_day(rows, total),
        [("different users", total.listeners, sum(row[2] for row in rows), None)])


def every_day(rows: list[tuple], total: Total) -> list[tuple]:
    """Days without plays have a row, too; only not where the log spans years."""
    by_day = {row[0]: row for row in rows}
    days = (total.last.date() - total.first.date()).days + 1
    if days > MOST_DAYS_FILLED:
        return rows
    nothing = (0,) * (len(rows[0]) - 1)
    every: list[date] = [total.first.date() + timedelta(n) for n in range(days)]
    return [by_day.get(day, (day, *nothing)) for day in every]


def top_songs(rows: list[tuple], total: Total) -> Answer:
    listed = [(known(title), known(artist), plays, total.percent(plays), listeners,
               "yes" if matched else "no")
              for title, artist, plays, matched, listeners, _ in rows]
    return ranked(Answer(
        "top_songs", "Top songs", "The songs started most often, by title and artist as the log"
        " wrote them.", ("song", "artist", "plays", "%", "listeners", "in catalogue"), listed),
        rows, total, "songs")


def top_artists(rows: list[tuple], total: Total) -> Answer:
    listed = [(known(artist), plays, total.percent(plays), listeners, titles,
               "yes" if matched else "no")
              for artist, plays, matched, listeners, titles, _ in rows]
    return ranked(Answer(
        "top_artists", "Top artists", "The artists whose songs were started most often, by name as"
        " the log wrote it.",
        ("artist", "plays", "%", "listeners", "songs played", "in catalogue"), listed),
        rows, total, "artists")


def plays_by_hour(rows: list[tuple], total: Total) -> Answer:
    by_hour = {hour: counts for hour, *counts in rows}
    every = [(hour, *by_hour.get(hour, (0, 0))) for hour in range(24)]
    return Answer(
        "plays_by_hour", "Plays by hour of the day", "How often a song was started in each hour"
        " (UTC), all days together.", ("hour", "plays", "%", "listeners"),
        [(f"{hour:02}:00", plays, total.percent(plays), listeners)
         for hour, plays, listeners in every], [("total", total.plays, 100.0, total.listeners)])


def plays_by_weekday(rows: list[tuple], total: Total) -> Answer:
    by_day = {name: counts for name, *counts in rows}
    every = [(name, *by_day.get(name, (0, 0)), days)
             for name, days in zip(WEEKDAYS, total.weekdays())]
    return Answer(
        "plays_by_weekday", "Plays by weekday", "How often a song was started on each weekday"
        " (UTC). The dates covered may hold more of one than of another: compare plays per day.",
        ("weekday", "plays", "%", "days", "plays per day", "listeners"),
        [(name, plays, total.percent(plays), days, plays / days if days else 0.0, listeners)
         for name, plays, listeners, days in every],
        [("total", total.plays, 100.0, days := sum(row[3] for row in every),
          total.plays / days, total.listeners)])


def plays_by_weekday_hour(rows: list[tuple], total: Total) -> Answer:
    plays = {((weekday + 6) % 7, hour): count for weekday, hour, count in rows}
    every = [[plays.get((weekday, hour), 0) for weekday in range(7)] for hour in range(24)]
    return Answer(
        "plays_by_weekday_hour", "The week, hour by hour", "Plays in each hour of the week (UTC)."
        " The stronger the colour, the more plays.",
        ("hour", *(name[:3] for name in WEEKDAYS), "all"),
        [(f"{hour:02}:00", *counts, sum(counts)) for hour, counts in enumerate(every)],
        [("total", *map(sum, zip(*every)), total.plays)])


def plays_by_level(rows: list[tuple], total: Total) -> Answer:
    return Answer(
        "plays_by_level", "Free against paid", "Plays by the level that the listener had at that"
        " moment. Who changed level is a listener of both.",
        ("level", "plays", "%", "listeners", "hours listened"),
        [(known(level), plays, total.percent(plays), listeners, hours(seconds))
         for level, plays, listeners, seconds in rows],
        [("total", total.plays, 100.0, total.listeners, total.hours)])


def listening_by_session(rows: list[tuple], total: Total) -> Answer:
    return Answer(
        "listening_by_session", "Sessions by length", "How many sessions have so many plays, and"
        " how long people listen in them. A song counts with its whole length.",
        ("plays in the session", "sessions", "plays", "%", "hours listened",
         "minutes per session"),
        [(size, count, int(plays), total.percent(int(plays)), hours(seconds),
          hours(seconds) * 60 / count) for size, count, plays, seconds in rows],
        [("total", total.sessions, total.plays, 100.0, total.hours,
          total.hours * 60 / total.sessions)])


def listening_by_user(rows: list[tuple], total: Total) -> Answer:
    listed = [("(not logged in)" if user is None else f"user {user}", known(level), plays,
               total.percent(plays), sessions, hours(seconds))
              for user, level, plays, sessions, seconds, _ in rows]
    return ranked(Answer(
        "listening_by_user", "Who listens most", "Listeners by their plays; names are in the table"
        " users. A song counts with its whole length.",
        ("listener", "level today", "plays", "%", "sessions", "hours listened"), listed),
        rows, total)  # without a count: nobody may be among them


def plays_by_location(rows: list[tuple], total: Total) -> Answer:
    listed = [(known(location), plays, total.percent(plays), listeners)
              for location, plays, listeners, _ in rows]
    return ranked(Answer(
        "plays_by_location", "Where people listen", "Plays by the place that the log names.",
        ("location", "plays", "%", "listeners"), listed), rows, total, "locations")


def plays_by_browser(rows: list[tuple], total: Total) -> Answer:
    return Answer(
        "plays_by_browser", "Browsers", "Plays by the browser's family. Who uses several is a"
        " listener of each.", ("browser", "plays", "%", "listeners"),
        [(known(browser), plays, total.percent(plays), listeners)
         for browser, plays, listeners in rows],
        [("total", total.plays, 100.0, total.listeners)])


def catalogue_match(rows: list[tuple], total: Total) -> Answer:
    (plays, matched), = rows
    return Answer(
        "catalogue_match", "Plays in the catalogue", "Plays whose title and artist are those of a"
        " song of the catalogue.", ("catalogue", "plays", "%"),
        [("in the catalogue", matched, total.percent(matched)),
         ("not in the catalogue", plays - matched, total.percent(plays - matched))],
        [("total", total.plays, 100.0)])


ANSWERS = {function.__name__: function for function in (
    plays_by_day, listeners_by_day, top_songs, top_artists, plays_by_hour, plays_by_weekday,
    plays_by_weekday_hour, plays_by_level, listening_by_session, listening_by_user,
    plays_by_location, plays_by_browser, catalogue_match)}
