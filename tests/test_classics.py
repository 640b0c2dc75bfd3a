"""Classic scripts of the Sparkify exercise, as people write them, compared with plain Python.

A classic is a folder of tests/classics. In its script.sql, {data} and {role} stand for the location of
the data and for the role. Its file `expected` names the rule below that gives the rows of each table, or
of the script's last SELECT, and their number in the sample.
"""

import csv
import hashlib
import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from generate import KEYS
from support import REAL_DATA, ROOT, SAMPLE, oracle
from support.real_data import needs_real_data
from support.scratch import run

CLASSICS = sorted((ROOT / "tests/classics").iterdir())
ROLE = "arn:aws:iam::123456789012:role/dwhRole"
DURATION = ("song", "artist", "length"), ("title", "artist_name", "duration")


class ExpectedRows(NamedTuple):
    """A rule for some rows. `what` is the text after SELECT, or `the last SELECT`."""

    what: str
    rule: str
    in_sample: str


class Data:
    """The documents of a folder, with numbers as they are written."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.events = list(oracle.documents(folder / "log_data"))
        self.catalogue = list(oracle.documents(folder / "song_data"))
        self.listened = [event for event in self.events if event["page"] == "NextSong"]


@pytest.fixture(scope="module", params=["sample", pytest.param("real", marks=needs_real_data)])
def data(request, tmp_path_factory):
    """The sample; and the real data, its songs in a hundred files instead of one each.

    The JSONPaths file has the keys that the classics know, and no others.
    """
    folder = tmp_path_factory.mktemp(request.param)
    paths = {"jsonpaths": [f"$['{key}']" for key in KEYS]}
    (folder / "log_json_path.json").write_text(json.dumps(paths))
    if request.param == "sample":
        for name in ("log_data", "song_data"):
            (folder / name).symlink_to(SAMPLE / name)
        return Data(folder)
    songs = request.getfixturevalue("real_songs")
    (folder / "log_data").symlink_to(REAL_DATA / "log_data")
    (folder / "song_data").mkdir()
    for nth in range(100):
        (folder / f"song_data/{nth}.json").write_bytes(b"\n".join(songs[nth::100]))
    return Data(folder)


# -------------------------------------------------------------------------------------------- rules

def events(data):
    return [(int(event["sessionid"]), int(event["iteminsession"]), event["page"])
            for event in data.events]


def catalogue(data):
    return [(song["song_id"], song["title"]) for song in data.catalogue]


def second_of(event):
    return datetime(1970, 1, 1) + timedelta(seconds=int(event["ts"]) // 1000)


def join_songs(data, of_event, of_song, spell=str):
    """Yield each event of a song with each song of the same values, or with None."""
    songs = defaultdict(list)
    for song in data.catalogue:
        songs[tuple(spell(song[key]) for key in of_song)].append(song)
    for event in data.listened:
        found = songs[tuple(spell(event[key]) for key in of_event)]
        yield from ((event, song) for song in found or [None])


def rows_of(pairs):
    return [(second_of(event), int(event["userid"]), event["level"],
             song and song["song_id"], song and song["artist_id"]) for event, song in pairs]


def plays(data):
    return rows_of(join_songs(data, *DURATION))


def hashes(data):
    """Return hashes of the session's number and the time, joined as texts."""
    return [(hashlib.md5(f"{event['sessionid']}{start}".encode(), usedforsecurity=False).hexdigest(),
             int(event["sessionid"]))
            for (event, _), (start, *_) in zip(join_songs(data, *DURATION), plays(data), strict=True)]


def matched_plays(data):
    return [row for row in plays(data) if row[3]]


def matched_plays_once(data):
    """Drop plays that differ only in their number in the session."""
    told = ("ts", "sessionid", "location", "useragent")
    found = {(*row, *map(event.get, told)): row
             for (event, song), row in zip(join_songs(data, *DURATION), plays(data), strict=True) if song}
    return list(found.values())


def plays_by_title_and_artist(data):
    pairs = join_songs(data, ("song", "artist"), ("title", "artist_name"))
    return [row for row in rows_of(pairs) if row[3]]


def plays_by_title_and_length(data):
    """Match each play only with the first song of each id."""
    left = {song["song_id"]: song["title"] for song in first_by(data, "song_id")}
    pairs = join_songs(data, ("song", "length"), ("title", "duration"))
    return rows_of((event, song) for event, song in pairs
                   if song and left[song["song_id"]] == song["title"])


def paid_or_not_by_rounded_length(data):
    def spell(text):
        return str(round(float(text), 2)) if text.replace(".", "", 1).isdigit() else text.lower()

    return [(start, user, level == "paid", song, artist)
            for start, user, level, song, artist in rows_of(join_songs(data, *DURATION, spell))]


def times_of(starts):
    return [(start, start.hour, start.day, start.isocalendar().week, start.month, start.year,
             start.isoweekday() % 7) for start in set(starts)]


def times(data):
    return times_of(map(second_of, data.listened))


def instants(data):
    """Return the times to the millisecond."""
    return list({(datetime(1970, 1, 1) + timedelta(milliseconds=int(event["ts"])),)
                 for event in data.listened})


def times_of_plays_by_title_and_length(data):
    return times_of(row[0] for row in plays_by_title_and_length(data))


def hours_of_plays_by_title_and_artist(data):
    found = times_of(row[0] for row in plays_by_title_and_artist(data))
    return [(start, hour, weekday) for start, hour, *_, weekday in found]


def parts_of_days(data):
    parts = ("night", "morning", "afternoon", "evening")
    return [(start, hour, parts[hour // 6]) for start, hour, *_ in times(data)]


def user_of(event):
    return int(event["userid"]), f"{event['firstname']} {event['lastname']}", event["gender"]


def levels(data):
    return list({(*user_of(event), event["level"]) for event in data.listened})


def latest_levels(data):
    last = {event["userid"]: event for event in sorted(
        data.listened, key=lambda event: (int(event["ts"]), int(event["iteminsession"])))}
    return [(*user_of(event), event["level"]) for event in last.values()]


def all_levels(data):
    """Return all levels of each user in one word."""
    found = defaultdict(set)
    for event in data.listened:
        found[user_of(event)].add(event["level"])
    return [(*user, "both" if len(seen) == 2 else seen.pop()) for user, seen in found.items()]


def ever_paid(data):
    return [(*user, level != "free") for *user, level in all_levels(data)]


def song_of(song):
    return (song["song_id"], song["title"], song["artist_id"], int(song["year"]),
            float(song["duration"]))


def artist_of(song):
    degrees = (song["artist_latitude"], song["artist_longitude"])
    return (song["artist_id"], song["artist_name"], song["artist_location"],
            *(degree and float(degree) for degree in degrees))


def songs(data):
    return list(set(map(song_of, data.catalogue)))


def songs_of_cut_durations(data):
    """COPY reads a double and cuts it to the scale of the DECIMAL, unless ROUNDEC is there."""
    millionth = Decimal("0.000001")
    return [(*song, float(Decimal(seconds).quantize(millionth, ROUND_DOWN)))
            for *song, seconds in songs(data)]


def songs_of_years(data):
    return [song[:4] for song in songs(data)]


def songs_in_whole_seconds(data):
    return [(*song, round(seconds)) for *song, seconds in songs(data)]


def songs_of_known_years(data):
    return [(*song_of(song)[:3], int(song["year"]) or None) for song in data.catalogue]


def songs_of_guessed_years(data):
    return [(*song, year or -1) for *song, year, _ in songs(data)]


def first_by(data, key):
    """Return one document for each value of a key: the latest year, then the lowest id and title."""
    first = {}
    for song in sorted(data.catalogue, key=lambda s: (-int(s["year"]), s["song_id"], s["title"])):
        first.setdefault(song[key], song)
    return list(first.values())


def first_songs(data):
    return list(map(song_of, first_by(data, "song_id")))


def song_ids(data):
    return [(song["song_id"],) for song in first_by(data, "song_id")]


def artists(data):
    return list(set(map(artist_of, data.catalogue)))


def located_artists(data):
    return [artist for artist in artists(data) if artist[3] is not None]


def places(data):
    return list({(number, f"{place} {latitude:.5f} {longitude:.5f}")
                 for number, _, place, latitude, longitude in located_artists(data) if place is not None})


def placed_artists(data):
    return list({(number, name, place or "nowhere", int(latitude is not None))
                 for number, name, place, latitude, _ in artists(data)})


def first_artists(data):
    return list(map(artist_of, first_by(data, "artist_id")))


def artist_ids(data):
    return [(song["artist_id"],) for song in first_by(data, "artist_id")]


# ------------------------------------------------------------------------ rules of the last SELECT

def plays_by_weekday(data):
    listeners, count = defaultdict(set), Counter()
    for start, user, *_ in plays(data):
        listeners[start.isoweekday() % 7].add(user)
        count[start.isoweekday() % 7] += 1
    return [(day, count[day], len(listeners[day]), count[day] // len(listeners[day]))
            for day in sorted(count)]


def users_by_level_and_gender(data):
    count = Counter((level, gender) for _, _, gender, level in latest_levels(data))
    return [(*key, number) for key, number in sorted(count.items())]


def years_of_most_songs(data):
    seconds = defaultdict(list)
    for *_, year, duration in songs(data):
        if year:
            seconds[year].append(duration)
    found = sorted(seconds.items(), key=lambda item: (-len(item[1]), item[0]))
    return [(year, len(each), round(sum(each) / 60, 1)) for year, each in found[:5]]


def instants_of_first_days(data):
    return sorted(Counter(str(row[0].date()) for row in times(data)).items())[:5]


def fewest_and_most_plays(data):
    count = Counter(row[1] for row in plays(data))
    return [(len(count), min(count.values()), max(count.values()), sum(count.values()))]


def keenest_listeners(data):
    last_names = {int(event["userid"]): event["lastname"] for event in data.listened}
    count = Counter((user, level) for _, user, level, *_ in plays_by_title_and_artist(data))
    found = sorted(count.items(), key=lambda item: (-item[1], item[0]))
    return [(user, last_names[user], level, number) for (user, level), number in found[:5]]


def first_names(data):
    return [(f"{name} ({level})",) for _, name, _, level in sorted(latest_levels(data))[:5]]


def users_by_gender(data):
    numbers = defaultdict(list)
    for user, _, gender, _ in sorted(all_levels(data), reverse=True):
        numbers[gender].append(str(user))
    return [(gender, len(each), " ".join(each)) for gender, each in sorted(numbers.items())]


def seconds_paid_for(data):
    cut = [int(Decimal(event["length"]) * 100) / 100 for event in data.listened
           if event["level"] == "paid"]
    return [(len(cut), round(sum(cut) / len(cut), 2), int(max(cut) * 10) / 10, round(sum(cut) / 3600))]


def days_of_most_hashes(data):
    found = {(row[0].day, hashed) for row, (hashed, _) in zip(plays(data), hashes(data), strict=True)}
    count = Counter(day for day, _ in found)
    return sorted(count.items(), key=lambda item: (-item[1], item[0]))[:5]


def best_days(data):
    count = Counter(str(row[0].date()) for row in matched_plays(data))
    return sorted(count.items(), key=lambda item: (-item[1], item[0]))[:5]


# -------------------------------------------------------------------------------------------- tests

def make_plain(row):
    return tuple(float(value) if isinstance(value, Decimal) else value for value in row)


def assert_same_rows(found, expected, what):
    missing, surplus = Counter(expected), Counter(found)
    missing, surplus = missing - surplus, surplus - missing
    assert (list(missing)[:3], list(surplus)[:3]) == ([], []), what


@pytest.mark.parametrize("classic", CLASSICS, ids=lambda path: path.name)
def test_a_classic_gives_what_plain_python_says(connection, data, classic):
    is_sample = data.folder == SAMPLE
    script = (classic / "script.sql").read_text()
    script = script.replace("{data}", str(data.folder)).replace("{role}", ROLE)
    last = run(connection, script)
    if is_sample:
        last = run(connection, script)  # again, over its own tables
    with open(classic / "expected", newline="") as file:
        expected = [ExpectedRows(*row) for row in csv.reader(file)]
    assert expected[-1].what == "the last SELECT"
    for what, rule, in_sample in expected:
        rows = globals()[rule](data)
        if is_sample:
            assert len(rows) == int(in_sample), what
        if what == "the last SELECT":
            assert [make_plain(row) for row in last] == rows
        else:
            assert_same_rows(map(make_plain, run(connection, f"SELECT {what}")), rows, what)
