"""The questions of the report, one for each view, in the order of the report.

A new view of sql_queries.py needs one more Question here, and nothing else. Its chart is a function of
charts.py, with parameters set by partial if needed.
"""

from functools import partial

from psycopg2 import extensions

import sql_queries

from .. import WarehouseError, history, tables
from ..database.statements import execute
from . import answers, charts
from .answers import Question

SHORT_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

ALL_PLAYS = """-- report total: plays, sessions, listeners and hours, and the first and last start of a play
SELECT
    CAST(COALESCE(SUM(plays), 0) AS BIGINT) AS plays,
    COUNT(*) AS sessions,
    COUNT(DISTINCT user_id) AS listeners,
    CAST(COALESCE(SUM(listening_seconds), 0) AS DOUBLE PRECISION) / 3600 AS hours,
    MIN(first_play) AS first_play,
    MAX(last_play) AS last_play
FROM listening_by_session
"""

QUESTIONS = (
    Question(
        title="Plays by day",
        purpose="How often a song was started on each day (UTC), by free and by paying listeners.",
        sql="""-- report plays_by_day: every day
SELECT day, plays, free_plays AS free, paid_plays AS paid, listeners
FROM plays_by_day
ORDER BY day
""",
        heads=("day", "plays", "free", "paid", "listeners"),
        list_names=answers.list_days,
        totals=("plays", "free", "paid"),
        chart=partial(charts.draw_days, head="plays", parts=("paid", "free")),
    ),
    Question(
        title="New and returning listeners",
        purpose="How many users listened on each day (UTC), and for how many it was the first day"
                " ever.",
        sql="""-- report listeners_by_day: every day
SELECT day, listeners, new_listeners AS "new", returning_listeners AS "returning"
FROM listeners_by_day
ORDER BY day
""",
        heads=("day", "listeners", "new", "returning"),
        list_names=answers.list_days,
        totals=("listeners", "new"),
        total_name="different users",
        chart=partial(charts.draw_days, head="listeners", parts=("returning", "new")),
    ),
    Question(
        title="Top songs",
        purpose="The songs started most often, by title and artist as written in the log.",
        sql="""-- report top_songs: the most played, and how many there are
SELECT
    song_title AS song,
    artist_name AS artist,
    plays,
    listeners,
    CASE WHEN catalogue_plays > 0 THEN 'yes' ELSE 'no' END AS "in catalogue",
    COUNT(*) OVER () AS found
FROM top_songs
ORDER BY plays DESC, song_title, artist_name
LIMIT %(top)s
""",
        heads=("song", "artist", "plays", "%", "listeners", "in catalogue"),
        plural="songs",
        chart=partial(charts.draw_bars, detail="artist"),
    ),
    Question(
        title="Top artists",
        purpose="The artists whose songs were started most often, by name as written in the log.",
        sql="""-- report top_artists: the most played, and how many there are
SELECT
    artist_name AS artist,
    plays,
    listeners,
    song_titles AS "songs played",
    CASE WHEN artist_id <> '' THEN 'yes' ELSE 'no' END AS "in catalogue",
    COUNT(*) OVER () AS found
FROM top_artists
ORDER BY plays DESC, artist_name
LIMIT %(top)s
""",
        heads=("artist", "plays", "%", "listeners", "songs played", "in catalogue"),
        plural="artists",
        chart=charts.draw_bars,
    ),
    Question(
        title="Plays by hour of the day",
        purpose="How often a song was started in each hour (UTC), all days together.",
        sql="""-- report plays_by_hour: every hour
SELECT LPAD(CAST(hour AS VARCHAR(2)), 2, '0') || ':00' AS hour, plays, listeners
FROM plays_by_hour
""",
        heads=("hour", "plays", "%", "listeners"),
        list_names=answers.list_hours,
        totals=("plays", "listeners"),
        chart=partial(charts.draw_columns, letters=5, label_step=4),
    ),
    Question(
        title="Plays by weekday",
        purpose="How often a song was started on each weekday (UTC). Some weekdays may occur"
                " more often than others in these dates: compare plays per day.",
        sql="""-- report plays_by_weekday: every weekday
SELECT weekday_name AS weekday, plays, listeners
FROM plays_by_weekday
""",
        heads=("weekday", "plays", "%", "days", "plays per day", "listeners"),
        list_names=answers.list_weekdays,
        totals=("plays", "days", "listeners"),
        chart=partial(charts.draw_columns, letters=3, label_step=1),
    ),
    Question(
        title="The week, hour by hour",
        purpose="Plays in each hour of the week (UTC). The stronger the colour, the more plays.",
        sql="""-- report plays_by_weekday_hour: every hour of the week
SELECT
    LPAD(CAST(hour AS VARCHAR(2)), 2, '0') || ':00' AS hour,
    CAST(SUM(CASE WHEN weekday = 1 THEN plays ELSE 0 END) AS BIGINT) AS mon,
    CAST(SUM(CASE WHEN weekday = 2 THEN plays ELSE 0 END) AS BIGINT) AS tue,
    CAST(SUM(CASE WHEN weekday = 3 THEN plays ELSE 0 END) AS BIGINT) AS wed,
    CAST(SUM(CASE WHEN weekday = 4 THEN plays ELSE 0 END) AS BIGINT) AS thu,
    CAST(SUM(CASE WHEN weekday = 5 THEN plays ELSE 0 END) AS BIGINT) AS fri,
    CAST(SUM(CASE WHEN weekday = 6 THEN plays ELSE 0 END) AS BIGINT) AS sat,
    CAST(SUM(CASE WHEN weekday = 0 THEN plays ELSE 0 END) AS BIGINT) AS sun,
    CAST(SUM(plays) AS BIGINT) AS "all"
FROM plays_by_weekday_hour
GROUP BY 1
""",
        heads=("hour", *SHORT_WEEKDAYS, "all"),
        list_names=answers.list_hours,
        totals=(*SHORT_WEEKDAYS, "all"),
        chart=partial(charts.draw_heatmap, heads=SHORT_WEEKDAYS),
    ),
    Question(
        title="Sessions by number of plays",
        purpose="How many plays a session has, and how long people listen in it. A song counts with its"
                " whole length.",
        sql="""-- report listening_by_session: sessions by their number of plays
SELECT
    CASE
        WHEN plays = 1 THEN '1'
        WHEN plays <= 5 THEN '2 to 5'
        WHEN plays <= 10 THEN '6 to 10'
        WHEN plays <= 20 THEN '11 to 20'
        WHEN plays <= 50 THEN '21 to 50'
        ELSE 'over 50'
    END AS "plays in the session",
    COUNT(*) AS sessions,
    CAST(SUM(plays) AS BIGINT) AS plays,
    CAST(SUM(listening_seconds) AS DOUBLE PRECISION) / 3600 AS "hours listened"
FROM listening_by_session
GROUP BY 1
ORDER BY MIN(listening_by_session.plays)
""",
        heads=("plays in the session", "sessions", "plays", "%", "hours listened",
               "minutes per session"),
        totals=("sessions", "plays", "hours listened"),
        chart=partial(charts.draw_bars, detail="sessions", unit="play"),
    ),
    Question(
        title="Who listens most",
        purpose="Listeners by their plays; names are in the table users. A song counts with its"
                " whole length.",
        sql="""-- report listening_by_user: the users who listen most, and how many users there are
SELECT
    CASE
        WHEN user_id IS NULL THEN '(not logged in)'
        ELSE 'user ' || CAST(user_id AS VARCHAR(20))
    END AS listener,
    level AS "latest level",
    plays,
    sessions,
    CAST(listening_seconds AS DOUBLE PRECISION) / 3600 AS "hours listened",
    COUNT(*) OVER () AS found
FROM listening_by_user
ORDER BY plays DESC, user_id
LIMIT %(top)s
""",
        heads=("listener", "latest level", "plays", "%", "sessions", "hours listened"),
        # No plural, because the rows may include the plays without a login.
        chart=partial(charts.draw_bars, detail="latest level"),
    ),
    Question(
        title="Where people listen",
        purpose="Plays by the location in the log.",
        sql="""-- report plays_by_location: the most plays, and how many locations there are
SELECT location, plays, listeners, COUNT(*) OVER () AS found
FROM plays_by_location
ORDER BY plays DESC, location
LIMIT %(top)s
""",
        heads=("location", "plays", "%", "listeners"),
        plural="locations",
        chart=charts.draw_bars,
    ),
    Question(
        title="Free against paid",
        purpose="Plays by the level that the listener had at that moment. A user who changed level"
                " is a listener of both.",
        sql="""-- report plays_by_level: every level
SELECT
    level,
    plays,
    listeners,
    CAST(listening_seconds AS DOUBLE PRECISION) / 3600 AS "hours listened"
FROM plays_by_level
ORDER BY plays DESC, level
""",
        heads=("level", "plays", "%", "listeners", "hours listened"),
        totals=("plays", "listeners", "hours listened"),
        chart=partial(charts.draw_shares, colours={"paid": "series1", "free": "series2"}),
    ),
    Question(
        title="Browsers",
        purpose="Plays by the browser's family. A user of several browsers is a listener of each.",
        sql="""-- report plays_by_browser: every family
SELECT browser, plays, listeners
FROM plays_by_browser
ORDER BY plays DESC, browser
""",
        heads=("browser", "plays", "%", "listeners"),
        totals=("plays", "listeners"),
        chart=partial(charts.draw_bars, width=charts.NARROW),
    ),
    Question(
        title="Plays matched to the catalogue",
        purpose="Plays whose title and artist, or artist alone, are in the catalogue.",
        sql="""-- report catalogue_match: all plays, in three parts
SELECT
    CASE part
        WHEN 1 THEN 'song in the catalogue' WHEN 2 THEN 'only the artist' ELSE 'neither'
    END AS catalogue,
    CASE part
        WHEN 1 THEN catalogue_plays WHEN 2 THEN artist_plays - catalogue_plays
        ELSE plays - artist_plays
    END AS plays
FROM catalogue_match
CROSS JOIN (SELECT 1 AS part UNION ALL SELECT 2 UNION ALL SELECT 3) AS parts
ORDER BY part
""",
        heads=("catalogue", "plays", "%"),
        chart=partial(charts.draw_shares, colours={
            "song in the catalogue": "series1", "only the artist": "series2", "neither": "rest"}),
    ),
)


def make_report(cursor: extensions.cursor, top: int) -> answers.Report:
    """Answer all questions. Raises a WarehouseError that names every view it cannot read."""
    if unreadable := tables.list_unreadable_views(cursor):
        raise WarehouseError(f"views {', '.join(unreadable)}: {tables.MAKE_VIEWS}.")
    execute(cursor, ALL_PLAYS, {})
    total = answers.Total(**fetch(cursor)[0])
    results = []
    for question in QUESTIONS if total.plays else ():
        execute(cursor, question.sql, {"top": top})
        results.append(answers.make_answer(question, fetch(cursor, question.heads), total))
    return answers.Report(total, results, answers.describe_last(find_last_times(cursor)))


def find_last_times(cursor: extensions.cursor) -> history.LastTimes | None:
    """Read the times of the last success and reset from the history; None if this user cannot read it."""
    existing = tables.read_columns(cursor)
    if tables.is_readable(cursor, sql_queries.loads_table_create, existing):
        return history.find_last_times(cursor)
    return None


def fetch(cursor: extensions.cursor, heads: tuple[str, ...] = ()) -> list[answers.Row]:
    """Fetch the rows as dicts. Column names are spelled as in heads, because Redshift lowers their case."""
    spelling = {head.lower(): head for head in heads}
    names = [spelling.get(column.name, column.name) for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
