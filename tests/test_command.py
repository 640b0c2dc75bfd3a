"""The shell of both scripts: help, usage, quiet and verbose, the log, progress, the summary."""

import os
import pty
import re
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from generate import generate
from support import ROOT
from support.documents import event, song
from support.project import Project
from support.runs import expect_refusal
from support.sessions import execute

import warehouse as package
from warehouse import console, preview, progress
from warehouse.database.statements import name_of
from warehouse.objects import Object
from warehouse.plan import Plan, Source

SCRIPTS = ("create_tables.py", "etl.py")
LOG_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (DEBUG  |INFO   |WARNING|ERROR  ) \S.*")

both_scripts = pytest.mark.parametrize("script", SCRIPTS)


def call(script: str, *arguments: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Run a script from another folder, in 80 columns, with nothing but arguments."""
    return subprocess.run(
        [sys.executable, *python, ROOT / script, *arguments], cwd="/", text=True, capture_output=True,
        env={"PATH": os.environ["PATH"], "COLUMNS": "80"},
    )


@pytest.fixture
def ready(warehouse):
    """A warehouse with files that are not loaded yet."""
    warehouse.write("log_data/1.json", [event(1), event(2)])
    warehouse.write("song_data/1.json", song())
    return warehouse


# ------------------------------------------------------------------------------------ arguments

@both_scripts
def test_help_fits_a_terminal_of_80_columns(script):
    done = call(script, "--help")
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []


@both_scripts
def test_help_lists_the_shared_options_and_every_exit_status(script):
    said = call(script, "--help").stdout
    for option in ("--config FILE", "--quiet", "--verbose", "--help", "--version", "--force"):
        assert option in said
    for status in ("0  ", "1  ", "2  ", "3  ", "75  ", "130, 143"):
        assert f"\n  {status}" in said


@both_scripts
def test_version(script):
    assert call(script, "--version").stdout == f"{script} {package.__version__}\n"


@both_scripts
@pytest.mark.parametrize("arguments", [
    ("--nonsense",), ("extra",), ("--config",), ("--quiet", "--verbose"), ("--fo",), ("--verb",),
])
def test_wrong_usage_exits_2_with_the_usage_on_stderr(script, arguments):
    done = call(script, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"usage: {script}")
    assert "Traceback" not in done.stderr


def test_options_of_etl_that_exclude_each_other():
    done = call("etl.py", "--status", "--dry-run", "--config", "/nowhere")
    assert done.returncode == 2
    assert "not allowed with" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--check",), ("--dry-run",)],
                         ids=["load", "check", "dry-run"])
def test_max_age_goes_with_status_only(arguments):
    done = call("etl.py", "--max-age", "36", "--config", "/nowhere", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: etl.py")
    assert "--max-age needs --status" in done.stderr


@pytest.mark.parametrize("hours", ["0", "-1", "1.5", "day", "", "100000", "9" * 5000])
def test_max_age_is_a_whole_number_of_hours(hours):
    done = call("etl.py", "--status", f"--max-age={hours}", "--config", "/nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not a whole number from 1 to 99,999" in done.stderr


@both_scripts
def test_help_imports_no_boto3(script):
    done = call(script, "--help", python=("-X", "importtime"))
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "psycopg2" in imported  # so the list of imports is there
    assert not imported & {"boto3", "botocore", "moto"}


def copy_scripts(folder):
    """Copy the scripts and their package into a folder."""
    for name in (*SCRIPTS, "sql_queries.py"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "warehouse", folder / "warehouse",
                    ignore=shutil.ignore_patterns("__pycache__"))


@both_scripts
def test_dwh_cfg_is_read_beside_the_script_and_not_in_the_working_folder(ready, tmp_path, script):
    ready.write_config()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    copy_scripts(elsewhere)
    environment = ready.process_environment | {"PYTHONDONTWRITEBYTECODE": "1"}

    def run():
        return subprocess.run([sys.executable, "elsewhere/" + script], cwd=tmp_path, text=True,
                              capture_output=True, env=environment)

    missing = run()  # although the working folder has a dwh.cfg
    assert missing.returncode == 2
    assert f"{elsewhere / 'dwh.cfg'}: there is no such file" in missing.stderr
    for name in ("log_data", "song_data", "dwh.cfg"):
        (tmp_path / name).rename(elsewhere / name)  # whose paths are relative to the file
    done = run()
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------- quiet and verbose

def test_quiet_and_success_print_nothing_at_all(project):
    project.write("log_data/1.json", [event(1)])
    project.write("song_data/1.json", song())
    for script in (*SCRIPTS, "etl.py"):  # the last finds nothing new
        done = project.run(script, "--quiet")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@both_scripts
def test_quiet_and_failure_print_the_error_alone(project, script):
    project.configure(HOST="127.0.0.1", DB_PORT="1", DB_USER="analyst", CONNECT_TIMEOUT="1",
                      RETRIES="0")
    said = expect_refusal(project, 1, "cannot connect", script=script, arguments=("--quiet",),
                          rolled_back=False)
    assert len(said.splitlines()) == 1


def test_the_log_goes_to_stderr_in_utc_and_the_summary_to_stdout(ready):
    ready.environment = {"TZ": "Asia/Tokyo"}
    done = ready.load()
    lines = [LOG_LINE.fullmatch(line) for line in done.stderr.splitlines()]
    assert lines and all(lines), done.stderr
    for line in lines:
        written = datetime.strptime(line[1], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        assert abs(datetime.now(timezone.utc) - written) < timedelta(minutes=2)
    summary = [line.split() for line in done.stdout.splitlines()]
    assert summary[0] == ["table", "files", "rows", "seconds"]
    assert [cells[0] for cells in summary[1:]] == [
        "staging_events", "staging_songs", "artists", "songs", "songplays", "users", "time", "total"]
    assert summary[1][:3] == ["staging_events", "1", "2"]
    assert len({len(line) for line in done.stdout.splitlines()}) == 1


def test_verbose_shows_every_statement_of_a_load(ready):
    said = ready.load("--verbose").stderr
    plan = Plan(*(Source(table, new=[Object("a file", 1, "")])
                  for table in ("staging_events", "staging_songs")))
    after_the_lock = preview.list_statements(plan)[2:]
    ran = [sql for sql in after_the_lock if "%(first_changed)s" not in sql]  # no earlier plays changed
    assert len(ran) == len(after_the_lock) - 2
    for sql in ran:
        assert (sql.partition("\n")[2] or sql).strip() in said
    names = list(map(name_of, ran))
    logged = re.findall(r" DEBUG   (.+) in [0-9.]+ s$", said, re.MULTILINE)
    assert [name for name in logged if name in names] == names


@both_scripts
def test_each_run_has_a_name_of_its_own(ready, script):
    names = {re.search(r" connected to local .* as query group (\S+)", ready.run(script).stderr)[1]
             for _ in range(2)}
    assert len(names) == 2
    assert all(re.fullmatch(script.removesuffix(".py") + "-[0-9a-f]{6}", name) for name in names)


def test_a_run_lists_once_what_it_ignores_in_dwh_cfg(ready):
    ready.write_config()
    ready.config.write_text(ready.config.read_text() + "[AWS]\nKEY = \n[DWH]\nDWH_NUM_NODES = 4\n")
    said = ready.run("etl.py", configured=False).stderr
    assert said.count("ignored in dwh.cfg: [AWS] KEY, [DWH]") == 1


def test_a_summary_that_cannot_be_written_is_reported_and_the_load_stays(ready):
    ready.write_config()
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, ROOT / "etl.py", "--config", ready.config],
            stdout=full, stderr=subprocess.PIPE, text=True, cwd="/",
            env=ready.process_environment)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "standard output: No space left on device. Only this output was lost.")
    assert "Exception" not in done.stderr and "Nothing was committed" not in done.stderr
    assert ready.query("SELECT COUNT(*) FROM songplays") == [(2,)]


@pytest.mark.parametrize("command", [(ROOT / "etl.py",), ("-m", "warehouse.report")],
                         ids=["etl.py", "warehouse.report"])
def test_a_pipe_that_its_reader_closed_is_no_failure(ready, command):
    ready.write_config()
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:
        done = subprocess.run(
            [sys.executable, *command, "--config", ready.config],
            stdout=pipe, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env=ready.process_environment)
    assert done.returncode == 0
    assert {LOG_LINE.fullmatch(line)[2] for line in done.stderr.splitlines()} == {"INFO   "}


# ------------------------------------------------------------------------------------- progress

def run_on_terminal(project: Project, *arguments: str) -> tuple[int, str]:
    """Run etl.py with stderr on a terminal. Return its exit status and what it wrote there."""
    project.write_config()
    terminal, stderr = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, ROOT / "etl.py", "--config", project.config, *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, cwd="/",
        env=project.process_environment,
    )
    os.close(stderr)
    sent = b""
    try:
        while chunk := os.read(terminal, 1 << 16):
            sent += chunk
    except OSError:  # Linux reports in this way that the other side is closed
        pass
    os.close(terminal)
    return process.wait(), sent.decode()


def slow_down(project: Project, seconds: float, when: str) -> None:
    """Let a trigger sleep."""
    execute(project, f"""
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END';
        CREATE TRIGGER slow {when} EXECUTE FUNCTION slow()""")


@pytest.fixture
def long(ready, tmp_path):
    """A warehouse that needs two seconds for a file of 1 MB, which is more than the buffers hold."""
    generate(tmp_path / "long", events=2000, songs=5, files=1)
    text, = (file.read_text() for file in (tmp_path / "long").glob("log_data/**/*.json"))
    ready.write("log_data/1.json", text)
    a_twentieth = "WHEN (NEW.ts / 1000 % 20 = 0)"
    slow_down(ready, 0.02, f"BEFORE INSERT ON staging_events FOR EACH ROW {a_twentieth}")
    return ready


PROGRESS = re.compile(r"\r\033\[Kcopy staging_events: ([\d.,]+) of ([\d.,]+) MB")


def test_a_long_copy_shows_progress_on_a_terminal_and_clears_it(long):
    status, sent = run_on_terminal(long)
    assert status == 0, sent
    shown = [tuple(float(number.replace(",", "")) for number in found)
             for found in PROGRESS.findall(sent)]
    assert shown, sent
    assert shown == sorted(shown) and all(done <= total for done, total in shown)
    last = sent[[*PROGRESS.finditer(sent)][-1].end():]
    assert last.startswith("\r\033[K")  # cleared before anything else is written
    assert LOG_LINE.match(last.removeprefix("\r\033[K")), last


def test_a_long_copy_that_is_quiet_shows_nothing_on_a_terminal(long):
    assert run_on_terminal(long, "--quiet") == (0, "")


def test_a_short_load_shows_no_progress_on_a_terminal(ready):
    status, sent = run_on_terminal(ready)
    assert status == 0
    assert "\033" not in sent and " MB" not in sent


def test_without_a_terminal_no_line_is_rewritten(long):
    said = long.load().stderr
    assert "\r" not in said and "\033" not in said and " MB" not in said


def test_without_a_terminal_a_long_step_logs_a_line_now_and_then(monkeypatch, caplog):
    def set_clock(moment: float) -> None:
        monkeypatch.setattr(progress.time, "monotonic", lambda: moment)

    set_clock(100.0)
    shown = progress.Progress()
    with caplog.at_level("INFO", "warehouse"):
        with shown.showing("copy songs"):
            for moment in (110.0, 129.0, 131.0, 150.0, 162.0):
                set_clock(moment)
                shown(int(moment * 1e6), 200_000_000)
                shown.show()
        with shown.showing("insert songs"):
            for moment in (191.0, 193.0, 224.0):
                set_clock(moment)
                shown.show()
        set_clock(500.0)
        shown.show()
    assert [record.message for record in caplog.records] == [
        "copy songs: 131.0 of 200.0 MB", "copy songs: 162.0 of 200.0 MB",
        "insert songs: running for 31 s", "insert songs: running for 62 s"]


def test_a_long_statement_shows_on_a_terminal_how_long_it_runs(ready):
    slow_down(ready, 1.6, "AFTER INSERT ON songplays")
    status, sent = run_on_terminal(ready)
    assert status == 0, sent
    assert "\r\033[Kinsert songplays: running for 1 s\r\033[K" in sent
    assert re.findall("\033\\[K([^:]*): running", sent) == (
        ["insert songplays"] * sent.count(": running"))


def test_a_table_of_words_and_numbers_is_aligned():
    assert console.format_table([("table", "rows"), ("users", "1,234"), ("x", "")]).splitlines() == [
        "table   rows", "users  1,234", "x           "]
