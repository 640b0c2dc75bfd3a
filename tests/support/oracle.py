"""The star schema of a folder of data, computed a second time: plain Python, no SQL.

Written from the data model in the README and not from sql_queries.py, so only a mistake made twice
passes. A row is a tuple in the order of the table's columns. Rows are sorted by all their columns, NULL
last.
"""

import hashlib
import json
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Iterable, Iterator

EPOCH = datetime(1970, 1, 1)
HUNDRED_THOUSANDTH = Decimal("0.00001")
DECODER = json.JSONDecoder(parse_int=str, parse_float=str)  # a number as it was written


def star_schema(folder: Path) -> dict[str, list[tuple]]:
    """Return the rows that songplays, users, songs, artists and time must hold."""
    events = list(documents(folder / "log_data"))
    catalogue = catalogue_of(documents(folder / "song_data"))
    plays = songplays_of(events, catalogue)
    tables = {
        "songplays": plays,
        "users": users_of(events),
        "songs": [(key, *song["row"]) for key, song in catalogue.items()],
        "artists": artists_of(catalogue),
        "time": {time_of(play[1]) for play in plays},
    }
    return {table: sorted(rows, key=nulls_last) for table, rows in tables.items()}


def documents(folder: Path) -> Iterator[dict]:
    """Yield the JSON documents of every file."""
    for file in folder.rglob("*.json"):
        yield from map(document, split_documents(file))


def split_documents(file: Path) -> Iterator[str]:
    """Yield the JSON documents of a file as text."""
    rest = file.read_text(encoding="utf-8").lstrip()
    while rest:
        _, end = DECODER.raw_decode(rest)
        yield rest[:end]
        rest = rest[end:].lstrip()


def document(written: str) -> dict:
    """Parse a document. Its keys become lower case."""
    return {key.lower(): value for key, value in DECODER.decode(written).items()}


def nulls_last(values: Iterable) -> tuple:
    return tuple((value is None, value) for value in values)


def text(value: str | None) -> str | None:
    return None if value is None else value.rstrip(" ")


def whole(value: str | None) -> int | None:
    return None if value is None or value == "" else int(value)


def decimal(value: str | None) -> Decimal | None:
    """Round to five decimals."""
    return None if value is None else Decimal(value).quantize(HUNDRED_THOUSANDTH, ROUND_HALF_UP)


def blank_to_none(value: str | None) -> str | None:
    return value if value and value.strip(" ") else None


def strip_quotes(value: str | None) -> str | None:
    """Remove the pair of quotes around a text, if there is one, and the blanks at its end."""
    if value and len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return blank_to_none(text(value))


# ---------------------------------------------------------------------------------- songs, artists

def catalogue_of(songs: Iterable[dict]) -> dict[str, dict]:
    """Return the songs by id. If a song has several versions, the first by content counts as a whole."""
    versions = defaultdict(list)
    for song in songs:
        versions[text(song["song_id"])].append(version_of(song))
    return {key: song_of(min(rows, key=nulls_last)) for key, rows in versions.items()}


def version_of(song: dict) -> tuple:
    """Return the content of a song, by which its versions are sorted."""
    return (
        text(song["title"]), text(song["artist_id"]), text(song["artist_name"]),
        decimal(song["duration"]), whole(song.get("year")), text(song.get("artist_location")),
        decimal(song.get("artist_latitude")), decimal(song.get("artist_longitude")),
    )


def song_of(version: tuple) -> dict:
    title, artist_id, artist_name, duration, year, location, latitude, longitude = version
    return {
        "row": (title, artist_id, year or None, duration),
        "artist_id": artist_id,
        "artist": (artist_name, blank_to_none(location), latitude, longitude),
    }


def artists_of(catalogue: dict[str, dict]) -> list[tuple]:
    """Return each artist as the most complete of its songs describes it."""
    songs = defaultdict(list)
    for song_id, song in catalogue.items():
        songs[song["artist_id"]].append((preference(song), song_id, song["artist"]))
    return [(artist_id, *min(rows)[2]) for artist_id, rows in songs.items()]


def preference(song: dict) -> tuple:
    """Return a low key for a song with its artist's place, then coordinates, then the latest year."""
    _, location, latitude, longitude = song["artist"]
    year = song["row"][2] or 0
    return location is None, latitude is None or longitude is None, -year


# -------------------------------------------------------------------------------------------- users

def users_of(events: list[dict]) -> list[tuple]:
    """Return each user as of the latest event, on any page."""
    rows = defaultdict(list)
    for event in events:
        if (user := whole(event.get("userid"))) is not None:
            when = [-whole(event[key]) for key in ("ts", "iteminsession", "sessionid")]
            names = [text(event.get(key)) for key in ("level", "firstname", "lastname", "gender")]
            rows[user].append((*when, *names))
    latest = {user: min(of_user, key=nulls_last)[3:] for user, of_user in rows.items()}
    return [(user, *names, level) for user, (level, *names) in latest.items()]


# ---------------------------------------------------------------------------------- songplays, time

def songplays_of(events: list[dict], catalogue: dict[str, dict]) -> list[tuple]:
    """Return one row per NextSong event. Of events with the same key, the first by content counts."""
    rivals = defaultdict(list)
    for event in events:
        if text(event["page"]) == "NextSong":
            key = tuple(whole(event.get(name)) for name in KEY)
            rivals[key].append(content_of(event))
    songs, bearers = defaultdict(list), defaultdict(set)
    for song_id, song in catalogue.items():
        title, artist_id, _, duration = song["row"]
        name = song["artist"][0]
        songs[title, name].append((song_id, artist_id, duration))
        bearers[name].add(artist_id)
    return [
        songplay(key, min(rows, key=nulls_last), songs, bearers) for key, rows in rivals.items()
    ]


KEY = ("userid", "sessionid", "iteminsession", "ts")


def content_of(event: dict) -> tuple:
    """Return the content of an event without its key, in the form that songplays stores."""
    return (
        text(event.get("song")), text(event.get("artist")), decimal(event.get("length")),
        text(event["level"]), text(event.get("location")), strip_quotes(text(event.get("useragent"))),
    )


def songplay(key: tuple, content: tuple, songs: dict, bearers: dict) -> tuple:
    user, session, _, ts = key
    title, artist, length, level, location, agent = content
    name = "|".join("" if part is None else str(part) for part in key)
    song_id, artist_id = closest(songs.get((title, artist), []), length)
    if song_id is None:
        artist_id = pick_only(bearers.get(artist, set()))
    return (
        hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(),
        EPOCH + timedelta(milliseconds=ts), user, level,
        song_id, artist_id, session, location, agent, title, artist, length,
    )


def closest(candidates: list[tuple], length: Decimal | None) -> tuple:
    """Return song_id and artist_id of the song nearest in length; of equally near ones, the lowest id."""
    if not candidates:
        return None, None
    if length is None:
        return min(candidates)[:2]
    return min(candidates, key=lambda song: (abs(song[2] - length), song[0]))[:2]


def pick_only(artist_ids: set[str]) -> str | None:
    """Return the artist with a name, or None if several artists have it or none."""
    return next(iter(artist_ids)) if len(artist_ids) == 1 else None


def time_of(moment: datetime) -> tuple:
    return (
        moment, moment.hour, moment.day, moment.isocalendar().week, moment.month, moment.year,
        moment.isoweekday() % 7,
    )
