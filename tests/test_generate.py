"""The data generator, and the sample in tests/data that it made."""
import json
import re
import shlex
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import generate as generator
import pytest
from generate import EVENTS_PER_REPEAT, KEYS, PAGES, PATHS, generate
from support import SAMPLE

TESTS = Path(__file__).parent
SONG_KEYS = ("artist_id artist_latitude artist_location artist_longitude artist_name duration "
             "num_songs song_id title year").split()
ARGUMENTS = {"events": 700, "songs": 60, "files": 3, "users": 15}


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def lines_by_file(folder):
    return {path: path.read_bytes().decode().split("\n")
            for path in sorted(folder.rglob("*-events.json"))}


def key(event):
    return event["userId"], event["sessionId"], event["itemInSession"], event["ts"]


class Sample:
    """A data set in memory: lines and events by file, song texts and songs."""

    def __init__(self, folder):
        self.files = list(lines_by_file(folder).values())
        self.lines = [line for lines in self.files for line in lines]
        self.events = [json.loads(line) for line in self.lines]
        self.plays = [event for event in self.events if event["page"] == "NextSong"]
        self.song_texts = [path.read_bytes().decode() for path in
                           sorted((folder / "song_data").rglob("*.json"))]
        self.songs = [json.loads(text) for text in self.song_texts]
        self.durations = defaultdict(list)
        for song in self.songs:
            self.durations[str(song["title"]).rstrip(), song["artist_name"]].append(
                song["duration"])

    def matches(self):
        return [event for event in self.plays if (event["song"], event["artist"])
                in self.durations]


@pytest.fixture(scope="module", params=["sample", "small", "no seed like it"])
def data(request, tmp_path_factory):
    """The sample, and the smallest sets that must have every special value."""
    if request.param == "sample":
        return Sample(SAMPLE)
    folder = tmp_path_factory.mktemp("small")
    generate(folder, events=500, songs=60, seed=2018 if request.param == "small" else 7)
    return Sample(folder)


@pytest.fixture(scope="module")
def sample():
    return Sample(SAMPLE)


def test_the_sample_is_what_the_documented_command_makes(tmp_path):
    command = re.search(r"python tests/generate\.py tests/data (.+)", generator.__doc__)
    subprocess.run([sys.executable, TESTS / "generate.py", tmp_path,
                    *shlex.split(command[1])], check=True,
                   env={"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Asia/Tokyo"})
    made, shipped = contents(tmp_path), contents(SAMPLE)
    assert list(made) == list(shipped)
    assert [name for name in made if made[name] != shipped[name]] == []


def test_the_sample_is_small_enough_to_ship():
    assert sum(map(len, contents(SAMPLE).values())) < 1_900_000


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name in "ab":
        generate(tmp_path / name, seed=5, **ARGUMENTS)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_another_seed_gives_other_bytes(tmp_path):
    for seed in (5, 6):
        generate(tmp_path / str(seed), seed=seed, **ARGUMENTS)
    one, other = (contents(tmp_path / seed) for seed in "56")
    assert not set(one.values()) & set(other.values()) - {one["log_json_path.json"]}


def test_files_and_users_are_as_many_as_asked_for(tmp_path):
    generate(tmp_path, events=900, songs=0, files=40, users=3)
    made = Sample(tmp_path)
    assert [path.name for path in lines_by_file(tmp_path)][::39] == [
        "2018-11-01-events.json", "2018-12-10-events.json"]
    assert len({event["userId"] for event in made.events} - {""}) == 3
    assert 900 <= len(made.lines) <= 900 + 900 / EVENTS_PER_REPEAT


def test_memory_does_not_grow_with_the_log(tmp_path):
    tracemalloc.start()
    try:
        generate(tmp_path, events=40_000, songs=60, files=2)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_every_line_is_json_with_the_keys_of_the_real_log_in_order(data):
    assert all(list(event) == KEYS for event in data.events)
    assert all(list(song) == SONG_KEYS for song in data.songs)


def test_lines_are_compact_and_escape_their_slashes(data):
    for line in data.lines + data.song_texts:
        raw = re.sub(r"(\\u[0-9a-f]{4})+", lambda escapes: json.loads(f'"{escapes[0]}"'), line)
        written = json.dumps(json.loads(line), ensure_ascii=False, separators=(",", ":"))
        assert raw == written.replace("/", "\\/")


def test_the_jsonpaths_name_the_keys():
    paths = json.loads((SAMPLE / "log_json_path.json").read_text())
    assert paths == {"jsonpaths": [f"$['{key}']" for key in PATHS]}


def test_files_end_without_a_newline():
    assert all(text.endswith(b"}") for text in contents(SAMPLE).values())


def test_each_event_is_in_the_file_of_its_day():
    for path, lines in lines_by_file(SAMPLE).items():
        seen = set()
        for event in map(json.loads, lines):
            day = datetime.fromtimestamp(event["ts"] // 1000, timezone.utc).date()
            seen.add(f"{day}-events.json")
        assert path.name in seen and len(seen) <= 2


def test_time_goes_forward_except_in_repeats(data):
    latest, seen = 0, set()
    for event in data.events:
        assert event["ts"] >= latest or key(event) in seen
        latest = max(latest, event["ts"])
        seen.add(key(event))


def test_some_plays_happen_at_the_same_moment(sample):
    plays = {key(event) for event in sample.plays}
    assert len({ts for *_, ts in plays}) < len(plays)


def test_items_count_up_in_sessions_that_interleave(data):
    first = {key(event): event for event in data.events}.values()
    items = defaultdict(list)
    for event in first:
        items[event["sessionId"]].append(event["itemInSession"])
    assert all(counted == list(range(len(counted))) for counted in items.values())
    order = [event["sessionId"] for event in data.events]
    changes = sum(one != other for one, other in pairwise(order))
    assert changes > 2 * len(items)


def test_every_page_appears_with_its_method_and_status(data):
    pages = {event["page"]: (event["method"], event["status"]) for event in data.events}
    assert pages == PAGES
    assert all((event["length"] is None) == (event["page"] != "NextSong")
               for event in data.events)
    assert 0.8 < len(data.plays) / len(data.events) < 0.9


def test_somebody_logged_out_has_no_name(data):
    gone = [event for event in data.events if event["auth"] == "Logged Out"]
    assert gone
    empty = ("firstName", "lastName", "gender", "location", "userAgent", "registration", "song")
    assert all(event["userId"] == "" and not any(event[name] for name in empty)
               for event in gone)
    assert all(event["userId"] for event in data.events if event["auth"] == "Logged In")


def test_levels_change_with_the_event_after_the_submitting_one(data):
    levels, submitted, changes = {}, {}, Counter()
    events = {key(event): event for event in data.events if event["userId"]}
    for event in events.values():
        user, level = event["userId"], event["level"]
        if level != levels.setdefault(user, level):
            changes[submitted.pop(user), level] += 1
        levels[user] = level
        if event["page"].startswith("Submit"):
            submitted[user] = event["page"]
    assert set(changes) == {("Submit Upgrade", "paid"), ("Submit Downgrade", "free")}


def test_agents_are_quoted_but_for_one_browser(data):
    agents = {event["userAgent"] for event in data.events} - {None}
    assert {agent[0] + agent[-1] for agent in agents if "Firefox" not in agent} == {'""'}
    assert any(agent.endswith("Firefox/31.0") for agent in agents)


def test_one_play_in_eight_or_so_matches_a_song(data):
    assert 0.06 < len(data.matches()) / len(data.plays) < 0.2


def test_some_plays_differ_from_the_catalogue_in_length_or_artist(sample):
    exact = [event["length"] in sample.durations[event["song"], event["artist"]]
             for event in sample.matches()]
    assert 0.6 < sum(exact) / len(exact) < 0.95
    titles = {title for title, _ in sample.durations}
    assert any(event["song"] in titles for event in sample.plays
               if (event["song"], event["artist"]) not in sample.durations)


def test_some_songs_are_played_often_and_many_once(sample):
    plays = Counter((event["song"], event["artist"]) for event in sample.plays).values()
    assert max(plays) > 25
    assert sum(count == 1 for count in plays) > 100


def test_two_songs_share_title_and_artist_and_both_are_played(sample):
    (song, artist), lengths = next(item for item in sample.durations.items() if len(item[1]) > 1)
    assert len(set(lengths)) == 2
    played = {event["length"] for event in sample.plays
              if (event["song"], event["artist"]) == (song, artist)}
    assert set(lengths) <= played


def test_two_songs_share_title_and_artist(data):
    assert any(len(set(lengths)) > 1 for lengths in data.durations.values())


def test_some_artists_have_several_names_and_places(data):
    names, places = defaultdict(set), defaultdict(set)
    for song in data.songs:
        names[song["artist_id"]].add(song["artist_name"])
        places[song["artist_id"]].add(song["artist_location"])
    assert max(map(len, names.values())) > 1 and max(map(len, places.values())) > 1


def test_one_song_id_has_two_files(data):
    files = defaultdict(list)
    for song in data.songs:
        files[song["song_id"]].append(song)
    [(one, other)] = [songs for songs in files.values() if len(songs) > 1]
    assert one != other


@pytest.mark.parametrize("special", [
    lambda song: isinstance(song["title"], int),
    lambda song: isinstance(song["artist_name"], int),
    lambda song: song["artist_location"] == "" and song["artist_latitude"] is None,
    lambda song: song["artist_location"] and song["artist_latitude"] is None,
    lambda song: song["artist_location"] and song["artist_latitude"],
    lambda song: len(song["artist_location"]) < 256 < len(song["artist_location"].encode()),
    lambda song: "<a href=" in str(song["artist_name"]),
    lambda song: str(song["title"]).endswith("  "),
    lambda song: "\t" in str(song["title"]),
    lambda song: "\\" in str(song["title"]),
    lambda song: "\ufffd" in song["artist_location"],
    lambda song: song["year"] == 0,
    lambda song: len(str(song["duration"]).partition(".")[2]) == 5,
], ids=["title is a number", "artist is a number", "nowhere", "place only", "place on the map",
        "location over 256 bytes", "HTML", "trailing blanks", "tab", "backslash", "lost letter",
        "no year", "five decimals"])
def test_some_song_is_special(data, special):
    assert any(map(special, data.songs))


@pytest.mark.parametrize("pattern", [
    "[À-ÿ]", r"\\u00[c-f]", "[ぁ-龯]", r"\\u[3-9][0-9a-f]{3}", r"\\ud83c\\udfb9",
    r"\\t", r"\\\\", r'\\"', r"\\/"],
    ids=["raw accents", "escaped accents", "raw Japanese", "escaped Japanese", "surrogate pair",
         "tab", "backslash", "quote", "slash"])
def test_odd_letters_stand_in_the_log_and_in_songs(data, pattern):
    assert re.search(pattern, "\n".join(data.lines))
    assert re.search(pattern, "\n".join(data.song_texts))


def test_the_log_has_text_decoded_wrongly_twice(sample):
    assert "Caf\\u00c3\\u0083\\u00c2\\u00a9" in "\n".join(sample.lines)


def test_some_matched_titles_are_numbers_or_end_in_blanks_in_the_catalogue(sample):
    played = {event["song"] for event in sample.matches()}
    titles = [song["title"] for song in sample.songs]
    assert any(isinstance(title, int) and str(title) in played for title in titles)
    assert any(str(title).endswith(" ") and title.rstrip() in played for title in titles)


def test_events_are_repeated_in_every_way(data):
    ways = set()
    seen = {}
    for day, lines in enumerate(data.files):
        for line in lines:
            event = json.loads(line)
            before, first = seen.setdefault(key(event), (day, line))
            if first is not line:
                ways.add((line == first, day > before))
    assert ways == {(same, later) for same in (True, False) for later in (True, False)}


def test_repeats_are_few(data):
    repeats = len(data.events) - len({key(event) for event in data.events})
    assert 4 <= repeats <= len(data.events) / EVENTS_PER_REPEAT
