"""etl.py --check: its findings on good and broken set-ups. It changes nothing."""

import contextlib
import io
import os
import re
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from botocore.stub import Stubber
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from support import ROOT, SAMPLE
from support.documents import event, song
from support.project import TABLES, Project, finish
from support.recording_server import running_recording_server
from support.s3 import read_from
from support.sessions import (
    connect_to,
    execute,
    hold,
    wait_until_no_session_is_left,
    wait_until_somebody_waits_for,
)
from support.tcp_server import CANARY

import sql_queries
from warehouse import WarehouseError, objects, preflight
from warehouse.config import Config, read
from warehouse.database.connection import connect
from warehouse.database.statements import subject_of
from warehouse.manifests import Manifests
from warehouse.preflight import storage
from warehouse.preflight.findings import Findings, NotReady

EVERY_TABLE = [subject_of(sql) for sql in  # in the order in which they are checked
               sql_queries.create_lasting_queries + sql_queries.create_table_queries]
LINE = re.compile(r"(ok  |warn|FAIL|skip)  (\S.{16})  (\S.*)")


class Finding(NamedTuple):
    verdict: str
    part: str
    said: str


class Checkup(NamedTuple):
    """The exit status and the output of etl.py --check."""

    status: int
    findings: list[Finding]
    stderr: str

    def parts_with(self, verdict: str) -> list[str]:
        """Return the parts with this verdict."""
        return [finding.part for finding in self.findings if finding.verdict == verdict]

    def text_of(self, part: str) -> str:
        return " ".join(finding.said for finding in self.findings if finding.part == part)


def findings_of(stdout: str) -> list[Finding]:
    lines = [LINE.fullmatch(line) for line in stdout.splitlines()]
    assert all(lines), stdout
    return [Finding(*map(str.strip, line.groups())) for line in lines]


def check(project: Project, *arguments: str) -> Checkup:
    return preflight_of(project.run("etl.py", "--check", *arguments))


def check_here(project: Project) -> Checkup:
    """Check in this process, which saves most of the time. This skips only the command line."""
    project.write_config()
    config = read(project.config)
    with contextlib.closing(connect(config)) as connection:
        found, said = Findings(quiet=False), io.StringIO()
        with contextlib.redirect_stdout(said):
            preflight.try_services(found, connection, config)
        assert connection.info.transaction_status == TRANSACTION_STATUS_IDLE
    status, error = 0, ""
    if found.failures:
        refusal = NotReady(found.failures)
        status, error = refusal.exit_status, str(refusal)
    return Checkup(status, findings_of(said.getvalue()), error)


def preflight_of(done: subprocess.CompletedProcess) -> Checkup:
    assert "Traceback" not in done.stderr, done.stderr
    return Checkup(done.returncode, findings_of(done.stdout), done.stderr)


DATA = {"log_data/1.json": [event(1), event(2)], "log_data/2.json": [event(3)] * 9,
        "song_data/1.json": [song()]}


@pytest.fixture
def ready(module_warehouse, bucket, monkeypatch):
    """A project whose tables the tests leave as they are, with a bucket that holds some files."""
    move_to_bucket(module_warehouse, bucket)
    for name, value in module_warehouse.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SPARKIFY_STANDIN", str(module_warehouse.server.folder))
    return module_warehouse


def move_to_bucket(project: Project, bucket) -> Project:
    """Put the data into the bucket, and let the project read from there alone."""
    for key, documents in DATA.items():
        bucket.put_object(Key=key, Body=project.write("data.json", documents).read_bytes())
    bucket.upload_file(str(SAMPLE / "log_json_path.json"), "log_json_path.json")
    project.settings = {"CLUSTER": {"HOST": "local", "DB_NAME": project.database}, "S3": {},
                        "LOAD": {}}
    read_from(project, bucket)
    project.environment["AWS_ENDPOINT_URL"] = project.environment["AWS_ENDPOINT_URL_S3"]
    return project


def keys(bucket) -> list[tuple[str, str]]:
    return [(found.key, found.e_tag) for found in bucket.objects.all()]


# -------------------------------------------------------------------------------- a good set-up

def test_a_good_set_up_passes_unchanged_and_a_load_runs(ready, bucket):
    tables, before = ready.snapshot(EVERY_TABLE), keys(bucket)
    found = check(ready)
    assert found.status == 0, found
    assert set(finding.verdict for finding in found.findings) == {"ok"}
    assert [finding.part for finding in found.findings] == [
        "configuration", "[LOAD]", "[IAM_ROLE]", "login", "TLS", "engine", *EVERY_TABLE, "views",
        "TEMP tables", "AWS", "LOG_DATA", "SONG_DATA", "LOG_JSONPATH", "REGION", "MANIFESTS", "COPY",
        "COPY", "COPY", "MANIFESTS"]
    size = sum(log.size for log in bucket.objects.filter(Prefix="log_data/"))
    listed = f"2 objects, {size:,} bytes under s3://{bucket.name}/log_data/"
    assert listed in found.text_of("LOG_DATA")
    assert "18 paths in " in found.text_of("LOG_JSONPATH")
    assert ", one for each column" in found.text_of("LOG_JSONPATH")
    assert f"s3://{bucket.name}/log_data/1.json" in found.text_of("COPY")  # the smaller one
    assert "arn:aws:" in found.text_of("AWS")
    assert f"wrote s3://{bucket.name}/manifests/" in found.text_of("MANIFESTS")
    assert ready.snapshot(EVERY_TABLE) == tables
    assert keys(bucket) == before
    wait_until_no_session_is_left(ready)
    ready.load()


def test_quiet_prints_only_what_is_wrong(ready):
    done = ready.run("etl.py", "--check", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    ready.configure(SONG_DATA="nowhere/", STATEMENT_TIMEOUT="5")
    found = check(ready, "--quiet")
    assert found.status == 1
    assert [finding[:2] for finding in found.findings] == [
        ("warn", "[LOAD]"), ("FAIL", "SONG_DATA")]


def test_a_bucket_that_keeps_versions_keeps_none_of_what_is_written(ready, bucket):
    bucket.Versioning().enable()
    try:
        assert check_here(ready).status == 0
        assert list(bucket.object_versions.filter(Prefix="manifests/")) == []
    finally:
        bucket.object_versions.delete()


def test_a_folder_for_manifests_that_is_not_there_yet_is_not_left(ready):
    ready.configure(MANIFESTS="new/folder")
    found = check_here(ready)
    assert (found.status, found.parts_with("FAIL")) == (0, []), found
    assert f"wrote {ready.folder}/new/folder/" in found.text_of("MANIFESTS")
    assert not (ready.folder / "new").exists()


# ----------------------------------------------------------------------------- broken: the database

@pytest.fixture
def guarded(tmp_path, tls_server, bucket):
    """A project without tables on a server with TLS that asks for a password."""
    project = move_to_bucket(Project(tmp_path, tls_server, "postgres"), bucket)
    project.configure(**tls_server.settings(HOST="localhost"))
    return project


THE_REST = ["AWS", "LOG_DATA", "SONG_DATA", "LOG_JSONPATH", "REGION", "MANIFESTS",
            "MANIFESTS"]


def test_a_wrong_password_does_not_stop_the_other_checks(guarded, bucket):
    before = keys(bucket)
    guarded.configure(DB_PASSWORD="wrong-" + CANARY)
    guarded.settings["DWH"] = {"DWH_CLUSTER_TYPE": "multi-node"}
    found = check(guarded, "--verbose")
    assert found.text_of("configuration") == f"{guarded.config}; ignored: [DWH]"
    assert (found.status, found.parts_with("FAIL")) == (1, ["login"])
    assert "password authentication failed" in found.text_of("login")
    assert "Check DB_USER and DB_PASSWORD" in found.text_of("login")
    assert found.parts_with("skip") == ["database"]
    assert found.parts_with("ok")[-len(THE_REST):] == THE_REST
    assert keys(bucket) == before
    assert CANARY not in str(found)


def test_the_certificate_of_another_authority_fails(guarded, certificates):
    guarded.configure(SSLMODE="verify-full", SSLROOTCERT=str(certificates / "other.crt"))
    found = check(guarded)
    assert (found.status, found.parts_with("FAIL")) == (1, ["login"])
    assert "No authority in" in found.text_of("login") and "other.crt" in found.text_of("login")
    assert found.parts_with("ok")[-len(THE_REST):] == THE_REST


def test_tables_that_are_missing_and_tls_that_is_there(guarded, certificates):
    guarded.configure(SSLMODE="verify-full", SSLROOTCERT=str(certificates / "root.crt"))
    found = check(guarded)
    assert found.status == 1
    assert "TLSv1." in found.text_of("TLS") and "verify-full" in found.text_of("TLS")
    assert found.parts_with("FAIL") == [*EVERY_TABLE, "COPY", "COPY", "COPY"]
    for table in EVERY_TABLE:
        assert "create_tables.py" in found.text_of(table)
    assert "SONG_DATA" in found.parts_with("ok")


@pytest.fixture
def ready_warehouse(warehouse, ready):
    """A database of its own, for tests that change tables, with the files of `ready`."""
    warehouse.settings = ready.settings | {"CLUSTER": {"HOST": "local", "DB_NAME": warehouse.database}}
    return warehouse


def test_a_table_of_an_older_version(ready_warehouse):
    execute(ready_warehouse, "ALTER TABLE users DROP COLUMN gender; ALTER TABLE users ADD email TEXT;"
                       "ALTER TABLE songs ALTER duration TYPE REAL;"
                       "ALTER TABLE artists ALTER name TYPE VARCHAR(20);"
                       "ALTER TABLE artists ALTER location TYPE VARCHAR(5000)")
    found = check_here(ready_warehouse)
    assert (found.status, found.parts_with("FAIL")) == (1, ["users", "artists", "songs"])
    assert ("gender is missing and should be VARCHAR(16). To keep the rows, run: ALTER TABLE users ADD COLUMN"
            " gender VARCHAR(16). Otherwise create_tables.py ") in found.text_of("users")
    assert "duration is REAL and should be NUMERIC(12, 5)" in found.text_of("songs")
    assert "name is VARCHAR(20) and should be VARCHAR(1024)" in found.text_of("artists")
    assert "location" not in found.text_of("artists")  # wider than ours is as good
    assert "create_tables.py" in found.text_of("users")


def test_no_alter_table_is_advised_if_it_would_not_do(ready_warehouse):
    """A foreign table, a column of another type, and a column whose default a load relies on."""
    execute(ready_warehouse, "DROP TABLE users CASCADE; CREATE TABLE users (email TEXT);"
                       "ALTER TABLE songs DROP COLUMN year; ALTER TABLE songs ALTER duration TYPE REAL;"
                       "ALTER TABLE loaded_files DROP COLUMN loaded_at;"
                       "DROP TABLE loads; CREATE TABLE loads (weight INT)")
    found = check_here(ready_warehouse)
    assert found.parts_with("FAIL")[:4] == ["loads", "loaded_files", "users", "songs"]
    assert "create_tables.py keeps this table: rename or drop it by hand" in found.text_of("loads")
    for table in ("loaded_files", "users", "songs"):
        assert "missing" in found.text_of(table) and "ALTER TABLE" not in found.text_of(table)


def test_views_that_are_missing_or_unreadable_are_a_warning(ready_warehouse):
    execute(ready_warehouse, "DROP VIEW top_songs; DROP VIEW plays_by_day;"
                       "CREATE VIEW plays_by_day AS SELECT 1 AS plays")
    found = check_here(ready_warehouse)
    assert (found.status, found.parts_with("warn")) == (0, ["views"])
    assert found.text_of("views").startswith("top_songs, plays_by_day: missing")
    assert "create_tables.py --views" in found.text_of("views")


@pytest.fixture
def check_as_another(ready):
    """A function that checks as a user who owns nothing. Its SQL grants rights to the user, %s."""
    role = "checkup_reader"

    def check_as_another(sql: str) -> Checkup:
        execute(ready, f"CREATE ROLE {role} LOGIN; {sql.replace('%s', role)}")
        ready.configure(HOST=str(ready.server.socket_folder), DB_PORT="5432", DB_USER=role)
        return check_here(ready)

    yield check_as_another
    execute(ready, f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role};"
                   f"GRANT TEMP ON DATABASE {ready.database} TO PUBLIC")


def test_a_user_with_all_rights_who_owns_no_table_may_not_analyze_them(check_as_another):
    found = check_as_another("GRANT ALL ON ALL TABLES IN SCHEMA public TO %s")
    assert (found.status, set(found.parts_with("FAIL"))) == (1, {
        *TABLES, "loaded_files"})
    assert 'ALTER TABLE songplays OWNER TO "checkup_reader"' in found.text_of("songplays")


def test_no_right_to_insert(ready, check_as_another):
    role = "checkup_reader"
    owned = "".join(f"ALTER TABLE {table} OWNER TO %s; REVOKE UPDATE ON {table} FROM %s;"
                    for table in (*TABLES, "loaded_files"))
    found = check_as_another(
        f"{owned} GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA public TO %s;"
        f"REVOKE INSERT ON staging_songs FROM %s; REVOKE TEMP ON DATABASE {ready.database} FROM PUBLIC")
    assert (found.status, found.parts_with("FAIL")) == (
        1, ["etl_lock", "staging_songs", "songplays", "TEMP tables"])
    assert f'GRANT UPDATE ON TABLE songplays TO "{role}"' in found.text_of("songplays")
    assert f'GRANT INSERT ON TABLE staging_songs TO "{role}"' in found.text_of("staging_songs")
    assert f'GRANT SELECT, UPDATE, DELETE ON TABLE etl_lock TO "{role}"' in found.text_of("etl_lock")
    assert f'GRANT TEMP ON DATABASE "{ready.database}" TO "{role}"' in found.text_of("TEMP tables")


def test_a_load_that_is_running_is_named_and_not_disturbed(ready):
    ready.configure(LOCK_TIMEOUT="1")
    holder = hold(ready, "etl_lock")
    try:
        found = check_here(ready)
        assert (found.status, found.parts_with("FAIL")) == (75, ["etl_lock"])
        assert f"(process {holder.info.backend_pid} of " in found.text_of("etl_lock")
        assert found.text_of("COPY") == "not tried while another load is running"
        holder.cursor().execute("SELECT 1")
    finally:
        holder.close()


# ----------------------------------------------------------------------------------- broken: S3

JSONPATHS = (SAMPLE / "log_json_path.json").read_text()


def assert_broken(found: Checkup, part: str, *texts: str, copies: int = 0, status: int = 1) -> None:
    """Assert that only this part fails, with these texts, and so many COPYs with it."""
    assert (found.status, found.parts_with("FAIL")) == (status, [part] + ["COPY"] * copies), found
    for text in texts:
        assert text in found.text_of(part)
    number = "1 line" if copies == 0 else f"{copies + 1} lines"
    assert f"a load could not run here: {number} above say" in found.stderr


def test_no_such_bucket(ready):
    ready.configure(LOG_DATA="s3://no-such-bucket-at-all/log_data/")
    found = check_here(ready)
    assert_broken(found, "LOG_DATA", "no-such-bucket-at-all", "Is the bucket's name right?")
    assert "staging_events: there is no file for it to read" in found.text_of("COPY")
    assert found.parts_with("ok").count("COPY") == 2


def test_a_prefix_that_names_no_object(ready, bucket):
    ready.configure(SONG_DATA=f"s3://{bucket.name}/songs/")
    assert_broken(check_here(ready), "SONG_DATA", f"there is no object under s3://{bucket.name}/songs/",
                  "Check it in dwh.cfg")


@pytest.mark.parametrize("place", ["s3://no-such-bucket-at-all/manifests/", "dwh.cfg/manifests"])
def test_a_place_for_manifests_that_is_not_one(ready, place):
    ready.configure(MANIFESTS=place)
    found = check_here(ready)
    assert_broken(found, "MANIFESTS", place, "etl.py writes its manifests there.")
    assert found.parts_with("ok")[-2:] == ["COPY", "COPY"]


@pytest.mark.parametrize("content, status, said, copies", [
    (JSONPATHS.replace('"$[\'userId\']"', '"$[\'userId\']", "$[\'more\']"'), 1, "has 19 paths", 1),
    (JSONPATHS[:-20], 1, "is not a JSONPaths file", 1),
    (JSONPATHS.replace("jsonpaths", "paths"), 3, 'has no key "jsonpaths"', 1),
])
def test_a_jsonpaths_file_that_does_not_fit(ready, bucket, content, status, said, copies):
    assert content != JSONPATHS
    bucket.put_object(Key="log_json_path.json", Body=content.encode())
    assert_broken(check_here(ready), "LOG_JSONPATH", f"s3://{bucket.name}/log_json_path.json", said,
                  "It needs 18 paths, for these columns: artist, auth,", copies=copies, status=status)


def test_a_file_that_copy_would_reject(ready, bucket):
    bucket.put_object(Key="song_data/0.json", Body=b'{"song_id": "SO1"}')
    found = check_here(ready)
    assert_broken(found, "COPY", f"s3://{bucket.name}/song_data/0.json:1: column artist_id",
                  "set MAX_ERRORS in dwh.cfg to leave such rows out", status=3)


def test_a_region_other_than_the_buckets_is_a_warning_on_the_stand_in(ready, bucket):
    ready.configure(REGION="eu-west-1")
    found = check_here(ready)
    assert (found.status, found.parts_with("warn")) == (0, ["REGION"])
    assert f"{bucket.name} is in us-west-2, but REGION is eu-west-1" in found.text_of("REGION")


@pytest.fixture
def redshift_config(make_config, bucket):
    """A Config for Redshift with data in the bucket and without MANIFESTS."""
    config = make_config(HOST="dwh.abc123.us-west-2.redshift.amazonaws.com", DB_NAME="dwh",
                         DB_USER="ann")
    return replace_data(config, log_data=f"s3://{bucket.name}/log_data/",
                        song_data=f"s3://{bucket.name}/song_data/")


def replace_data(config: Config, **values) -> Config:
    return replace(config, data=replace(config.data, **values))


def test_a_region_other_than_the_buckets_fails_for_redshift(redshift_config, bucket):
    config = replace_data(redshift_config, region="eu-west-1")
    with pytest.raises(WarehouseError, match=r"Write REGION = us-west-2 under \[S3\]\."):
        storage.inspect_region(config.data, bucket.name, standin=False)


def test_a_load_by_prefix_needs_no_s3_on_this_machine(redshift_config, capsys, monkeypatch):
    """Only the cluster reads S3. Failures of this machine are warnings, and COPY decides."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", os.environ["AWS_ENDPOINT_URL_S3"])
    findings = Findings(quiet=False)
    config = replace_data(redshift_config, song_data="s3://no-such-bucket-at-all/song_data/")
    storage.try_storage(findings, None, config, Manifests(config.data, None))
    found = Checkup(0, findings_of(capsys.readouterr().out), "")
    assert findings.failures == []
    assert found.parts_with("warn") == ["LOG_DATA", "SONG_DATA"]
    assert found.parts_with("skip") == ["REGION", "MANIFESTS"]


def test_a_check_on_redshift_is_rolled_back_and_names_the_files_by_prefix(
    redshift_config, bucket, capsys, monkeypatch
):
    """The server claims to be Redshift, accepts everything, and returns no rows."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", os.environ["AWS_ENDPOINT_URL_S3"])
    bucket.put_object(Key="log_data/1.json", Body=b"{}")
    findings = Findings(quiet=False)
    with running_recording_server() as server:
        config = replace(redshift_config, server=replace(
            redshift_config.server, host="127.0.0.1", port=server.port))
        with contextlib.closing(connect(config)) as connection:
            already = len(server.statements)
            preflight.try_services(findings, connection, config)
        sent = server.statements[already:]
    found = Checkup(1, findings_of(capsys.readouterr().out), "")
    assert "every run on Redshift copies every file again" in found.text_of("MANIFESTS")
    assert "COMMIT" not in sent
    assert sent.count("BEGIN") == sent.count("ROLLBACK") > 10
    logs, songs = [sql for sql in sent if "\nCOPY " in sql]
    assert f"FROM 's3://{bucket.name}/log_data/1.json'" in logs and "NOLOAD" in logs
    assert f"FROM 's3://{bucket.name}/song_data/'" in songs and "NOLOAD" in songs
    assert "REGION 'us-west-2'" in songs
    assert ("warn", "SONG_DATA") in [finding[:2] for finding in found.findings]


def test_a_connection_that_is_lost_is_reported_and_s3_is_checked(ready, capsys):
    ready.write_config()
    config = read(ready.config)
    findings = Findings(quiet=False)
    with contextlib.closing(connect(config)) as connection:
        ready.query(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
        wait_until_no_session_is_left(ready)
        preflight.try_services(findings, connection, config)
    found = Checkup(1, findings_of(capsys.readouterr().out), "")
    assert re.search("terminating connection|closed the connection", found.text_of("login"))
    assert "connection already closed" in found.text_of("songs")
    assert {"LOG_DATA", "SONG_DATA", "MANIFESTS"} <= set(found.parts_with("ok"))


def test_all_failures_are_named_and_the_first_decides_the_exit_status(ready, bucket):
    ready.configure(LOG_DATA=f"s3://{bucket.name}/logs/", SONG_DATA=f"s3://{bucket.name}/songs/",
                    LOG_JSONPATH=f"s3://{bucket.name}/paths.json",
                    MANIFESTS=f"s3://{bucket.name}/m/")
    found = check_here(ready)
    assert found.status == 1
    assert found.parts_with("FAIL") == ["LOG_DATA", "SONG_DATA", "LOG_JSONPATH"]


# ------------------------------------------------------------------------------- nothing is left

def test_a_signal_while_an_object_is_written_leaves_nothing(ready, bucket):
    before, tables = keys(bucket), ready.snapshot(EVERY_TABLE)
    with contextlib.closing(connect_to(ready)) as holder:
        holder.cursor().execute("ALTER SEQUENCE standin.copy_id CACHE 1")  # a COPY waits for it
        process = ready.start("etl.py", "--check")
        wait_until_somebody_waits_for(ready, "standin.copy_id")
        written, = bucket.objects.filter(Prefix="manifests/")
        process.send_signal(signal.SIGTERM)
        found = preflight_of(finish(process))
    assert found.status == 143
    assert "interrupted by SIGTERM" in found.stderr
    assert f"s3://{bucket.name}/{written.key}" in found.text_of("MANIFESTS")
    assert found.findings[-1] == ("ok", "MANIFESTS", "removed it")
    assert keys(bucket) == before
    assert ready.snapshot(EVERY_TABLE) == tables
    wait_until_no_session_is_left(ready)


def test_a_signal_without_a_login_leaves_nothing(guarded, bucket):
    os.mkfifo(guarded.folder / "paths.json")  # a reader waits until something is written
    guarded.configure(DB_PASSWORD="wrong", LOG_JSONPATH="paths.json")
    before = keys(bucket)
    process = guarded.start("etl.py", "--check")
    with open(open_when_read(process, guarded.folder / "paths.json"), "w") as pipe:
        process.send_signal(signal.SIGTERM)
        pipe.write("{}")
    found = preflight_of(finish(process))
    assert found.status == 143
    assert "interrupted by SIGTERM" in found.stderr
    assert keys(bucket) == before


def open_when_read(process: subprocess.Popen, fifo: Path) -> int:
    """Open a FIFO for writing, once the process has opened it for reading."""
    while True:
        assert process.poll() is None, process.communicate()
        with contextlib.suppress(OSError):  # not open for reading yet
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.02)


def test_an_object_that_may_not_be_removed_is_named(bucket):
    with Stubber(objects.s3()) as stubber:
        stubber.add_client_error("delete_object", "AccessDenied", "Access Denied", 403)
        verdict, part, said = storage.remove_object(
            storage.WrittenObject(f"s3://{bucket.name}/m/check.json", ""))
    assert (verdict, part) == ("warn", "MANIFESTS")
    assert f"s3://{bucket.name}/m/check.json: S3 says AccessDenied" in said
    assert "Allow s3:DeleteObject." in said and "delete it" in said


# ------------------------------------------------------------------------------------ usage, README

@pytest.mark.parametrize("other, said", [
    ("--status", "not allowed with"), ("--full", "neither --full nor --force"),
    ("--no-reload", "nor --no-reload")])
def test_check_excludes_every_option_that_loads_or_shows(module_warehouse, other, said):
    done = module_warehouse.run("etl.py", "--check", other)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_the_checkup_of_the_shipped_set_up_is_in_the_readme(module_warehouse, monkeypatch, capsys):
    monkeypatch.setenv("SPARKIFY_STANDIN", str(module_warehouse.server.folder))
    config = read(ROOT / "dwh.cfg")
    config = replace(config, server=replace(config.server, database=module_warehouse.database))
    findings = Findings(quiet=False)
    preflight.try_settings(findings, config)
    with contextlib.closing(connect(config)) as connection:
        preflight.try_services(findings, connection, config)
    said = capsys.readouterr().out.replace(f"/{module_warehouse.database},", "/dwh,")
    guide = (ROOT / "deploy" / "README.md").read_text()
    shown = re.search(r"etl.py --check\n```\n\n```\n(.*?)```", guide, re.DOTALL)[1]
    assert drop_specifics(shown) == drop_specifics(said)


def drop_specifics(text: str) -> str:
    """Remove what differs between machines and runs."""
    text = re.sub(r"PostgreSQL [0-9.]+", "PostgreSQL", text)
    return re.sub(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}", "RUN", re.sub(r"/[^\s,;]*/", "/", text))
