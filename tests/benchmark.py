"""Measure the toolkit. Each figure is next to that of a floor or a peer, measured in turn with it.

    python tests/benchmark.py                     all comparisons, except with peers not installed
    python tests/benchmark.py copy night --runs 7

Data, warehouses and servers are made for the run, under TMPDIR, and removed after it. All comparisons
together take some 15 GB. No figure passes or fails: the table at the end is for people to read.
"""

import argparse
import importlib.util
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Callable, Iterator, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import generate
import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import AsIs
from support import processes
from support.databases import speaking_redshift
from support.project import Project
from support.s3 import S3_ENVIRONMENT

import etl
import sql_queries
from warehouse import config, history, ledger, objects
from warehouse.database import statements
from warehouse.database.statements import subject_of
from warehouse.standin.server import Server
from warehouse.tables import parse_columns

SONGS = 15_000  # about the size of the real catalogue
NIGHT_USERS = 100  # fewer than a warehouse has: a night's users are known everywhere
NIGHT_WAREHOUSE_USERS = 1_000  # in every warehouse, so what a night reads of them does not grow
DAY = 86_400_000  # milliseconds
HEADER = ("comparison", "measured", "median (min–max)", "against", "median (min–max)", "ratio")
PARTS = {"listing": ("list",), "COPY": ("copy",),
         "touch and match": ("keep", "touch", "span", "choose", "create", "match"),
         "delete": ("delete", "forget"), "inserts": ("insert", "update"), "analyze": ("analyze",)}
STATEMENT = re.compile(r"\S+ DEBUG +(.+) in ([0-9.]+) s$", re.MULTILINE)

# Serve S3 until stdin is closed, so that it never outlives the benchmark.
MOTO = """
import sys
from moto.server import ThreadedMotoServer
moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
print(*moto.get_host_and_port(), flush=True)
sys.stdin.read()
"""


class Run(NamedTuple):
    """One run of a script. Memory is the highest PSS seen, in MB, of the process and its children.

    wait4 would also count the benchmark itself, from which they are forked.
    """

    seconds: float
    memory: float
    log: str

    def seconds_by(self, group: Callable[[str], str]) -> dict[str, float]:
        """Return the seconds of a --verbose run by group of statements.

        "outside of it" is Python's start, the login, and the listing of files.
        """
        seconds = defaultdict(float, {"in the database": 0.0})
        for name, spent in STATEMENT.findall(self.log):
            seconds["in the database"] += float(spent)
            seconds[group(name)] += float(spent)
        seconds["outside of it"] = self.seconds - seconds["in the database"]
        return seconds


def part_of(statement: str) -> str:
    verb, _, subject = statement.partition(" ")
    if not subject:
        return "checks"
    return next((part for part, verbs in PARTS.items() if verb.lower() in verbs), "report")


def step_of(statement: str) -> str:
    """Return the same as part_of, but keep each COPY and each INSERT … SELECT apart."""
    return statement if part_of(statement) in ("COPY", "inserts") else part_of(statement)


class Warehouse(Project):
    """A project with a database of its own and hard links to a data set."""

    launch = staticmethod(processes.start)  # so that Python's start is measured as well

    def __init__(self, bench: "Bench", name: str, data: Path):
        folder = bench.folder / f"warehouse-{name}"
        folder.mkdir()
        super().__init__(folder, bench.server, name)
        bench.server.ensure_database(name)
        for kind in ("log_data", "song_data"):
            shutil.copytree(data / kind, folder / kind, copy_function=os.link, dirs_exist_ok=True)
        self.configure(LOG_JSONPATH=str(data / "log_json_path.json"))

    def measure(self, script: str, *arguments: str) -> Run:
        """Run a script, which must succeed."""
        samples = [0.0]
        started = time.perf_counter()
        process = self.start(script, *arguments)
        sampler = threading.Thread(target=sample_memory, args=(process.pid, samples))
        sampler.start()
        _, log = process.communicate()
        seconds = time.perf_counter() - started
        sampler.join()
        if process.returncode:
            raise SystemExit(f"{script} failed:\n{log}")
        return Run(seconds, max(samples), log)

    def load_first(self) -> Run:
        self.measure("create_tables.py")
        return self.load_again()

    def load_again(self) -> Run:
        return self.measure("etl.py", "--verbose")


def sample_memory(pid: int, samples: list[float]) -> None:
    while total := sum(map(read_pss, list_family(pid))):
        samples.append(total / 1e3)
        time.sleep(0.05)


def list_family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in text_of(children).split():
            yield from list_family(int(child))


def read_pss(pid: int) -> int:
    """Return the proportional set size of a process in kB, or 0 if it has ended."""
    found = re.search(r"^Pss: +(\d+)", text_of(Path(f"/proc/{pid}/smaps_rollup")), re.MULTILINE)
    return int(found[1]) if found else 0


def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


class Figures(NamedTuple):
    """What was measured, with one value per run, and the unit."""

    what: str
    values: list[float]
    unit: str = "s"

    def __str__(self) -> str:
        return format_spread(self.values, f" {self.unit}", 2 if self.unit == "s" else 0)

    def format_ratio(self, floor: "Figures") -> str:
        """Divide by the floor within each pair of runs."""
        ratios = [ours / theirs for ours, theirs in zip(self.values, floor.values, strict=True)
                  if theirs]
        return format_spread(ratios) if ratios else "–"


def format_spread(values: list[float], unit: str = "", digits: int = 2) -> str:
    """Return the median and the range of values."""
    middle, least, most = (f"{value:,.{digits}f}" for value in
                           (median(values), min(values), max(values)))
    return f"{middle}{unit}" + (f" ({least}–{most})" if len(values) > 1 else "")


class Bench:
    """Sizes, folders and servers of one benchmark, and its results."""

    def __init__(self, folder: Path, options: argparse.Namespace):
        self.folder = folder
        self.events = options.events
        self.loaded = options.loaded
        self.runs = options.runs
        self.quick = options.quick
        self.server = Server(folder / "standin")
        self.moto = None
        self.lines = [HEADER]

    def scale(self, count: int) -> int:
        return max(2, count // 50) if self.quick else count

    def add_line(self, name: str, ours: Figures, floor: Figures | None = None) -> None:
        """Add a line to the table, and print it at once."""
        against = (floor.what, str(floor), ours.format_ratio(floor)) if floor else ("", "", "")
        self.lines.append((name, ours.what, str(ours), *against))
        say("  ".join(filter(None, self.lines[-1])))

    def compare(self, name: str, what: str, runs: dict[str, list[Run]],
                value: Callable[[Run], float], unit: str = "s") -> None:
        """Add a line about the runs of two warehouses. The first is the floor."""
        floor, ours = (Figures(label, list(map(value, runs[label])), unit) for label in runs)
        self.add_line(name, ours._replace(what=f"{what}, {ours.what}"), floor)

    def compare_by(self, group: Callable, name: str, runs: dict[str, list[Run]]) -> None:
        """Add a line for each group of statements."""
        groups = [found for of_one in runs.values() for run in of_one
                  for found in run.seconds_by(group)]
        for found in dict.fromkeys(groups):
            self.compare(name, found, runs, lambda run, of=found: run.seconds_by(group)[of])

    def take_turns(self, **measures: Callable[[], object]) -> dict[str, list]:
        """Call the measures alternately, A B A B …, and return their results."""
        taken = defaultdict(list)
        for _ in range(self.runs):
            for what, measure in measures.items():
                taken[what].append(measure())
        return taken

    def make_data(self, events: int, songs: int, files: int | None = None,
                  users: int | None = None) -> Path:
        """Return the folder of a generated data set, which is made once."""
        folder = self.folder / f"data-{events}-{songs}-{files}-{users}"
        if not folder.exists():
            say(f"generating {events:,} events and {songs:,} songs")
            generate.generate(folder, events, songs, files=files, users=users)
        return folder

    @contextmanager
    def connecting(self, name: str) -> Iterator[psycopg2.extensions.connection]:
        """Yield a connection that speaks Redshift, to a database of that name."""
        self.server.ensure_database(name)
        with speaking_redshift(self.server, name) as connection:
            yield connection

    def make_bucket(self, name: str, folder: Path) -> str:
        """Upload a folder's files to an S3 in a process of its own. Return their s3:// URL."""
        if not self.moto:
            self.moto = subprocess.Popen([sys.executable, "-c", MOTO], cwd=self.folder, text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL)
            host, port = self.moto.stdout.readline().split()
            os.environ |= {**S3_ENVIRONMENT, "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}"}
        s3 = objects.s3()
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda path: s3.put_object(
                Bucket=name, Key=str(path.relative_to(folder)), Body=path.read_bytes()),
                files_under(folder)))
        return f"s3://{name}/"

    def settle(self, *databases: str) -> None:
        """Let the server do now what it would otherwise do during a measurement."""
        for name in databases or ("postgres",):
            with closing(psycopg2.connect(**self.server.connect_parameters(name))) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    if databases:
                        cursor.execute("VACUUM ANALYZE")
                    cursor.execute("CHECKPOINT")

    def close(self) -> None:
        if self.moto:
            self.moto.communicate()
        self.server.stop()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def files_under(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def measure_seconds(function: Callable, *arguments) -> float:
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def call_each(function: Callable, items: list) -> None:
    for item in items:
        function(item)


def time_copy(connection, table: str, source: str, jsonpath: str = "", max_errors: int = 0) -> float:
    """Return the seconds of one COPY with its COMMIT into a new table."""
    recreate(connection, table)
    values = {f"{table}_files": source, f"{table}_manifest": AsIs(""), "log_jsonpath": jsonpath,
              "iam_role": AsIs("default"), "region": "us-west-2", "maxerror": max_errors + 1,
              "noload": AsIs("")}
    return measure_seconds(commit, connection, getattr(sql_queries, f"{table}_copy"), values)


def recreate(connection, table: str) -> None:
    commit(connection, f"DROP TABLE IF EXISTS {table}")
    commit(connection, getattr(sql_queries, f"{table}_table_create"))


def commit(connection, *statement) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute(*statement)


# -------------------------------------------------------------------------------------- comparisons

def load(bench: Bench) -> None:
    """etl.py as a whole on a log four times as long, against etl.py on the log."""
    runs = bench.take_turns(**{
        f"{count:,} events": Warehouse(
            bench, f"load{count}", bench.make_data(count, bench.scale(SONGS))).load_first
        for count in (bench.events, 4 * bench.events)})
    bench.compare("load", "etl.py", runs, lambda run: run.seconds)
    bench.compare("load", "memory", runs, lambda run: run.memory, "MB")
    bench.compare_by(step_of, "load", runs)


def copy(bench: Bench) -> None:
    """COPY of a log, against json.loads of its lines and against psql's \\copy of the finished text."""
    data = bench.make_data(bench.events, bench.scale(SONGS))
    lines = [line for path in files_under(data / "log_data")
             for line in path.read_text().split("\n")]
    with bench.connecting("copy") as connection:
        our_copy = partial(time_copy, connection, "staging_events", f"{data}/log_data/",
                           f"{data}/log_json_path.json")
        our_copy()
        taken = bench.take_turns(
            copy=our_copy, loads=partial(measure_seconds, call_each, json.loads, lines),
            psql=partial(time_psql_copy, bench, connection, write_ready_text(bench, "copy")))
    ours = Figures(f"COPY staging_events, {bench.events:,} events", taken["copy"])
    bench.add_line("copy", ours, Figures("json.loads of each line, in memory", taken["loads"]))
    bench.add_line("copy", ours, Figures("psql \\copy of the finished text", taken["psql"]))


def read_copy_columns() -> str:
    return re.search(r"\(([^)]*)\)", sql_queries.staging_events_copy)[1]


def write_ready_text(bench: Bench, database: str) -> Path:
    """Write staging_events in PostgreSQL's own text format. Return the file."""
    path = bench.folder / "ready.txt"
    with closing(psycopg2.connect(**bench.server.connect_parameters(database))) as connection:
        with connection.cursor() as cursor, open(path, "wb") as file:
            cursor.copy_expert(
                f"COPY (SELECT {read_copy_columns()} FROM staging_events) TO STDOUT", file)
    return path


def time_psql_copy(bench: Bench, connection, text: Path) -> float:
    recreate(connection, "staging_events")
    login = bench.server.connect_parameters("copy")
    columns = " ".join(read_copy_columns().split())
    psql = bench.server.binaries().folder / "psql"
    return measure_seconds(partial(subprocess.run, check=True), [
        psql, "-qX", "-h", login["host"], "-p", str(login["port"]), "-U", login["user"],
        "-d", login["dbname"], "-c", f"\\copy staging_events ({columns}) FROM '{text}'"])


def night(bench: Bench) -> None:
    """A night's load into a large warehouse, against the same night into a small one.

    In addition to seconds and blocks of all tables, it counts the blocks of songplays and time that each
    statement reads, against those of the touched span.
    """
    warehouses = {f"{count:,} events loaded": Warehouse(
        bench, f"night{count}", bench.make_data(count, bench.scale(SONGS), users=NIGHT_WAREHOUSE_USERS))
        for count in map(bench.scale, bench.loaded)}
    for warehouse in warehouses.values():
        warehouse.load_first()
    numbers = itertools.count()
    for _ in range(2):  # empty staging, so that VACUUM can shorten it
        link_files(warehouses, write_night(bench, next(numbers), bench.scale(500)))
        for warehouse in warehouses.values():
            warehouse.load_again()
        bench.settle(*(warehouse.database for warehouse in warehouses.values()))
    for kind, write in NIGHTS.items():
        compare_nights(bench, warehouses, kind, lambda write=write: write(bench, next(numbers)))
    runs = bench.take_turns(**{what: one.load_again for what, one in warehouses.items()})
    compare_with_the_first(bench, "nothing new", "etl.py", runs, lambda run: run.seconds)


def compare_nights(bench: Bench, warehouses: dict[str, "Warehouse"], kind: str,
                   write: Callable[[], Path]) -> None:
    taken = defaultdict(list)
    for _ in range(bench.runs):
        link_files(warehouses, write())
        for what, warehouse in warehouses.items():
            taken[what].append(warehouse.load_again())
    compare_with_the_first(bench, kind, "etl.py", taken, lambda run: run.seconds)
    compare_with_the_first(bench, kind, "in the database", taken,
                           lambda run: run.seconds_by(part_of)["in the database"])
    link_files(warehouses, write())
    counted = {what: [CountedLoad(warehouse)] for what, warehouse in warehouses.items()}
    compare_with_the_first(bench, kind, "all", counted, lambda one: one.blocks, "blocks")
    for statement, blocks, span in counted[what][0].list_reads():  # of the last warehouse, the largest
        bench.add_line("night", Figures(f"{kind}: {statement}, {what}", [blocks], "blocks"),
                       Figures("the span", [span], "blocks") if span else None)


def compare_with_the_first(bench: Bench, kind: str, what: str, runs: dict[str, list],
                           value: Callable, unit: str = "s") -> None:
    floor, *others = runs
    for other in others:
        bench.compare("night", f"{kind}: {what}", {floor: runs[floor], other: runs[other]}, value, unit)


class CountedLoad:
    """A load in this process that counts the blocks fetched by each statement."""

    def __init__(self, warehouse: Warehouse):
        self.warehouse = warehouse
        self.taken: list[tuple[str, dict[str, int]]] = []
        self.values: dict[str, object] = {}
        self.rows: dict[str, int] = {}
        warehouse.write_config()
        run = statements.execute
        os.environ["SPARKIFY_STANDIN"] = str(warehouse.server.folder)
        for module in (statements, history, ledger):
            module.execute = partial(self.execute, run)
        try:
            etl.run(config.read(warehouse.config), etl.make_parser().parse_args([]))
        finally:
            for module in (statements, history, ledger):
                module.execute = run

    def execute(self, run: Callable, cursor, sql: str, values: dict) -> object:
        before = count_blocks_fetched(cursor)
        done = run(cursor, sql, values)
        after = count_blocks_fetched(cursor)
        self.taken.append((statements.name_of(sql), {
            name: after[name] - before[name] for name in after}))
        self.rows[statements.name_of(sql)] = done.rows
        self.values = values if "first_play" in values or "first_changed" in values else self.values
        return done

    @property
    def blocks(self) -> int:
        return sum(taken["all"] for _, taken in self.taken)

    def list_reads(self) -> Iterator[tuple[str, int, int]]:
        """Yield each statement that fetched blocks of songplays or time, with their number.

        The third value is the number of blocks that hold the plays of its span, 0 if it has no span.
        """
        spans = {name: self.count_blocks_of_span(name) for name in ("play", "changed")}
        about = {statements.name_of(sql): span for sql in vars(sql_queries).values()
                 if isinstance(sql, str) for span in spans if f"%(first_{span})s" in sql}
        about["insert songplays"] = "play"
        for name, taken in self.taken:
            if blocks := taken["songplays"] + taken["time"]:
                yield name, blocks, spans.get(about.get(name), 0)

    def count_blocks_of_span(self, name: str) -> int:
        first, last = (self.values.get(f"{end}_{name}") for end in ("first", "last"))
        if not first:
            return 0
        return self.warehouse.query(
            "SELECT SUM(blocks)::int FROM ("
            + " UNION ALL ".join(
                f"SELECT COUNT(DISTINCT (ctid::text::point)[0]) AS blocks FROM {table}"
                f" WHERE start_time BETWEEN '{first}' AND '{last}'" for table in ("songplays", "time"))
            + ") AS spans")[0][0]


def count_blocks_fetched(cursor) -> dict[str, int]:
    """Return the blocks that this transaction has fetched so far: of songplays, of time, and of all."""
    with closing(extensions.cursor(cursor.connection)) as behind:
        behind.execute(
            "SELECT pg_stat_get_xact_blocks_fetched('songplays'::regclass),"
            " pg_stat_get_xact_blocks_fetched('time'::regclass),"
            " (SELECT SUM(pg_stat_get_xact_blocks_fetched(oid))::bigint FROM pg_class)")
        return dict(zip(("songplays", "time", "all"), behind.fetchone(), strict=True))


def link_files(warehouses: dict[str, Warehouse], files: Path) -> None:
    """Link the files of a folder into the data of every warehouse."""
    for warehouse in warehouses.values():
        shutil.copytree(files, warehouse.folder, copy_function=os.link, dirs_exist_ok=True)


def write_night(bench: Bench, number: int, events: int, straggler: bool = False) -> Path:
    """Write a log later than all others, of users and songs that every warehouse knows."""
    traffic = generate.Traffic(3000 + number, events, 0, NIGHT_USERS)
    traffic.catalogue = generate.list_catalogue(2018, bench.scale(SONGS))
    folder = bench.folder / f"night-{number}"
    generate.write_log(folder, traffic, events, 1)
    [path] = files_under(folder)
    later = (60 + number) * DAY
    text = re.sub(r'(?<="ts":)\d+', lambda ts: str(int(ts[0]) + later), path.read_text())
    if straggler:
        line = next(line for line in text.split("\n") if "NextSong" in line)
        text += "\n" + re.sub(r'(?<="ts":)\d+', str(generate.FIRST_TS), line)
    path.write_text(text)
    path.rename(path.with_name(f"night-{number}.json"))
    return folder


def write_late_songs(bench: Bench, number: int) -> Path:
    """Write ten song files: songs already loaded, under new ids that sort before all others."""
    folder = bench.folder / f"night-{number}"
    generate.generate(folder, 1, 10, seed=2018, files=1)
    shutil.rmtree(folder / "log_data")
    os.remove(folder / "log_json_path.json")
    for path in files_under(folder):
        path.write_text(path.read_text().replace('"song_id":"SO', f'"song_id":"LATE{999 - number}'))
        path.rename(path.with_name(f"late-{number}-{path.name}"))
    return folder


NIGHTS = {
    "500 events": lambda bench, number: write_night(bench, number, bench.scale(500)),
    "5,000 events": lambda bench, number: write_night(bench, number, bench.scale(5_000)),
    "50,000 events": lambda bench, number: write_night(bench, number, bench.scale(50_000)),
    "10 late songs": write_late_songs,
    "500 events and one of the first day": lambda bench, number: write_night(
        bench, number, bench.scale(500), straggler=True),
}


def dead(bench: Bench) -> None:
    """Five nights after a first load, without VACUUM: the cost of dead rows."""
    count = bench.scale(1_000_000)
    warehouse = Warehouse(
        bench, "dead", bench.make_data(count, bench.scale(SONGS), users=NIGHT_WAREHOUSE_USERS))
    warehouse.load_first()
    for number in range(100, 105):
        link_files({"": warehouse}, write_night(bench, number, bench.scale(500)))
        run = warehouse.load_again()
        bench.add_line("dead", Figures(f"night {number - 99} of 500 events, {count:,} loaded",
                                       [run.seconds]))


def make_arrivals(bench: Bench, warehouses: dict[str, Warehouse], files: list[Path],
                  folder: str) -> dict[str, Callable[[], Run]]:
    """Load the warehouses and let them settle. Return functions that load one more file per call."""
    for warehouse in warehouses.values():
        warehouse.load_first()
    bench.settle(*(warehouse.database for warehouse in warehouses.values()))

    def arrive_and_load(warehouse: Warehouse, waiting: Iterator[tuple[int, Path]]) -> Run:
        number, path = next(waiting)
        os.link(path, warehouse.folder / folder / f"new-{number}.json")
        return warehouse.load_again()

    return {what: partial(arrive_and_load, warehouse, enumerate(files))
            for what, warehouse in warehouses.items()}


def songs(bench: Bench) -> None:
    """One new song file in a warehouse of very many, against one with a hundredth of them."""
    warehouses = {
        f"{count:,} song files loaded": Warehouse(bench, f"songs{count}", bench.make_data(100, count))
        for count in (bench.scale(1_000), bench.scale(100_000))}
    late = files_under(bench.make_data(1, bench.runs + 2, files=1) / "song_data")
    for path in late:  # as generated, their ids are those of loaded songs
        path.write_text(path.read_text().replace('"song_id":"SO', '"song_id":"LATE'))
    runs = bench.take_turns(**make_arrivals(bench, warehouses, late, "song_data"))
    bench.compare("songs", "etl.py, one new file", runs, lambda run: run.seconds)
    bench.compare("songs", "memory", runs, lambda run: run.memory, "MB")


def files(bench: Bench) -> None:
    """COPY of very many small files from a folder and from S3, against reading them one by one."""
    with bench.connecting("files") as connection:
        count = bench.scale(100_000)
        folder = bench.make_data(100, count) / "song_data"
        taken = bench.take_turns(
            copy=partial(time_copy, connection, "staging_songs", f"{folder}/"),
            read=partial(measure_seconds, call_each, Path.read_text, files_under(folder)))
        bench.add_line("files", Figures(f"COPY of {count:,} files in a folder", taken["copy"]),
                       Figures("reading each", taken["read"]))
        count = bench.scale(10_000)
        url = bench.make_bucket("files", bench.make_data(100, count) / "song_data")
        keys = [objects.split_s3(found.url)[1] for found in objects.list_objects(url)]
        get = partial(objects.s3().get_object, Bucket="files")
        taken = bench.take_turns(
            copy=partial(time_copy, connection, "staging_songs", url),
            get=partial(measure_seconds, call_each, lambda key: get(Key=key)["Body"].read(), keys))
        bench.add_line("files", Figures(f"COPY of {count:,} objects in S3 (moto)", taken["copy"]),
                       Figures("get_object of each", taken["get"]))


def memory(bench: Bench) -> None:
    """Peak memory of etl.py on longer and longer logs. It hardly varies, so one run each."""
    floor = None
    for times, files_ in ((1, None), (10, None), (22, 1)):
        count = times * bench.events
        data = bench.make_data(count, bench.scale(SONGS), files_)
        size = sum(path.stat().st_size for path in files_under(data / "log_data")) / 1e6
        warehouse = Warehouse(bench, f"memory{times}", data)
        what = f"memory of etl.py, {size:,.0f} MB{' in one file' if files_ else ''}"
        figures = Figures(what, [warehouse.load_first().memory], "MB")
        bench.add_line("memory", figures, floor)
        floor = floor or figures


def errors(bench: Bench) -> None:
    """COPY with MAXERROR of a log with bad rows, against the same COPY of the clean log."""
    data = bench.make_data(bench.events, bench.scale(SONGS))
    jsonpath = f"{data}/log_json_path.json"
    sources = {count: spoil(bench, data / "log_data", count)
               for count in (0, bench.scale(10), bench.scale(1000))}
    with bench.connecting("errors") as connection:
        taken = bench.take_turns(**{str(count): partial(
            time_copy, connection, "staging_events", f"{source}/", jsonpath, 2000)
            for count, source in sources.items()})
    clean = Figures("no bad row", taken["0"])
    for count in list(sources)[1:]:
        what = f"COPY MAXERROR 2001, {count:,} of {bench.events:,} rows bad"
        bench.add_line("errors", Figures(what, taken[str(count)]), clean)


def spoil(bench: Bench, log: Path, count: int) -> Path:
    """Copy a log and spoil some lines, evenly spread, in three ways. Return the folder."""
    if not count:
        return log
    folder = bench.folder / f"bad-{count}"
    folder.mkdir()
    step, number = bench.events // count, 0
    for path in files_under(log):
        lines = path.read_text().split("\n")
        for place, line in enumerate(lines):
            number += 1
            if number % step == 0 and number <= step * count:
                lines[place] = (line[:-9], line.replace('"ts":', '"ts":"soon","was":'),
                                line.replace('"status":', '"status":99999999999,"was":'))[
                                    number // step % 3]
        (folder / path.name).write_text("\n".join(lines))
    return folder


def million(bench: Bench) -> None:
    """create_tables.py and etl.py on a million events, step by step, without a floor."""
    count, songs_ = bench.scale(1_000_000), bench.scale(SONGS)
    warehouse = Warehouse(bench, "million", bench.make_data(count, songs_))
    runs = bench.take_turns(**{"create_tables.py": partial(warehouse.measure, "create_tables.py"),
                               "etl.py": warehouse.load_again})
    for script, of_script in runs.items():
        bench.add_line("million", Figures(f"{script}, {count:,} events, {songs_:,} song files",
                                          [run.seconds for run in of_script]))
    steps = [run.seconds_by(step_of) for run in runs["etl.py"]]
    for step in steps[0]:
        bench.add_line("million", Figures(step, [seconds[step] for seconds in steps]))


def star(bench: Bench) -> None:
    """create_tables.py and etl.py on a million events, against DuckDB.

    DuckDB makes the same five tables from the same files, in memory and without checks.
    """
    if not importlib.util.find_spec("duckdb"):
        say("star: skipped, duckdb is not installed")
        return
    data = bench.make_data(bench.scale(1_000_000), bench.scale(SONGS))
    warehouse = Warehouse(bench, "star", data)
    warehouse.measure("create_tables.py")
    taken = defaultdict(list)
    for _ in range(bench.runs):
        taken["ours"].append(warehouse.load_first())
        taken["duckdb"].append(measure_seconds(build_star_in_duckdb, data))
    ours = [run.seconds for run in taken["ours"]]
    bench.add_line("star", Figures("etl.py, first load", ours),
                   Figures("DuckDB, the same tables", taken["duckdb"]))
    steps = [run.seconds_by(str) for run in taken["ours"]]
    for step in steps[0]:
        if median(seconds[step] for seconds in steps) >= 0.1:
            bench.add_line("star", Figures(step, [seconds[step] for seconds in steps]))


def build_star_in_duckdb(data: Path) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {os.cpu_count()}")
        for table, folder, create in (
            ("staging_events", "log_data", sql_queries.staging_events_table_create),
            ("staging_songs", "song_data", sql_queries.staging_songs_table_create),
        ):
            keys = {key.lower(): key for key in generate.PATHS}
            columns = {keys.get(name, name): "VARCHAR" if name == "userid" else kind
                       for name, kind in parse_columns(create).items()}
            connection.execute(
                f"CREATE TABLE {table} AS SELECT * FROM read_json('{data}/{folder}/**/*.json',"
                f" format = 'newline_delimited', columns = {columns})")
        for statement in STAR_IN_DUCKDB.split(";"):
            connection.execute(statement)


STAR_IN_DUCKDB = """
CREATE TABLE catalogue AS
SELECT * FROM staging_songs QUALIFY ROW_NUMBER() OVER (PARTITION BY song_id ORDER BY title, artist_id,
    artist_name, duration, year, artist_location, artist_latitude, artist_longitude) = 1;
CREATE TABLE songs AS
SELECT song_id, title, artist_id, NULLIF(year, 0) AS year, duration FROM catalogue;
CREATE TABLE artists AS
SELECT artist_id, artist_name, NULLIF(artist_location, '') AS location, artist_latitude, artist_longitude
FROM catalogue QUALIFY ROW_NUMBER() OVER (PARTITION BY artist_id ORDER BY
    COALESCE(artist_location, '') = '', artist_latitude IS NULL OR artist_longitude IS NULL,
    COALESCE(year, 0) DESC, song_id) = 1;
CREATE TABLE users AS
SELECT TRY_CAST(userid AS BIGINT) AS user_id, firstname, lastname, gender, level
FROM staging_events WHERE TRY_CAST(userid AS BIGINT) IS NOT NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts DESC, iteminsession DESC, sessionid DESC,
    level, firstname, lastname, gender) = 1;
CREATE TABLE songplays AS
WITH plays AS (
    SELECT MD5(COALESCE(userid, '') || '|' || sessionid || '|' || iteminsession || '|' || ts)
        AS songplay_id, EPOCH_MS(ts) AS start_time, TRY_CAST(userid AS BIGINT) AS user_id, level,
        sessionid, location, NULLIF(RTRIM(REGEXP_REPLACE(useragent, '^"(.*)"$', '\\1')), '') AS agent,
        song, artist, length
    FROM staging_events WHERE page = 'NextSong'
    QUALIFY ROW_NUMBER() OVER (PARTITION BY userid, sessionid, iteminsession, ts
        ORDER BY song, artist, length, level, location, agent) = 1
), matches AS (
    SELECT played.*, song_id, artist_id
    FROM (SELECT DISTINCT song, artist, length FROM plays) AS played
    JOIN catalogue ON title = song AND artist_name = artist
    QUALIFY ROW_NUMBER() OVER (PARTITION BY song, artist, length
        ORDER BY ABS(duration - length), song_id) = 1
), names AS (
    SELECT artist_name, MIN(artist_id) AS artist_id FROM catalogue GROUP BY artist_name
    HAVING MIN(artist_id) = MAX(artist_id)
)
SELECT songplay_id, start_time, user_id, level, song_id,
    COALESCE(matches.artist_id, names.artist_id) AS artist_id, sessionid, location, agent,
    plays.song, plays.artist, plays.length
FROM plays
LEFT JOIN matches ON matches.song = plays.song AND matches.artist = plays.artist
    AND matches.length IS NOT DISTINCT FROM plays.length
LEFT JOIN names ON names.artist_name = plays.artist
ORDER BY start_time;
CREATE TABLE time AS
SELECT start_time, HOUR(start_time), DAY(start_time), WEEK(start_time), MONTH(start_time),
    YEAR(start_time), DAYOFWEEK(start_time)
FROM (SELECT DISTINCT start_time FROM songplays) ORDER BY start_time
"""


def corrected(bench: Bench) -> None:
    """One corrected song file after a million events from S3: requests, and rows written."""
    data = bench.make_data(bench.scale(1_000_000), bench.scale(SONGS))
    warehouse = Warehouse(bench, "corrected", data)
    url = bench.make_bucket("corrected", data)
    warehouse.environment |= {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
    warehouse.configure(LOG_DATA=f"{url}log_data/", SONG_DATA=f"{url}song_data/", REGION="us-west-2")
    warehouse.load_first()
    song = next(file for file in files_under(data / "song_data") if is_played(warehouse, file))
    key = str(song.relative_to(data))
    title = json.loads(song.read_text())["title"]
    objects.s3().put_object(Bucket="corrected", Key=key, Body=song.read_text().replace(
        json.dumps(title, ensure_ascii=False), json.dumps(f"{title} (corrected)")).encode())
    requests: list[str] = []
    objects.s3().meta.events.register("before-call.s3", lambda model, params, **_: requests.append(
        f"{model.name} of {'logs' if 'log_data/' in params['url_path'] else 'the rest'}"))
    started = time.perf_counter()
    load = CountedLoad(warehouse)
    bench.add_line("corrected", Figures("etl.py, one corrected song file", [time.perf_counter() - started]))
    bench.add_line("corrected", Figures("rows of songplays written", [load.rows["update songplays"]], "rows"))
    for kind, count in sorted(Counter(requests).items()):
        bench.add_line("corrected", Figures(f"S3 {kind}", [count], "requests"))


def is_played(warehouse: Warehouse, song: Path) -> bool:
    song_id = json.loads(song.read_text())["song_id"]
    return warehouse.query(f"SELECT 1 FROM songplays WHERE song_id = '{song_id}' LIMIT 1") != []


def signals(bench: Bench) -> None:
    """From SIGTERM to the end of etl.py, during a COPY and during a long INSERT, without a floor."""
    warehouse = Warehouse(bench, "signals", bench.make_data(bench.events, bench.scale(SONGS)))
    warehouse.measure("create_tables.py")
    chance = Random(15)
    for what, statement in (("COPY", "COPY%staging_events%FROM STDIN%"),
                            ("INSERT", "%INSERT INTO songplays%")):
        ends = [time_interruption(warehouse, statement, chance.uniform(0, bench.events / 400_000))
                for _ in range(bench.runs)]
        what = f"SIGTERM to exit during {what}, {bench.events:,} events"
        bench.add_line("signals", Figures(what, ends))


def time_interruption(warehouse: Warehouse, statement: str, later: float) -> float:
    """Send SIGTERM to a load some seconds after a statement has begun. Return the seconds to its end.

    If a load ends before the statement is seen, start another.
    """
    process = warehouse.start("etl.py", "--full")
    while not warehouse.query(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
            f" AND pid <> pg_backend_pid() AND query LIKE '{statement}'"):
        time.sleep(0.001)
        if process.poll() is not None:
            process.communicate()
            process = warehouse.start("etl.py", "--full")
    time.sleep(later)
    started = time.perf_counter()
    process.terminate()
    _, log = process.communicate()
    if process.returncode != 128 + signal.SIGTERM:
        raise SystemExit(f"etl.py was not interrupted:\n{log}")
    return time.perf_counter() - started


def views(bench: Bench) -> None:
    """Each view of a million plays, whole, with the steps of its plan, without a floor."""
    events = bench.scale(1_180_000)  # 85 in 100 are plays
    warehouse = Warehouse(bench, "views", bench.make_data(events, bench.scale(SONGS)))
    warehouse.load_first()
    bench.settle("views")
    with bench.connecting("views") as connection, connection.cursor() as cursor:
        for sql in sql_queries.create_view_queries:
            view = subject_of(sql)
            seconds = [measure_seconds(fetch_all, cursor, view) for _ in range(bench.runs)]
            cursor.execute(f"SELECT SUM(plays), COUNT(*) FROM {view}")
            plays, rows = cursor.fetchone()
            cursor.execute(f"EXPLAIN SELECT * FROM {view}")
            steps = re.findall(r"([A-Z][A-Za-z ]+?)(?: on .*| using .*)?  \(cost",
                               "\n".join(line for line, in cursor.fetchall()))
            bench.add_line("views", Figures(f"{view}, {plays:,} plays: {rows:,} rows", seconds))
            say("    " + " < ".join(steps))


def fetch_all(cursor, view: str) -> None:
    cursor.execute(f"SELECT * FROM {view}")
    cursor.fetchall()


def peers(bench: Bench) -> None:
    """COPY of a log from S3, against rs-mock's COPY and against DuckDB reading the files."""
    present = [name for name in ("rs_mock", "duckdb") if importlib.util.find_spec(name)]
    if not present:
        say("peers: skipped, neither rs-mock nor duckdb is installed")
        return
    data = bench.make_data(bench.events, bench.scale(SONGS))
    url = bench.make_bucket("peers", data / "log_data")
    with bench.connecting("peers") as connection:
        taken = bench.take_turns(
            copy=partial(time_copy, connection, "staging_events", url, f"{data}/log_json_path.json"),
            **{name: partial(PEERS[name], url, data / "log_data") for name in present})
    ours = Figures(f"COPY of {bench.events:,} events in S3 (moto)", taken["copy"])
    for name in present:  # the table shows the docstrings of both functions
        bench.add_line("peers", ours, Figures(PEERS[name].__doc__, taken[name]))


def list_peer_columns() -> list[tuple[str, str]]:
    """Return the columns of staging_events with userid as text: for both peers "" is no integer."""
    found = parse_columns(sql_queries.staging_events_table_create)
    return [(name, "VARCHAR" if name == "userid" else kind) for name, kind in found.items()]


def time_rs_mock(url: str, log: Path) -> float:
    """rs-mock, COPY from the same S3"""
    from rs_mock import RedshiftMock

    redshift = RedshiftMock()
    columns = ", ".join(map(" ".join, list_peer_columns()))
    redshift.execute(f"CREATE TABLE staging_events ({columns})")
    return measure_seconds(redshift.execute, f"COPY staging_events FROM '{url}'"
                           " IAM_ROLE 'arn:aws:iam::1:role/r' JSON 'auto'")


def time_duckdb(url: str, log: Path) -> float:
    """DuckDB, read_json of the files"""
    import duckdb

    columns = {key: kind for key, (_, kind) in zip(generate.PATHS, list_peer_columns(), strict=True)}
    read = f"read_json('{log}/**/*.json', format = 'newline_delimited', columns = {columns})"
    with duckdb.connect() as connection:
        return measure_seconds(connection.execute, f"CREATE TABLE events AS SELECT * FROM {read}")


PEERS = {"rs_mock": time_rs_mock, "duckdb": time_duckdb}
COMPARISONS = {function.__name__: function for function in (
    load, copy, night, dead, songs, files, memory, errors, million, star, corrected, views,
    signals, peers)}


# ---------------------------------------------------------------------------------------------- run

def format_markdown(lines: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the toolkit next to floors and peers.",
                                     epilog="names: " + ", ".join(COMPARISONS))
    parser.add_argument("names", nargs="*", metavar="NAME", help="comparison to run (default: all)")
    parser.add_argument("--events", type=int, metavar="N", help="events in the log (default: 200000)")
    parser.add_argument("--loaded", type=int, nargs="+", metavar="N", default=[10_000, 1_000_000],
                        help="events loaded before a night (default: 10000 1000000)")
    parser.add_argument("--runs", type=int, metavar="N", help="runs of each comparison (default: 5)")
    parser.add_argument("--quick", action="store_true", help="divide every size by 50, and run once")
    options = parser.parse_args()
    if unknown := set(options.names) - set(COMPARISONS):
        parser.error(f"no such comparison: {', '.join(sorted(unknown))}")
    options.events = options.events or (4_000 if options.quick else 200_000)
    options.runs = options.runs or (1 if options.quick else 5)
    return options


def main() -> None:
    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleaned up
    # mkdtemp closes the folder to others, but if root runs this, the server runs as another account.
    with tempfile.TemporaryDirectory(prefix="sparkify-benchmark-") as folder:
        os.chmod(folder, 0o711)
        bench = Bench(Path(folder), options)
        try:
            bench.server.start()
            for name in options.names or COMPARISONS:
                bench.settle()
                COMPARISONS[name](bench)
        finally:
            bench.close()
            print(f"{bench.runs} runs each on {os.cpu_count()} cores\n")
            print(format_markdown(bench.lines))


if __name__ == "__main__":
    main()
