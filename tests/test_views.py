"""The views answer analysts' questions, and each counts every play once.

The expected rows are computed a second time from the rows of the star, in plain Python.
"""

from collections import defaultdict
from datetime import date
from typing import Callable, NamedTuple

import pytest
from support import ROOT, SAMPLE
from support.databases import creating_database
from support.documents import event, song
from support.project import Project, copy_data
from support.views import DAY, VIEWS, load_events

import sql_queries
from warehouse.database.statements import subject_of

AGENTS = {
    "Mozilla/5.0 (X11; rv:31.0) Gecko/20100101 Firefox/31.0": "Firefox",
    "Mozilla/5.0 (iPhone) AppleWebKit/603 FxiOS/8.3 Mobile/14E Safari/603.1": "Firefox",
    "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/36.0 Safari/537.36": "Chrome",
    "Mozilla/5.0 (iPhone) AppleWebKit/603 CriOS/56.0 Mobile/14E Safari/602.1": "Chrome",
    "Mozilla/5.0 (Windows) AppleWebKit/537.36 Chrome/91.0 Safari/537.36 Edg/91.0": "Edge",
    "Mozilla/5.0 (Windows) AppleWebKit/537.36 Chrome/42.0 Safari/537.36 Edge/12.2": "Edge",
    "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/28.0 Safari/537.36 OPR/15.0": "Opera",
    "Opera/9.80 (X11; Linux) Presto/2.12 Version/12.16": "Opera",
    "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko": "Internet Explorer",
    "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2)": "Internet Explorer",
    "Mozilla/5.0 (Macintosh) AppleWebKit/537.78 Version/7.0.6 Safari/537.78.2": "Safari",
    "curl/7.38": "other",
    "": "unknown",
    None: "unknown",
}


class Play(NamedTuple):
    """A row of songplays."""

    start: object
    user: int | None
    level: str
    song: str | None
    artist: str | None
    session: int
    location: str | None
    agent: str | None
    title: str | None
    name: str | None
    length: object

    @property
    def day(self) -> date:
        return self.start.date()

    @property
    def weekday(self) -> int:
        return self.start.isoweekday() % 7


# ---------------------------------------------------------------------------------- expected rows

def group_by(plays: list[Play], key: Callable) -> list[tuple]:
    groups = defaultdict(list)
    for play in plays:
        groups[key(play)].append(play)
    return list(groups.items())


def users_of(plays: list[Play]) -> set[int]:
    return {play.user for play in plays} - {None}


def count_listeners(plays: list[Play]) -> int:
    return len(users_of(plays))


def count_matched(plays: list[Play]) -> int:
    return sum(play.song is not None for play in plays)


def count_by_known_artist(plays: list[Play]) -> int:
    return sum(play.artist is not None for play in plays)


def percent(count: int, plays: list[Play]) -> float:
    return 100 * count / len(plays)


def lowest(values) -> str | None:
    return min((value for value in values if value is not None), default=None)


def seconds(plays: list[Play]) -> object:
    return sum(play.length or 0 for play in plays)


def family_of(agent: str | None) -> str:
    """Return the browser's family as in AGENTS. The agents of generate.py are of three families."""
    named = (family for family in ("Firefox", "Chrome", "Safari") if family in agent)
    return AGENTS[agent] if agent in AGENTS else next(named, "other")


def compute(plays: list[Play], artists_of_songs: dict, users: dict) -> dict[str, list[tuple]]:
    weekdays = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split()
    first_days = {user: min(play.day for play in of_user)
                  for user, of_user in group_by(plays, lambda play: play.user)}
    views = {
        "top_songs": [
            (*key, len(group), count_matched(group), count_listeners(group),
             song_id := lowest(play.song for play in group),
             artists_of_songs.get(song_id, lowest(play.artist for play in group)))
            for key, group in group_by(plays, lambda play: (play.title, play.name))],
        "top_artists": [
            (name, len(group), count_matched(group), count_listeners(group),
             len({play.title for play in group} - {None}), lowest(play.artist for play in group))
            for name, group in group_by(plays, lambda play: play.name)],
        "plays_by_hour": [
            (hour, len(group), count_listeners(group))
            for hour, group in group_by(plays, lambda play: play.start.hour)],
        "plays_by_weekday": [
            (day, weekdays[day], len(group), count_listeners(group),
             len({play.day for play in group}))
            for day, group in group_by(plays, lambda play: play.weekday)],
        "plays_by_weekday_hour": [
            (*key, len(group))
            for key, group in group_by(plays, lambda play: (play.weekday, play.start.hour))],
        "plays_by_day": [
            (day, len(group), sum(play.level == "free" for play in group),
             sum(play.level == "paid" for play in group), count_listeners(group))
            for day, group in group_by(plays, lambda play: play.day)],
        "plays_by_level": [
            (level, len(group), count_listeners(group), seconds(group))
            for level, group in group_by(plays, lambda play: play.level)],
        "listeners_by_day": [
            (day, len(group), count_listeners(group),
             len({user for user in users_of(group) if first_days[user] == day}),
             len({user for user in users_of(group) if first_days[user] < day}))
            for day, group in group_by(plays, lambda play: play.day)],
        "listening_by_user": [
            (user, *users.get(user, (None, None, None)), len(group),
             len({play.session for play in group}), seconds(group))
            for user, group in group_by(plays, lambda play: play.user)],
        "listening_by_session": [
            (*key, min(play.start for play in group), max(play.start for play in group),
             len(group), seconds(group))
            for key, group in group_by(plays, lambda play: (play.session, play.user))],
        "plays_by_location": [
            (location, len(group), count_listeners(group))
            for location, group in group_by(plays, lambda play: play.location)],
        "plays_by_browser": [
            (family, len(group), count_listeners(group))
            for family, group in group_by(plays, lambda play: family_of(play.agent))],
        "catalogue_match": [
            (len(plays), count_matched(plays), percent(count_matched(plays), plays),
             count_by_known_artist(plays), percent(count_by_known_artist(plays), plays))],
    }
    return {view: sort_rows(rows) for view, rows in views.items()}


def sort_rows(rows: list[tuple]) -> list[tuple]:
    return sorted(rows, key=lambda row: [(value is not None, value) for value in row])


def views_of(project: Project) -> dict[str, list[tuple]]:
    return {view: sort_rows(project.query(f"SELECT * FROM {view}")) for view in VIEWS}


def assert_right(project: Project) -> None:
    """Assert that every view has the expected rows, and the same sum of plays."""
    plays = [Play(*row) for row in project.query(
        "SELECT start_time, user_id, level, song_id, artist_id, session_id, location, user_agent,"
        " song_title, artist_name, length FROM songplays")]
    found = views_of(project)
    wanted = compute(plays, dict(project.query("SELECT song_id, artist_id FROM songs")),
                      {user: names for user, *names in project.query(
                          "SELECT user_id, first_name, last_name, level FROM users")})
    assert list(wanted) == list(VIEWS)
    for view, columns in VIEWS.items():
        assert sum(row[columns.index("plays")] for row in found[view]) == len(plays), view
        if view == "catalogue_match":  # percentages, of which the last digit may differ
            (found[view],), (wanted[view],) = found[view], wanted[view]
            found[view] = tuple(map(float, found[view]))
            wanted[view] = pytest.approx(wanted[view], abs=0.006)
        assert found[view] == wanted[view], view


# ------------------------------------------------------------------------------------------- cases

def test_the_sample(server, tables, tmp_path):
    with creating_database(server, tables) as name:
        project = Project(tmp_path, server, name)
        copy_data(project, SAMPLE)
        project.load()
        assert_right(project)
        assert project.query("SELECT SUM(plays) FROM top_songs") == [(2730,)]


def test_an_empty_warehouse(warehouse):
    found = views_of(warehouse)
    assert found.pop("catalogue_match") == [(0, 0, None, 0, None)]
    assert set(map(len, found.values())) == {0}


def test_plays_without_a_login_have_no_listeners(emptied):
    logged_out = {"userId": "", "firstName": None, "lastName": None, "gender": None,
                  "location": None, "userAgent": None, "registration": None}
    load_events(emptied, [event(n, sessionId=n // 2, **logged_out) for n in range(5)])
    assert_right(emptied)
    assert emptied.query("SELECT plays, listeners FROM top_songs") == [(5, 0)]
    assert emptied.query("SELECT * FROM listening_by_user") == [
        (None, None, None, None, 5, 3, pytest.approx(5 * 200.5))]
    assert emptied.query("SELECT listeners, new_listeners, returning_listeners"
                         " FROM listeners_by_day") == [(0, 0, 0)]


def test_texts_that_are_blank_missing_or_hostile(emptied):
    texts = ("", " ", None, "<script>alert('a')</script>", '"', "]]>", "%", "\\", "a\u0301", "é")
    load_events(emptied, [
        event(n, song=title, artist=artist, location=title, userAgent=artist, userId=str(n % 3))
        for n, (title, artist) in enumerate((a, b) for a in texts for b in texts)])
    assert_right(emptied)
    assert emptied.query("SELECT COUNT(*) FROM top_songs WHERE song_title IS NULL") == [
        (len(texts) - 1,)]  # "" and " " are the same artist


def test_a_title_by_two_artists_is_two_songs(emptied):
    load_events(emptied, [event(1), event(2, artist="Others"), event(3, artist=None)],
           song(), song("SO2", artist_id="AR2", artist_name="Others"))
    assert_right(emptied)
    assert sort_rows(emptied.query("SELECT artist_name, song_id, artist_id FROM top_songs")) == [
        (None, None, None), ("Others", "SO2", "AR2"), ("The Band", "SO1", "AR1")]


def test_a_title_that_matches_recordings_of_two_lengths_is_one_song(emptied):
    """The recordings in the catalogue may also be by two artists of one name."""
    load_events(emptied, [event(1, length=100.5), event(2, length=300.5), event(3, length=300.5)],
           song("SO9", duration=300.5, artist_id="AR1"),
           song("SO2", duration=100.5, artist_id="AR2"))
    assert_right(emptied)
    assert emptied.query("SELECT COUNT(DISTINCT song_id) FROM songplays") == [(2,)]
    assert emptied.query("SELECT plays, catalogue_plays, song_id, artist_id FROM top_songs") == [
        (3, 3, "SO2", "AR2")]
    assert emptied.query("SELECT plays, catalogue_plays, artist_id FROM top_artists") == [
        (3, 3, "AR1")]


def test_a_play_without_a_song_is_of_the_only_artist_of_that_name(emptied):
    load_events(emptied, [event(1), event(2, song="New"), event(3, song="New", artist="Twins")],
           song(), song("SO2", artist_id="AR2", artist_name="Twins"),
           song("SO3", artist_id="AR3", artist_name="Twins"))
    assert_right(emptied)
    assert sort_rows(emptied.query(
        "SELECT artist_name, song_title, catalogue_plays, song_id, artist_id FROM top_songs")) == [
            ("The Band", "New", 0, None, "AR1"), ("The Band", "The Song", 1, "SO1", "AR1"),
            ("Twins", "New", 0, None, None)]
    assert sort_rows(emptied.query(
        "SELECT artist_name, plays, catalogue_plays, artist_id FROM top_artists")) == [
            ("The Band", 2, 1, "AR1"), ("Twins", 1, 0, None)]
    assert emptied.query("SELECT catalogue_plays, artist_plays FROM catalogue_match") == [(1, 2)]


def test_listeners_come_back_change_level_and_listen_past_midnight(emptied):
    midnight = 1541116800000  # 2018-11-02, UTC
    load_events(emptied, [
        event(1, ts=midnight - 1, userId="1"), event(2, ts=midnight, userId="1"),
        event(3, ts=midnight, userId="2", level="paid"), event(4, ts=midnight, userId=""),
        event(5, ts=midnight + 2 * DAY, userId="1", level="paid", length=None),
        event(6, ts=midnight + 9 * DAY, userId="3", level="trial")])
    assert_right(emptied)
    assert sort_rows(emptied.query("SELECT * FROM listeners_by_day")) == [
        (date(2018, 11, 1), 1, 1, 1, 0), (date(2018, 11, 2), 3, 2, 1, 1),
        (date(2018, 11, 4), 1, 1, 0, 1), (date(2018, 11, 11), 1, 1, 1, 0)]
    assert sort_rows(emptied.query("SELECT level, plays, listeners FROM plays_by_level")) == [
        ("free", 3, 1), ("paid", 2, 2), ("trial", 1, 1)]


def test_plays_of_unknown_length_are_zero_seconds(emptied):
    load_events(emptied, [event(1, length=None)])
    assert_right(emptied)


def test_browsers_are_distinguished_from_others_that_their_agents_name(emptied):
    load_events(emptied, [event(n, userAgent=agent) for n, agent in enumerate(AGENTS)])
    assert_right(emptied)
    assert {family for family, in emptied.query("SELECT browser FROM plays_by_browser")} == set(
        AGENTS.values())


# -------------------------------------------------------------------------------------- statements

def test_every_view_has_a_purpose_and_stands_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    for sql in sql_queries.create_view_queries:
        assert sql.startswith(f"-- create {subject_of(sql)}: ")
        assert f"`{subject_of(sql)}`" in readme
    assert [subject_of(sql) for sql in sql_queries.drop_view_queries] == list(VIEWS)
