"""Random histories: after any changes of the files between runs, the tables match the files.

Before each run, a few random steps add files or change them. There are so few users, songs and artists'
names that they coincide all the time. After each run, the star schema must be the one that
tests/support/oracle.py computes from the files. --orders=100 takes an afternoon.
"""

import contextlib
import json
import random
import re
import shutil
import signal
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Callable, Iterator

import pytest
from support import oracle
from support.cases import CASES, assert_same, read_expected_tables, read_table, settings_of
from support.project import DATA_FOLDERS, STAR, Project
from support.runs import LINE

import etl
from warehouse import command, config

TITLES = ("A Song", "B Song", "The Song", "Zeal")
NAMES = ("Abe", "The Band", "Twins", "Ångström")
ARTIST_IDS = ("AR1", "AR2", "AR3", "AR4")
SONG_IDS = ("SO1", "SO2", "SO3", "SO4", "SO5")
DURATIONS = (200, 210.5, 221)

MISSING = "(no such key)"
NOTHING = (None, MISSING)
LENGTHS = (200, 205.25, 205.250004, 210.5, 215.75, 300, *NOTHING)  # some as near to two songs
NOBODY = ("", *NOTHING)
AGENTS = (  # those of a line differ in how they are written
    ('"Mozilla"', "Mozilla", 'Mozilla  ', '"Mozilla  "', '"Mozilla" '),
    ('Mozilla "x"', '"Mozilla "x""'),
    ('""Mozilla""', '" Mozilla"', '"'),
    ('""', '" "', " ", *NOBODY),
)
PLACES = ("Nome, AK", "Nome, AK ", "Bari", " ", *NOBODY)
YEARS = (0, 1999, 2010, *NOTHING)
COORDINATES = (-1.5, 1.5, 20, *NOTHING)
FIRST_TS = 1541030400000

LINES = 90  # of a load's log at --verbose, about


# -------------------------------------------------------------------------------------------- steps

class History:
    """A folder of logs and songs, and random changes to it, drawn from the seed.

    No file is ever deleted. Between two runs a log file is written at most once, so a grown log still
    has all the loaded lines.
    """

    def __init__(self, folder: Path, seed: int):
        self.folder = folder
        self.random = random.Random(f"history {seed}")
        self.choice = self.random.choice
        self.files: dict[str, list[dict]] = {}
        self.loaded: dict[str, int] = {}  # the sizes of files when a run last began
        self.written: set[str] = set()  # since then
        self.story: list[str] = []
        for _ in range(4):
            self.add_log()
        for _ in range(2):
            self.add_song()

    # What happens before a run

    def go_on(self) -> list[str]:
        """Take some steps. Return their names."""
        self.loaded = {name: self.size(name) for name in self.files}
        self.written.clear()
        wanted, taken = self.choice((0, 1, 1, 1, 1, 2, 2, 2, 3, 4)), []
        while len(taken) < wanted:
            name = self.choice(list(self.choice((LOG_STEPS, LOG_STEPS, SONG_STEPS, OTHER_STEPS))))
            if STEPS[name](self) is not False:
                taken.append(name)
        self.story.append(", ".join(taken) or "nothing")
        return taken

    def kind(self) -> str:
        """Return how the next run loads logs and songs."""
        kinds = {"log_data": {"none"}, "song_data": {"none"}}
        for name in self.written:
            source = name.partition("/")[0]
            grew = source == "log_data" and self.size(name) > self.loaded.get(name, 0)
            kinds[source].add("whole" if name in self.loaded and not grew else "new")
        logs, songs = (max(kind, key=("none", "new", "whole").index) for kind in kinds.values())
        return f"logs {logs}, songs {songs}"

    # Files

    def names(self, source: str) -> list[str]:
        return [name for name in self.files if name.startswith(source)]

    def size(self, name: str) -> int:
        return (self.folder / name).stat().st_size

    def write(self, name: str, documents: list[dict]) -> None:
        self.files[name] = documents
        self.written.add(name)
        file = self.folder / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text("".join(map(line, documents)), encoding="utf-8")

    def add_file(self, source: str, documents: list[dict]) -> None:
        """Add a file with a random name, so that its place among the others is random."""
        self.write(f"{source}/{self.choice('abc')}/{self.random.random()}.json", documents)

    def old_log(self) -> str:
        """Pick a log file that no step has written since the last run."""
        return self.choice([name for name in self.names("log_data") if name not in self.written])

    # Logs

    def event(self, **known) -> dict:
        return {
            "artist": self.choice((*NAMES, *NAMES, "Abe ", "", None)),
            "firstName": self.choice(("Ann", "Bo", *NOBODY)),
            "gender": self.choice(("F", "M", None)),
            "itemInSession": self.choice((0, 1)),
            "lastName": self.choice(("Lee", *NOTHING)),
            "length": self.choice(LENGTHS),
            "level": self.choice(("free", "paid")),
            "location": self.choice(PLACES),
            "page": self.choice(("NextSong", "NextSong", "NextSong", "Home")),
            "sessionId": self.choice((1, 2)),
            "song": self.choice((*TITLES, *TITLES, "A Song ", "", None)),
            "ts": FIRST_TS + self.choice((0, 1, 999, 86400000)),
            "userAgent": self.choice(self.choice(AGENTS)),
            "userId": self.choice(("7", 7, "8", "9", *NOBODY)),
        } | known

    def any_event(self, is_it: Callable[[dict], bool] = bool) -> dict:
        return self.choice([event for name in self.names("log_data")
                            for event in self.files[name] if is_it(event)] or [self.event()])

    def put(self, event: dict) -> None:
        """Log an event, in a new file or at the end of an old one."""
        if self.random.random() < 0.5:
            self.add_file("log_data", [event])
        else:
            self.grow(event)

    def grow(self, *events: dict) -> None:
        name = self.old_log()
        self.write(name, [*self.files[name], *events])

    def add_log(self) -> None:
        self.add_file("log_data", [self.event() for _ in range(self.choice((1, 2, 4)))])

    def grow_log(self) -> None:
        self.grow(*(self.event() for _ in range(self.choice((1, 2)))))

    def repeat_event(self) -> None:
        self.put(self.any_event())

    def add_rival(self) -> None:
        other = self.event()
        keys = self.random.sample(("song", "artist", "length", "level", "location", "userAgent"), 2)
        self.put(self.any_event(is_play) | {key: other[key] for key in keys})

    def add_near_rival(self) -> None:
        """Add a rival with another kind of empty value, or other quotes or trailing blanks."""
        event = self.any_event(is_play)
        alike = [agents for agents in AGENTS if event["userAgent"] in agents]
        self.put(event | self.choice((
            {"userAgent": self.choice(self.choice(alike or AGENTS))},
            {self.choice(("song", "artist", "location")): self.choice(NOBODY)},
        )))

    def add_tie(self) -> None:
        """Add an event of the same user, ts and item, in another session or with other names."""
        event, other = self.any_event(has_user), self.event()
        keys = self.choice((
            ("firstName", "lastName", "gender"), ("firstName", "page"), ("lastName", "level"), ("gender",)))
        session = self.choice((event["sessionId"], 1, 2, 3))
        self.put(event | {key: other[key] for key in keys} | {"sessionId": session})

    def add_play_of_nobody(self) -> None:
        self.put(self.event(page="NextSong", userId=self.choice(NOBODY)))

    def add_play_without_length(self) -> None:
        self.put(self.event(**self.title_and_name(), page="NextSong", length=self.choice(NOTHING)))

    def add_play_of_a_song(self) -> None:
        self.put(self.event(**self.title_and_name(), page="NextSong"))

    def title_and_name(self) -> dict:
        """Return title and artist of a song of the catalogue, as an event has them."""
        song = self.choice(list(self.catalogue().values()))
        return {"song": song["row"][0], "artist": song["artist"][0]}

    def change_log(self) -> None:
        """Change a log file without making it larger."""
        name = self.old_log()
        change = self.choice((self.drop_events, self.drop_events, self.change_levels, self.replace_events))
        new = change(self.files[name])
        while size_of(new) > self.size(name):
            new.pop()
        self.write(name, new)

    def drop_events(self, events: list[dict]) -> list[dict]:
        return self.random.sample(events, self.random.randrange(len(events) + 1))

    def change_levels(self, events: list[dict]) -> list[dict]:
        """Change levels in a log, which keeps its size."""
        return [event | {"level": self.choice(("free", "paid"))} for event in events]

    def replace_events(self, events: list[dict]) -> list[dict]:
        return [self.choice((event, self.event())) for event in events]

    def write_log_again(self) -> None:
        name = self.old_log()
        self.write(name, self.files[name])

    # Songs

    def catalogue(self) -> dict[str, dict]:
        return oracle.catalogue_of(map(read_back, self.songs()))

    def songs(self) -> list[dict]:
        return [song for name in self.names("song_data") for song in self.files[name]]

    def versions(self, song_id: str) -> list[dict]:
        """Return the versions of a song. The first is the one that counts."""
        return sorted((song for song in self.songs() if song["song_id"] == song_id), key=rank)

    def song(self, **known) -> dict:
        return {
            "artist_id": self.choice(ARTIST_IDS),
            "artist_latitude": self.choice(COORDINATES),
            "artist_location": self.choice(PLACES),
            "artist_longitude": self.choice(COORDINATES),
            "artist_name": self.choice((*NAMES, "Abe ")),
            "duration": self.choice(DURATIONS),
            "song_id": self.choice(self.list_unused_ids() or SONG_IDS),
            "title": self.choice((*TITLES, "A Song ")),
            "year": self.choice(YEARS),
        } | known

    def list_unused_ids(self) -> list[str]:
        used = {song["song_id"] for song in self.songs()}
        return [song_id for song_id in SONG_IDS if song_id not in used]

    def add_song(self) -> None:
        self.add_file("song_data", [self.song() for _ in range(self.choice((1, 1, 2)))])

    def add_near_version(self) -> None:
        """Add a version with another kind of empty value, and an event that shows which one counts."""
        song = self.versions(self.choice(list(self.catalogue())))[0]
        opposite = 1.5 if song["artist_longitude"] in NOTHING else -song["artist_longitude"]
        change, more = self.choice((
            ({"year": self.choice((0, *NOTHING))}, {"artist_location": self.choice(PLACES)}),
            ({"artist_location": self.choice((" ", *NOBODY))}, {"artist_latitude": self.choice(COORDINATES)}),
            ({"artist_longitude": opposite}, {}),
        ))
        self.add_file("song_data", [song | change | self.choice(({}, more))])

    def add_similar_song(self) -> None:
        """Add a song of the same title and name, of another length and perhaps by another artist."""
        song = self.choice(list(self.catalogue().values()))
        title, artist_id, _, _ = song["row"]
        self.place({
            "title": title, "artist_name": song["artist"][0], "duration": self.choice(DURATIONS),
            "artist_id": self.choice((artist_id, *ARTIST_IDS)),
        })

    def place(self, known: dict) -> None:
        """Put such a song into the catalogue: in a new file, or in place of another song."""
        if (unused := self.list_unused_ids()) and self.random.random() < 0.7:
            self.add_file("song_data", [self.song(song_id=self.choice(unused), **known)])
        elif self.add_winner(known) is False:
            self.change_songs(self.choice(list(self.catalogue())), known)

    def add_winner(self, known: dict) -> bool | None:
        """Add a version of a song that counts from now on."""
        for song_id in self.random.sample(SONG_IDS, len(SONG_IDS)):
            song = self.song(song_id=song_id, **known)
            if (versions := self.versions(song_id)) and rank(song) < rank(versions[0]):
                self.add_file("song_data", [song])
                return None
        return False

    def change_songs(self, song_id: str, changes: dict) -> None:
        """Change all versions of a song."""
        for song in self.versions(song_id):
            self.replace(song, song | changes)

    def replace(self, old: dict, new: dict) -> None:
        """Change a song in its file."""
        for name in self.names("song_data"):
            if old in self.files[name]:
                self.write(name, [new if song == old else song for song in self.files[name]])

    def make_winner_lose(self) -> bool | None:
        rivals = [found for song_id in SONG_IDS if len(found := self.versions(song_id)) > 1]
        for winner, second, *_ in self.random.sample(rivals, len(rivals)):
            for change in self.random.sample(WORSE, len(WORSE)):
                if rank(winner | change) > rank(second) > rank(winner):
                    self.replace(winner, winner | change)
                    return None
        return False

    def change_matched_song(self, key: str) -> bool | None:
        """Change a song that plays match: the version that counts, or all versions."""
        songs = {play[4] for play in self.star()["songplays"] if play[4]}
        if not songs:
            return False
        versions = self.versions(self.choice(sorted(songs)))
        others = [value for value in CHANGES[key] if value != versions[0][key]]
        change = {key: self.choice(others)}
        for song in self.choice((versions[:1], versions)):
            self.replace(song, song | change)
        return None

    def change_any_song(self) -> None:
        """Replace the songs of a file by others or none."""
        name = self.choice(self.names("song_data"))
        songs = [self.song() for _ in range(self.choice((0, 1, 2)))]
        kept = any(self.files[other] for other in self.names("song_data") if other != name)
        self.write(name, songs if kept else [self.song()])

    def write_song_again(self) -> None:
        name = self.choice(self.names("song_data"))
        self.write(name, self.files[name])

    # Names of artists

    def bearers(self, name: str) -> dict[str, list[str]]:
        """Return the songs with the name, by artist id."""
        found = {}
        for song_id, song in self.catalogue().items():
            if song["artist"][0] == name:
                found.setdefault(song["artist_id"], []).append(song_id)
        return found

    def pick_name(self, how_many: tuple[int, ...]) -> str | None:
        """Pick a name that so many artists have."""
        names = [name for name in NAMES if len(self.bearers(name)) in how_many]
        return self.choice(names) if names else None

    def make_name_known(self) -> bool | None:
        if not (name := self.pick_name((0,))):
            return False
        self.place({"artist_name": name})
        return None

    def make_name_ambiguous(self) -> bool | None:
        if not (name := self.pick_name((1,))):
            return False
        [only] = self.bearers(name)
        others = [artist_id for artist_id in ARTIST_IDS if artist_id != only]
        self.place({"artist_name": name, "artist_id": self.choice(others)})
        return None

    def make_name_single(self) -> bool | None:
        """Give a name to one artist only: the others change their name, or become that artist."""
        if not (name := self.pick_name((2, 3, 4))):
            return False
        bearers = self.bearers(name)
        stays = self.choice(sorted(bearers))
        for song_id in (song_id for artist_id in bearers if artist_id != stays
                        for song_id in bearers[artist_id]):
            others = [other for other in NAMES if other != name]
            self.change_songs(song_id, self.choice((
                {"artist_id": stays}, {"artist_name": self.choice(others)})))
        return None

    # Both

    def star(self) -> dict[str, list[tuple]]:
        return oracle.star_schema(self.folder)

    def change_log_and_add_song(self) -> None:
        self.change_log()
        self.add_song()

    def change_song_and_add_log(self) -> None:
        self.change_any_song()
        self.add_log()

    def add_song_and_log(self) -> None:
        self.add_song()
        self.add_log()


# What a song that was played turns into, and by what a version loses.
CHANGES = {"artist_id": ARTIST_IDS, "artist_name": NAMES, "title": TITLES, "duration": DURATIONS,
           "song_id": SONG_IDS}
WORSE = ({"title": TITLES[-1]}, {"artist_id": ARTIST_IDS[-1]}, {"artist_name": NAMES[-1]},
         {"duration": DURATIONS[-1]}, {"year": None}, {"artist_location": None},
         {"artist_longitude": None})

LOG_STEPS = {
    "a log file comes": History.add_log,
    "a log file grows": History.grow_log,
    "an event is repeated": History.repeat_event,
    "a play gets a rival": History.add_rival,
    "a play gets a rival that hardly differs": History.add_near_rival,
    "a user's event ties": History.add_tie,
    "somebody unknown plays": History.add_play_of_nobody,
    "a play of no length comes": History.add_play_without_length,
    "a song of the catalogue is played": History.add_play_of_a_song,
    "a log file changes without growing": History.change_log,
    "a log file is written again": History.write_log_again,
}
SONG_STEPS = {
    "songs come": History.add_song,
    "a version of a song comes that hardly differs": History.add_near_version,
    "a version of a song comes that counts": partial(History.add_winner, known={}),
    "a song of the same title and name comes": History.add_similar_song,
    "the version that counted loses": History.make_winner_lose,
    **{f"a song that was played changes its {key}": partial(History.change_matched_song, key=key)
       for key in CHANGES},
    "a file of songs changes": History.change_any_song,
    "a file of songs is written again": History.write_song_again,
}
OTHER_STEPS = {
    "a name becomes known": History.make_name_known,
    "a name becomes ambiguous": History.make_name_ambiguous,
    "a name is one artist's again": History.make_name_single,
    "songs and logs come": History.add_song_and_log,
    "a log file changes, and songs come": History.change_log_and_add_song,
    "a file of songs changes, and logs come": History.change_song_and_add_log,
}
STEPS = LOG_STEPS | SONG_STEPS | OTHER_STEPS


def line(document: dict) -> str:
    known = {key: value for key, value in document.items() if value != MISSING}
    return json.dumps(known, ensure_ascii=False) + "\n"


def size_of(documents: list[dict]) -> int:
    return len("".join(map(line, documents)).encode())


def read_back(document: dict) -> dict:
    return oracle.document(line(document))


def rank(song: dict) -> tuple:
    """Return a key that is lowest for the version of a song that counts."""
    return oracle.nulls_last(oracle.version_of(read_back(song)))


def is_play(event: dict) -> bool:
    return event["page"] == "NextSong"


def has_user(event: dict) -> bool:
    return event["userId"] not in NOBODY


# -------------------------------------------------------------------------------------------- loads

def load(project: Project, *arguments: str) -> None:
    """Run etl.py in this process, which takes a fraction of the time."""
    project.write_config()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARKIFY_STANDIN", str(project.server.folder))
        patch.setattr(command.INTERRUPTION, "cancelling", contextlib.nullcontext)
        etl.run(config.read(project.config), etl.make_parser().parse_args(arguments))


def kill_load(project: Project, lines: int) -> bool:
    """Start etl.py and kill it after so many lines of its log. Return whether it was still running."""
    process = project.start("etl.py", "--verbose")
    while lines and (said := process.stderr.readline()):
        lines -= bool(LINE.match(said))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


# --------------------------------------------------------------------------------- random histories

def test_after_every_run_the_tables_are_those_of_the_files(warehouse, order_seed, record_property):
    history, chance = History(warehouse.folder, order_seed), random.Random(f"runs {order_seed}")
    for _ in range(chance.randrange(8, 16)):
        if chance.random() < 0.15:
            history.story.append("a load is killed")
            record_property("killed", kill_load(warehouse, chance.randrange(LINES)))
        load(warehouse)
        assert_tables_of_the_files(warehouse, history)
        history.go_on()
    load(warehouse)
    assert_tables_of_the_files(warehouse, history)
    load(warehouse, "--full")
    assert_tables_of_the_files(warehouse, history)


def assert_tables_of_the_files(project: Project, history: History) -> None:
    try:
        assert_same(project.snapshot(STAR), history.star())
    except AssertionError as error:
        error.add_note("what happened: " + "; ".join(history.story))
        raise


def test_histories_take_every_step_and_change_plays_in_every_way(tmp_path):
    steps, kinds, fates = Counter(), Counter(), Counter()
    for seed in range(60):
        history = History(tmp_path / str(seed), seed)
        for _ in range(10):
            before = history.star()["songplays"]
            steps.update(history.go_on())
            kinds[history.kind()] += 1
            fates.update(fates_of(before, history.star()["songplays"]))
    assert set(steps) == set(STEPS) and min(steps.values()) >= 10, steps
    assert len(kinds) == 9 and min(kinds.values()) >= 10, kinds
    assert set(fates) == FATES and min(fates.values()) >= 10, fates


FATES = {
    "is gone", "is another", "gets a song", "gets another song", "loses its song",
    "keeps its song, whose artist changes", "gets an artist without a song",
    "gets another artist without a song", "loses its artist without a song",
}


def fates_of(before: list[tuple], after: list[tuple]) -> Iterator[str]:
    """Yield what happened to each earlier play that changed."""
    now = {play[0]: play for play in after}
    for old in before:
        new = now.get(old[0])
        if new is None:
            yield "is gone"
        elif old[6:] != new[6:]:
            yield "is another"
        elif old[4] != new[4]:
            yield f"{turn(old[4], new[4], 'a', 'its')} song"
        elif old[5] != new[5] and new[4]:
            yield "keeps its song, whose artist changes"
        elif old[5] != new[5]:
            yield f"{turn(old[5], new[5], 'an', 'its')} artist without a song"


def turn(old: str | None, new: str | None, a: str, its: str) -> str:
    return f"gets {a}" if old is None else f"loses {its}" if new is None else "gets another"


# -------------------------------------------------------------------------- cases, a document a run

QUICK = (  # the cases in which the order matters most
    "artist_by_name", "artist_of_several_songs", "closest_duration", "latest_event",
    "match_by_the_names_of_the_song", "rival_events", "rival_plays_of_two_songs", "rival_songs",
    "rival_songs_that_say_little", "rivals_as_stored", "song_id_in_two_files",
)
WAYS = {  # backwards or not, and what is loaded whole in the middle
    "in order": (False, ""),
    "backwards": (True, ""),
    "in order, songs whole": (False, "song_data"),
    "backwards, logs whole": (True, "log_data"),
    "in order, logs whole": (False, "log_data"),
    "backwards, songs whole": (True, "song_data"),
}
Run = dict[str, str]  # files by name


def pytest_generate_tests(metafunc):
    """Run all cases in all ways if --orders is more than 4."""
    if "way" in metafunc.fixturenames:
        every = metafunc.config.getoption("--orders") > 4
        metafunc.parametrize("way", list(WAYS) if every else list(WAYS)[:4])
        metafunc.parametrize("case", [case for case in CASES if every or case.name in QUICK],
                             ids=lambda case: case.name)


def test_a_case_loaded_a_document_a_run_gives_the_tables_of_the_case(warehouse, case, way):
    backwards, whole = WAYS[way]
    for file in case.iterdir():
        if file.is_file():
            shutil.copy(file, warehouse.folder)
    warehouse.configure(**settings_of(case))
    runs = split_into_runs(case, backwards)
    if whole:
        correct_one_in_the_middle(runs, whole)
    for run in runs:
        for name, text in run.items():
            warehouse.write(name, text)
        if all(any((warehouse.folder / source).iterdir()) for source in DATA_FOLDERS):
            load(warehouse)
    expected = read_expected_tables(case)
    assert {table: read_table(warehouse, table) for table in expected} == expected


def split_into_runs(case: Path, backwards: bool) -> list[Run]:
    """Put each document of a case into a file and a run of its own, logs and songs alternately."""
    files = sorted((f"{nth:03}", source, text) for source in DATA_FOLDERS
                   for nth, text in enumerate(documents_of(case / source)))
    runs = [{f"{source}/{name}.json": text} for name, source, text in files]
    return runs[::-1] if backwards else runs


def documents_of(folder: Path) -> list[str]:
    return [text for file in sorted(folder.rglob("*.json")) for text in oracle.split_documents(file)]


def correct_one_in_the_middle(runs: list[Run], source: str) -> None:
    """Load a wrong version of the first file of a source before the right one."""
    firsts = [next(nth for nth, run in enumerate(runs) if next(iter(run)).startswith(folder))
              for folder in DATA_FOLDERS]
    run = runs[firsts[DATA_FOLDERS.index(source)]]
    [(name, text)] = run.items()
    run[name] = wrong_log(text) if source == "log_data" else wrong_song(text)
    assert run[name] != text
    middle = max(*firsts, len(runs) // 2 - 1) + 1
    runs[middle:middle + 1] = [{**part, name: text} for part in runs[middle:middle + 1] or [{}]]


def wrong_log(text: str) -> str:
    """Return a log of the same size, with an event later than any other."""
    return re.sub(r"\b1(\d{12})\b", r"2\1", text)


def wrong_song(text: str) -> str:
    """Return a version of a song that counts before any other."""
    wrong = {"title": "!", "artist_id": "AR!", "artist_name": "!"}
    return json.dumps(oracle.document(text) | wrong)
