"""What the views say, read in one transaction and made ready to be shown.

An answer is a table, which the terminal prints and the page draws as a chart as well.
"""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from psycopg2 import extensions

from .. import WarehouseError, tables
from ..database.statements import execute
from .text import counted

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


ALL_PLAYS = """-- report total: plays, sessions and listeners, from when to when
SELECT
    SUM(plays), COUNT(*), COUNT(DISTINCT user_id), SUM(listening_seconds), MIN(first_play),
    MAX(last_play)
FROM listening_by_session
"""


def read(cursor: extensions.cursor, top: int) -> Report:
    """Ask every view. Raises WarehouseError, naming all of them that cannot be asked."""
    if unreadable := tables.unreadable_views(cursor):
        raise WarehouseError(f"views {', '.join(unreadable)}: {tables.MAKE_VIEWS}.")
    execute(cursor, ALL_PLAYS, {})
    plays, sessions, listeners, seconds, first, last = cursor.fetchone()
    total = Total(int(plays or 0), sessions, listeners, hours(seconds or 0), first, last)
    answers = []
    for sql, answer in ANSWERS if total.plays else ():
        execute(cursor, sql, {"top": top})
        answers.append(answer(cursor.fetchall(), total))
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
# What is asked of each view, and the answer that its rows make. All views have the same sum of plays,
# so what is not among the first %(top)s is known without being read.

PLAYS_BY_DAY = """-- report plays_by_day: every day
SELECT day, plays, free_plays, paid_plays, listeners
FROM plays_by_day
ORDER BY day
"""


def plays_by_day(rows: list[tuple], total: Total) -> Answer:
    return Answer(
        "plays_by_day", "Plays by day", "How often a song was started on each day (UTC), by free"
        " and by paying listeners.", ("day", "plays", "free", "paid", "listeners"),
        every_day(rows, total),
        [("total", total.plays, sum(row[2] for row in rows), sum(row[3] for row in rows), None)])


LISTENERS_BY_DAY = """-- report listeners_by_day: every day
SELECT day, listeners, new_listeners, returning_listeners
FROM listeners_by_day
ORDER BY day
"""


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


TOP_SONGS = """-- report top_songs: the most played, and how many there are
SELECT song_title, artist_name, plays, catalogue_plays, listeners, COUNT(*) OVER ()
FROM top_songs
ORDER BY plays DESC, song_title, artist_name
LIMIT %(top)s
"""


def top_songs(rows: list[tuple], total: Total) -> Answer:
    listed = [(known(title), known(artist), plays, total.percent(plays), listeners,
               "yes" if matched else "no")
              for title, artist, plays, matched, listeners, _ in rows]
    return ranked(Answer(
        "top_songs", "Top songs", "The songs started most often, by title and artist as the log"
        " wrote them.", ("song", "artist", "plays", "%", "listeners", "in catalogue"), listed),
        rows, total, "songs")


TOP_ARTISTS = """-- report top_artists: the most played, and how many there are
SELECT artist_name, plays, artist_id, listeners, song_titles, COUNT(*) OVER ()
FROM top_artists
ORDER BY plays DESC, artist_name
LIMIT %(top)s
"""


def top_artists(rows: list[tuple], total: Total) -> Answer:
    listed = [(known(artist), plays, total.percent(plays), listeners, titles,
               "yes" if artist_id else "no")
              for artist, plays, artist_id, listeners, titles, _ in rows]
    return ranked(Answer(
        "top_artists", "Top artists", "The artists whose songs were started most often, by name as"
        " the log wrote it.",
        ("artist", "plays", "%", "listeners", "songs played", "in catalogue"), listed),
        rows, total, "artists")


PLAYS_BY_HOUR = """-- report plays_by_hour: every hour
SELECT hour, plays, listeners
FROM plays_by_hour
"""


def plays_by_hour(rows: list[tuple], total: Total) -> Answer:
    by_hour = {hour: counts for hour, *counts in rows}
    every = [(hour, *by_hour.get(hour, (0, 0))) for hour in range(24)]
    return Answer(
        "plays_by_hour", "Plays by hour of the day", "How often a song was started in each hour"
        " (UTC), all days together.", ("hour", "plays", "%", "listeners"),
        [(f"{hour:02}:00", plays, total.percent(plays), listeners)
         for hour, plays, listeners in every], [("total", total.plays, 100.0, total.listeners)])


PLAYS_BY_WEEKDAY = """-- report plays_by_weekday: every weekday
SELECT weekday_name, plays, listeners
FROM plays_by_weekday
"""


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


PLAYS_BY_WEEKDAY_HOUR = """-- report plays_by_weekday_hour: every hour of the week
SELECT weekday, hour, plays
FROM plays_by_weekday_hour
"""


def plays_by_weekday_hour(rows: list[tuple], total: Total) -> Answer:
    plays = {((weekday + 6) % 7, hour): count for weekday, hour, count in rows}
    every = [[plays.get((weekday, hour), 0) for weekday in range(7)] for hour in range(24)]
    return Answer(
        "plays_by_weekday_hour", "The week, hour by hour", "Plays in each hour of the week (UTC)."
        " The stronger the colour, the more plays.",
        ("hour", *(name[:3] for name in WEEKDAYS), "all"),
        [(f"{hour:02}:00", *counts, sum(counts)) for hour, counts in enumerate(every)],
        [("total", *map(sum, zip(*every)), total.plays)])


PLAYS_BY_LEVEL = """-- report plays_by_level: every level
SELECT level, plays, listeners, listening_seconds
FROM plays_by_level
ORDER BY plays DESC, level
"""


def plays_by_level(rows: list[tuple], total: Total) -> Answer:
    return Answer(
        "plays_by_level", "Free against paid", "Plays by the level that the listener had at that"
        " moment. Who changed level is a listener of both.",
        ("level", "plays", "%", "listeners", "hours listened"),
        [(known(level), plays, total.percent(plays), listeners, hours(seconds))
         for level, plays, listeners, seconds in rows],
        [("total", total.plays, 100.0, total.listeners, total.hours)])


LISTENING_BY_SESSION = """-- report listening_by_session: sessions by how many plays they have
SELECT
    CASE
        WHEN plays = 1 THEN '1'
        WHEN plays <= 5 THEN '2 to 5'
        WHEN plays <= 10 THEN '6 to 10'
        WHEN plays <= 20 THEN '11 to 20'
        WHEN plays <= 50 THEN '21 to 50'
        ELSE 'over 50'
    END AS size,
    COUNT(*),
    SUM(plays),
    SUM(listening_seconds)
FROM listening_by_session
GROUP BY 1
ORDER BY MIN(plays)
"""


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


LISTENING_BY_USER = """-- report listening_by_user: who listens most, and how many there are
SELECT user_id, level, plays, sessions, listening_seconds, COUNT(*) OVER ()
FROM listening_by_user
ORDER BY plays DESC, user_id
LIMIT %(top)s
"""


def listening_by_user(rows: list[tuple], total: Total) -> Answer:
    listed = [("(not logged in)" if user is None else f"user {user}", known(level), plays,
               total.percent(plays), sessions, hours(seconds))
              for user, level, plays, sessions, seconds, _ in rows]
    return ranked(Answer(
        "listening_by_user", "Who listens most", "Listeners by their plays; names are in the table"
        " users. A song counts with its whole length.",
        ("listener", "level today", "plays", "%", "sessions", "hours listened"), listed),
        rows, total)  # without a count: nobody may be among them


PLAYS_BY_LOCATION = """-- report plays_by_location: the most plays, and how many locations there are
SELECT location, plays, listeners, COUNT(*) OVER ()
FROM plays_by_location
ORDER BY plays DESC, location
LIMIT %(top)s
"""


def plays_by_location(rows: list[tuple], total: Total) -> Answer:
    listed = [(known(location), plays, total.percent(plays), listeners)
              for location, plays, listeners, _ in rows]
    return ranked(Answer(
        "plays_by_location", "Where people listen", "Plays by the place that the log names.",
        ("location", "plays", "%", "listeners"), listed), rows, total, "locations")


PLAYS_BY_BROWSER = """-- report plays_by_browser: every family
SELECT browser, plays, listeners
FROM plays_by_browser
ORDER BY plays DESC, browser
"""


def plays_by_browser(rows: list[tuple], total: Total) -> Answer:
    return Answer(
        "plays_by_browser", "Browsers", "Plays by the browser's family. Who uses several is a"
        " listener of each.", ("browser", "plays", "%", "listeners"),
        [(known(browser), plays, total.percent(plays), listeners)
         for browser, plays, listeners in rows],
        [("total", total.plays, 100.0, total.listeners)])


CATALOGUE_MATCH = """-- report catalogue_match: all plays
SELECT plays, catalogue_plays, artist_plays
FROM catalogue_match
"""


def catalogue_match(rows: list[tuple], total: Total) -> Answer:
    (plays, with_song, with_artist), = rows
    parts = (("song in the catalogue", with_song), ("only the artist", with_artist - with_song),
             ("neither", plays - with_artist))
    return Answer(
        "catalogue_match", "Plays in the catalogue", "Plays whose title and artist, or artist alone,"
        " are in the catalogue.", ("catalogue", "plays", "%"),
        [(part, count, total.percent(count)) for part, count in parts],
        [("total", total.plays, 100.0)])


ANSWERS = (
    (PLAYS_BY_DAY, plays_by_day),
    (LISTENERS_BY_DAY, listeners_by_day),
    (TOP_SONGS, top_songs),
    (TOP_ARTISTS, top_artists),
    (PLAYS_BY_HOUR, plays_by_hour),
    (PLAYS_BY_WEEKDAY, plays_by_weekday),
    (PLAYS_BY_WEEKDAY_HOUR, plays_by_weekday_hour),
    (LISTENING_BY_SESSION, listening_by_session),
    (LISTENING_BY_USER, listening_by_user),
    (PLAYS_BY_LOCATION, plays_by_location),
    (PLAYS_BY_LEVEL, plays_by_level),
    (PLAYS_BY_BROWSER, plays_by_browser),
    (CATALOGUE_MATCH, catalogue_match),
)
