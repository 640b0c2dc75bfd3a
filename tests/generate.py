"""Generate Sparkify data of any size: event logs, their JSONPaths file, and song files.

This command, run from the project's folder, made the sample in tests/data:

    python tests/generate.py tests/data --events 3200 --songs 250 --files 14 --users 60

The files look like the real ones to the byte (key order, escapes, no newline at the end) and have
everything in the real ones that breaks loaders, in every 60 songs and every few hundred events. About
one event in 110 is written a second time, in addition to the requested number. The same arguments give
the same bytes: all chance comes from random(), the only method that Python promises never to change.
"""
import argparse
import itertools
import json
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Iterator, NamedTuple

FIRST_DAY = date(2018, 11, 1)
FIRST_TS = (FIRST_DAY - date(1970, 1, 1)).days * 86_400_000 + 796  # every real ts ends in 796
HOUR_WEIGHTS = (4, 3, 2, 2, 2, 3, 4, 5, 6, 6, 7, 8, 8, 9, 9, 10, 10, 10, 9, 8, 7, 6, 5, 4)
WEEKDAY_WEIGHTS = (8, 9, 11, 9, 9, 5, 4)
SONGS_PER_FOLDER = 50
PLAYED_SONGS = 20_000  # only the first songs of a larger catalogue are ever played, so memory stays flat
EVENTS_PER_REPEAT = 110
KEYS = ("artist auth firstName gender itemInSession lastName length level location method page "
        "registration sessionId song status ts userAgent userId").split()
PATHS = KEYS  # of the JSONPaths file; a key that only newer logs have is added here, at its column's place

PAGES = {"NextSong": ("PUT", 200), "Home": ("GET", 200), "Login": ("PUT", 307),
         "Logout": ("PUT", 307), "Upgrade": ("GET", 200), "Submit Upgrade": ("PUT", 307),
         "Downgrade": ("GET", 200), "Submit Downgrade": ("PUT", 307), "Settings": ("GET", 200),
         "Save Settings": ("PUT", 307), "Help": ("GET", 200), "About": ("GET", 200),
         "Error": ("GET", 404)}
DETOURS = (("Home",),) * 9 + (("Help",), ("About",), ("Settings",), ("Settings", "Save Settings"),
                              ("Error",), ("Change",), ("Change",))

METROS = ("Albany-Schenectady-Troy, NY", "Boise City, ID", "Cedar Rapids, IA", "Duluth, MN-WI",
          "Chicago-Naperville-Elgin, IL-IN-WI", "El Paso, TX", "Fargo, ND-MN", "Green Bay, WI",
          "Houston-The Woodlands-Sugar Land, TX", "Jacksonville, FL", "Knoxville, TN",
          "Los Angeles-Long Beach-Anaheim, CA", "Memphis, TN-MS-AR", "Ogden-Clearfield, UT",
          "New York-Newark-Jersey City, NY-NJ-PA", "Portland-Vancouver-Hillsboro, OR-WA",
          "Raleigh, NC", "San Francisco-Oakland-Hayward, CA", "Tucson, AZ", "Urban Honolulu, HI",
          "Washington-Arlington-Alexandria, DC-VA-MD-WV", "Yuma, AZ")
SYSTEMS = ("Windows NT 6.1; WOW64", "Windows NT 5.1", "Macintosh; Intel Mac OS X 10_9_4",
           "X11; Linux x86_64", "iPhone; CPU iPhone OS 7_1_2 like Mac OS X")
# In the real log, all agents but Firefox's are in quotes that belong to the value.
BROWSERS = ('"Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/36.0 Safari/537.36"',
            '"Mozilla/5.0 ({}) AppleWebKit/537.77 (KHTML, like Gecko) Version/7.0 Safari/537.77"',
            "Mozilla/5.0 ({}; rv:31.0) Gecko/20100101 Firefox/31.0")
COUNTRIES = ("Iceland", "Chile", "Kenya", "Portugal", "New Zealand", "Latvia", "Ohio", "Texas")
STARTS = "b br d dr f gr h j k l m n p r s st t tr v w y z".split()
VOWELS = "a e i o u ae ia ou".split()
ENDS = "l n r s th m nd rk".split()
ADJECTIVES = ("Amber Borrowed Crooked Distant Eleventh Folded Gentle Hollow Idle Jagged Kinder "
              "Late Mended Northern Open Paper Quiet Rusted Second Tidal Unsent Wooden").split()
NOUNS = ("Anchor Bridge Compass Doorway Ember Fountain Garden Harbour Island Junction Kettle Ladder "
         "Meadow Needle Orchard Pier Quill Rooftop Staircase Tunnel Umbrella Window").split()
TITLES = ("{a} {n}", "{n} of {w}", "Don't Wake the {n}", "{n} / {m}", '"{a}" {n}', "{w}'s {n}",
          "The {n} We Kept", "{a} {n} (Live in {w})", "{a} {n} (Album Version)", "{w}: {a} {n}",
          "{n}, {m} and {w}", "{a} {n} {w}")


class User:
    """A listener, of whom only `level` changes. Texts are kept as JSON, which the log repeats."""

    def __init__(self, rng: Random, number: int):
        accent = "é" if number % 10 == 5 else ""
        self.first_name = encode(make_word(rng) + accent, number % 20 == 5)
        self.last_name = encode(make_word(rng))
        self.gender = pick(rng, "FFM")
        self.location = encode(pick(rng, METROS))
        self.agent = encode(pick(rng, BROWSERS).format(pick(rng, SYSTEMS)))
        self.registration = FIRST_TS - int(rng.random() * 2_600_000) * 1000
        self.level = pick(rng, ("free", "paid", "paid"))
        self.user_id = number + 2


class Play(NamedTuple):
    """A song as the log describes it. The texts are JSON."""
    artist: str = "null"
    length: float | None = None
    title: str = "null"


class Event(NamedTuple):
    user: User
    session: int
    item: int
    ts: int
    page: str
    logged_in: bool
    level: str
    play: Play


def encode(value: object, raw: bool = False) -> str:
    """Encode as compact JSON with escaped slashes. `raw` leaves non-ASCII letters as they are."""
    return json.dumps(value, ensure_ascii=not raw, separators=(",", ":")).replace("/", "\\/")


def pick(rng: Random, choices):
    return choices[int(rng.random() * len(choices))]


def pick_rank(rng: Random, count: int) -> int:
    """Pick a rank below `count`. As with real hits, low ranks are likelier (Zipf, flattened on top)."""
    return min(int(10 * ((count / 10 + 1) ** rng.random() - 1)), count - 1)


def make_word(rng: Random) -> str:
    syllables = (pick(rng, STARTS) + pick(rng, VOWELS) for _ in range(2 + int(rng.random() * 1.4)))
    return ("".join(syllables) + pick(rng, ENDS)).capitalize()


def make_title(rng: Random) -> str:
    nouns = int(rng.random() * len(NOUNS))
    return pick(rng, TITLES).format(a=pick(rng, ADJECTIVES), n=NOUNS[nouns], m=NOUNS[nouns - 7],
                                    w=make_word(rng))


def draw_duration(rng: Random) -> float:
    return round(90 + 330 * rng.random(), 5)  # seconds


def draw_letters(rng: Random, count: int) -> str:
    return "".join(pick(rng, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(count))


def make_home(rng: Random) -> tuple[str, float | None, float | None]:
    kind, place = rng.random(), f"{make_word(rng)}, {pick(rng, COUNTRIES)}"
    latitude, longitude = (round(rng.random() * span - span / 2, 5) for span in (120, 300))
    if kind < 0.55:
        return (place if kind < 0.2 else ""), None, None
    return (place if kind < 0.95 else ""), latitude, longitude


def make_artist(seed: int, number: int) -> tuple[str, str | int, tuple]:
    """Make an artist's id, name and home. One in 40 is of each odd kind."""
    rng = Random(f"{seed} artist {number}")
    artist_id = f"AR{draw_letters(rng, 5)}1187B{number:06X}"
    name, where = f"{make_word(rng)} {make_word(rng)}", make_home(rng)
    kind = number % 40
    if kind == 3:
        name = f'<a href="http://example.com/{number}">{name}</a>'
    elif kind == 10:
        name = 1000 + number
    elif kind == 17:
        name = f"夜の{name}楽団"
    elif kind == 24:
        name = f"{name} Ångström-Çelén"
    elif kind == 31:  # more than 256 bytes, but fewer letters: Redshift counts bytes
        where = ("東の丘と西の川のあいだの小さな村、" * 6 + make_word(rng), None, None)
    elif kind == 37:
        where = ("Malm\ufffd, Latvia", None, None)
    return artist_id, name, where


def make_song(seed: int, number: int, songs: int) -> dict:
    """Make a song, which depends on its number only. Some numbers of every 60 are odd ones."""
    rng = Random(f"{seed} song {number}")
    song_id = f"SO{draw_letters(rng, 5)}12AB{number:07X}"
    if number % 60 == 1:
        twin = make_song(seed, number - 1, songs)
        return twin | {"song_id": song_id, "duration": round(twin["duration"] + 31.25, 5)}
    if number == 31:  # the one song_id that two files describe
        return make_song(seed, 30, songs) | {"title": make_title(rng), "year": 2012, "artist_location": ""}
    popular = number % 10 == 9
    artist_number = number // 10 % (songs // 100 + 5) if popular else number * 2 // 3
    artist_id, name, where = make_artist(seed, artist_number)
    if artist_number % 4 == 0:  # an artist of several spellings and places
        name = (name, name.upper(), f"{name} feat. {make_word(rng)}")[number % 3]
        where = make_home(rng)
    return {
        "artist_id": artist_id, "artist_latitude": where[1], "artist_location": where[0],
        "artist_longitude": where[2], "artist_name": name, "duration": draw_duration(rng),
        "num_songs": 1, "song_id": song_id, "title": distort_title(number, make_title(rng)),
        "year": 0 if rng.random() < 0.3 else 1960 + int(rng.random() * 51)}


def distort_title(number: int, text: str) -> str | int:
    return {2: 1984 + number // 60, 3: text + "  ", 4: text + " 雨の夜", 6: text + " 🎹",
            7: text + " à la Crème", 8: text.replace(" ", "\t"), 10: text.replace(" ", "\\"),
            11: text + " 朝"}.get(number % 60, text)


def write_songs(folder: Path, seed: int, songs: int) -> None:
    for number in range(songs):
        block = number // SONGS_PER_FOLDER
        path = [chr(65 + block // 26 ** power % 26) for power in (2, 0, 1)]
        target = folder.joinpath("song_data", *path)
        if number % SONGS_PER_FOLDER == 0:
            target.mkdir(parents=True, exist_ok=True)
        track = f"TR{''.join(path)}{draw_letters(Random(number), 2)}128F{number:07X}.json"
        text = encode(make_song(seed, number, songs), raw=number % 2 == 1)
        (target / track).write_bytes(text.encode())


def list_catalogue(seed: int, songs: int) -> list[Play]:
    """Return plays of the songs as the log spells them: numbers as text, no blanks at the end."""
    plays = []
    for number in range(min(songs, PLAYED_SONGS)):
        row = make_song(seed, number, songs)
        texts = [encode(str(row[key]).rstrip(), number % 2 == 1) for key in
                 ("artist_name", "title")]
        plays.append(Play(texts[0], row["duration"], texts[1]))
    return plays


def make_outsiders(rng: Random, count: int) -> list[Play]:
    """Make plays of songs outside the catalogue, which has no artist like "somebody & the others"."""
    plays = []
    for number in range(count):
        name, text = f"{make_word(rng)} & the {pick(rng, NOUNS)}s", make_title(rng)
        kind = number % 40
        text += {3: " Été", 4: " 海", 5: " 空", 6: " 🎹", 7: "\tC:\\"}.get(kind, "")
        if kind == 8:  # as in the real log: UTF-8 read as Latin-1, twice
            name = f"{name} Café".encode().decode("latin-1").encode().decode("latin-1")
        raw = number % 2 == 1
        plays.append(Play(encode(name, raw), draw_duration(rng), encode(text, raw)))
    return plays


class Traffic:
    """The sessions of users, several of which are open at any time."""

    def __init__(self, seed: int, events: int, songs: int, users: int):
        self.rng = Random(f"{seed} log")
        self.users = [User(self.rng, number) for number in range(users)]
        self.catalogue = list_catalogue(seed, songs)
        self.outsiders = make_outsiders(self.rng, min(max(200, events // 4), PLAYED_SONGS))
        self.silence = Play()
        self.live, self.busy = [], set()
        self.sessions = self.events = 0
        self.next_repeat = EVENTS_PER_REPEAT

    def event(self, ts: int, crowd: int) -> Event:
        """Return the event of this moment, from one of about `crowd` sessions."""
        while True:
            while len(self.live) < crowd:
                self.begin()
            place = int(self.rng.random() * len(self.live))
            session = self.live[place]
            user, number, item, pages = session
            step = next(pages, None)
            if step:
                break
            self.busy.discard(user)
            self.live[place] = self.live[-1]
            self.live.pop()
        session[2] += 1
        self.events += 1
        page, logged_in = step
        play = self.play() if page == "NextSong" else self.silence
        return Event(user, number, item, ts, page, logged_in, user.level, play)

    def begin(self) -> None:
        """Begin a session. Every user comes once; then some come more often than others."""
        user = self.users[self.sessions] if self.sessions < len(self.users) else None
        while user is None or user in self.busy:
            user = self.users[int(len(self.users) * self.rng.random() ** 2)]
        self.busy.add(user)
        pages = self.tour(user) if self.sessions % 60 == 0 else self.visit(user)
        self.sessions += 1
        self.live.append([user, self.sessions, 0, pages])

    def visit(self, user: User) -> Iterator[tuple[str, bool]]:
        """Yield the pages of a session, and whether the user is logged in."""
        rng = self.rng
        if rng.random() < 0.2:
            yield "Home", False
            if rng.random() < 0.3:
                return
            yield "Login", False
        for _ in range(1 + int(60 * rng.random() ** 4)):
            if rng.random() < 0.915:
                yield "NextSong", True
                continue
            for page in pick(rng, DETOURS):
                if page == "Change":
                    yield from self.change(user, rng.random() < 0.3)
                else:
                    yield page, True
        if rng.random() < 0.1:
            yield "Logout", True
            yield "Home", False

    def tour(self, user: User) -> Iterator[tuple[str, bool]]:
        """Yield every page, so that even a small log has them all."""
        yield "Home", False
        yield "Login", False
        for _ in range(2):
            yield "NextSong", True
            yield from self.change(user, True)
            yield "NextSong", True
        for page in ("Settings", "Save Settings", "Help", "About", "Error", "Home", "Logout"):
            yield page, True

    def change(self, user: User, done: bool) -> Iterator[tuple[str, bool]]:
        """Yield a change of the level. As in the real log, the submitting event has the old one."""
        verb, level = ("Upgrade", "paid") if user.level == "free" else ("Downgrade", "free")
        yield verb, True
        if done:
            yield f"Submit {verb}", True
            user.level = level

    def play(self) -> Play:
        roll = self.rng.random()
        if roll >= 0.16 or not self.catalogue:
            return self.outsiders[pick_rank(self.rng, len(self.outsiders))]
        play = self.catalogue[pick_rank(self.rng, len(self.catalogue))]
        if roll < 0.03:
            return play._replace(artist=pick(self.rng, self.outsiders).artist)
        if roll < 0.055:
            return play._replace(length=round(play.length + 4 * self.rng.random() - 2, 5))
        return play


def format_line(event: Event, location: str | None = None) -> str:
    """Format an event as JSON, without json.dumps, which takes three times as long."""
    user, session, item, ts, page, logged_in, level, (artist_name, length, song_title) = event
    method, status = PAGES[page]
    if not logged_in:
        return (f'{{"artist":null,"auth":"Logged Out","firstName":null,"gender":null,'
                f'"itemInSession":{item},"lastName":null,"length":null,"level":"{level}",'
                f'"location":null,"method":"{method}","page":"{page}","registration":null,'
                f'"sessionId":{session},"song":null,"status":{status},"ts":{ts},'
                f'"userAgent":null,"userId":""}}')
    return (f'{{"artist":{artist_name},"auth":"Logged In","firstName":{user.first_name},'
            f'"gender":"{user.gender}","itemInSession":{item},"lastName":{user.last_name},'
            f'"length":{length or "null"},"level":"{level}","location":{location or user.location},'
            f'"method":"{method}","page":"{page}","registration":{user.registration}.0,'
            f'"sessionId":{session},"song":{song_title},"status":{status},"ts":{ts},'
            f'"userAgent":{user.agent},"userId":"{user.user_id}"}}')


def draw_moments(rng: Random, events: int, files: int) -> Iterator[tuple[int, int, int]]:
    """Yield day, ts and the number of open sessions for every event in order of time."""
    days = [FIRST_DAY + timedelta(day) for day in range(files)]
    weights = [WEEKDAY_WEIGHTS[day.weekday()] * hourly for day in days for hourly in HOUR_WEIGHTS]
    before = 0
    for hour, weight in enumerate(itertools.accumulate(weights)):
        until = events * weight // sum(weights)
        count, before = until - before, until
        crowd = max(4, count * 240 // 3600)  # a listener does something every 240 seconds
        for number in range(count):
            if number == 0 or rng.random() > 0.01:  # else at the same instant as the event before
                second = hour * 3600 + int((number + rng.random()) * 3600 / count)
            yield hour // 24, FIRST_TS + second * 1000, crowd


def format_day(traffic: Traffic, day: Iterator, held: list[str]) -> Iterator[str]:
    """Yield the lines of one day's file, first those held from the day before. Hold new ones.

    Repeats alternate: the same line at once or on the next day, or another event of the same key.
    """
    yield from held
    held.clear()
    most = max(1, len(traffic.users) // 2)
    for _, ts, crowd in day:
        event = traffic.event(ts, min(crowd, most))
        text = format_line(event)
        yield text
        if event.page == "NextSong" and traffic.events >= traffic.next_repeat:
            kind = traffic.next_repeat // EVENTS_PER_REPEAT % 4
            traffic.next_repeat += EVENTS_PER_REPEAT
            repeat = format_line(event, encode("Nome, AK")) if kind in (0, 3) else text
            if kind in (1, 3):
                yield repeat
            else:
                held.append(repeat)


def write_log(folder: Path, traffic: Traffic, events: int, files: int) -> None:
    held: list[str] = []
    times = draw_moments(traffic.rng, events, files)
    for day, of_day in itertools.groupby(times, key=lambda moment: moment[0]):
        when = FIRST_DAY + timedelta(day)
        target = folder / "log_data" / f"{when:%Y}" / f"{when:%m}"
        target.mkdir(parents=True, exist_ok=True)
        lines = format_day(traffic, of_day, held)
        with open(target / f"{when}-events.json", "w", encoding="utf-8", newline="\n") as file:
            file.write(next(lines))
            file.writelines(f"\n{text}" for text in lines)
            if day == files - 1:
                file.writelines(f"\n{text}" for text in held)


def generate(folder: Path, events: int, songs: int, seed: int = 2018,
             files: int | None = None, users: int | None = None) -> None:
    """Write log_data/, log_json_path.json and song_data/ into the folder, and make it if necessary.

    `files` is the number of days, `users` that of listeners. Both depend on `events` if not given.
    """
    files = files or min(30, max(1, events // 50))
    users = users or min(20_000, max(20, events // 83))
    folder.mkdir(parents=True, exist_ok=True)
    paths = {"jsonpaths": [f"$['{key}']" for key in PATHS]}
    (folder / "log_json_path.json").write_bytes(json.dumps(paths, indent=4).encode())
    write_songs(folder, seed, songs)
    write_log(folder, Traffic(seed, events, songs, users), events, files)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a generated Sparkify data set.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder to write to")
    for name, default, what in (
        ("events", 3200, "events in the logs (default: 3200)"),
        ("songs", 250, "song files (default: 250)"),
        ("files", None, "log files, one per day (default: by the number of events)"),
        ("users", None, "listeners (default: by the number of events)"),
        ("seed", 2018, "seed of the random numbers (default: 2018)"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=what)
    generate(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
