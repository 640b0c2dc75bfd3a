"""Messages about rows that a COPY rejected, and about COPYs that cannot begin.

The errors are the stand-in's own if it has them. Otherwise the server raises errors in the words that
were recorded on Redshift.
"""

import re
import shutil
import subprocess
import sys

import psycopg2
import pytest
from support import ROOT
from support.databases import creating_database
from support.documents import event, song
from support.project import Project
from support.proxy import DENIED, NO_ROLE, block, cut, fail, replace_by
from support.runs import expect_refusal
from support.sessions import count_plays, execute
from support.tcp_project import assert_permanent

from warehouse import WarehouseError, config, rejected_rows
from warehouse.advice import advise
from warehouse.database import connection, errors, statements, transactions
from warehouse.rejected_rows import Row, describe_rows

WAY_OUT = "\nOr set MAX_ERRORS in dwh.cfg to leave such rows out."


# ------------------------------------------------------------------------------------ rejected rows

def test_the_advice_about_a_text_that_is_too_long_works(warehouse, monkeypatch):
    warehouse.write("song_data/1.json", song())
    warehouse.write("log_data/1.json", [event(1), event(2, auth="é" * 60)])
    said = expect_refusal(warehouse, 3, "copy staging_events: rows were rejected:",
                          "log_data/1.json:2: column auth (varchar ", "(error 1204)", "in 'ééé",
                          "widen auth to at least 120 bytes: ALTER TABLE", WAY_OUT,
                          arguments=("--quiet",))
    assert "\n  COPY stopped there: the files may hold more such rows.\n" in said
    assert len(said.splitlines()) == 5
    monkeypatch.setenv("SPARKIFY_STANDIN", str(warehouse.server.folder))
    redshift = connection.connect(config.read(warehouse.config))
    redshift.autocommit = True  # or Redshift does not change the type of a column
    with redshift.cursor() as cursor:
        cursor.execute("ALTER TABLE staging_events ALTER COLUMN auth TYPE VARCHAR(400)")
    redshift.close()
    warehouse.load()


@pytest.fixture
def many_bad_rows(warehouse):
    """A warehouse whose files hold 107 rows to reject, and one good one."""
    bad = [event(number, userId="abc") for number in range(100)]
    warehouse.write("log_data/1.json", bad + [event(number, ts="soon") for number in range(5)])
    warehouse.write("log_data/2.json", [event(200, userId="x"), event(201)])
    warehouse.write("song_data/1.json", song())
    warehouse.write("song_data/2.json", song("SO2", duration="long"))
    return warehouse


def test_three_rejected_rows_of_each_kind_are_shown_and_all_are_counted(many_bad_rows):
    many_bad_rows.configure(MAX_ERRORS="105")
    said = expect_refusal(many_bad_rows, 3, "copy staging_events: rows were rejected:", WAY_OUT)
    assert re.findall(r"log_data/(\d).json:(\d+): column (\w+)", said) == [
        ("1", "101", "ts"), ("1", "102", "ts"), ("1", "103", "ts"),
        ("1", "1", "userid"), ("1", "2", "userid"), ("1", "3", "userid"), ("2", "1", "userid")]
    assert "log_data/1.json: and 2 more like these" in said
    assert "log_data/1.json: and 97 more like these" in said
    assert said.count("takes whole numbers up to") == 2  # of ts and of userid, once each


def test_rows_rejected_within_max_errors_are_listed_and_counted(many_bad_rows):
    many_bad_rows.configure(MAX_ERRORS="106")
    done = many_bad_rows.load("--quiet")
    assert re.search(
        r"WARNING rejected rows of staging_events, within MAX_ERRORS: 106; SELECT \* FROM"
        r" sys_load_error_detail ORDER BY start_time DESC shows them all\n", done.stderr)
    assert "WARNING rejected rows of staging_songs, within MAX_ERRORS: 1; " in done.stderr
    assert "song_data/2.json:1: column duration" in done.stderr
    assert len(done.stderr.splitlines()) == 12
    summary = [line.split() for line in many_bad_rows.load("--full").stdout.splitlines()]
    assert summary[0] == ["table", "files", "rows", "rejected", "seconds"]
    assert [cells[:4] for cells in summary[1:3]] == [
        ["staging_events", "2", "1", "106"], ["staging_songs", "2", "1", "1"]]


def test_a_table_of_rejected_rows_has_a_limit_and_says_how_many_are_left_out():
    row = Row("f", 1, "c", "int4", "", 1207, "Invalid digit", None, alike=1, rejected=12_345)
    assert describe_rows([row])[-1] == "  and 12,344 more in other files or columns"
    assert describe_rows([]) == []


@pytest.mark.parametrize("code, kind, reason, value, told", [
    (1204, "varchar", "String length exceeds DDL length", "é" * 30, "at least 60 bytes"),
    (1204, "varchar", "String length exceeds DDL length", "x" * 1024, "more than 1,024 bytes"),
    (1204, "varchar", "String length exceeds DDL length", None, "more than 10 bytes"),
    (1204, "numeric", "Numeric data overflow", "1e99", "numbers in the files: c takes numeric 10"),
    (1205, "date", "Invalid Date Format", "x", "YYYY-MM-DD, or describe the format of c with DATE"),
    (1206, "timestamp", "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]", "15411",
     "YYYY-MM-DD HH:MI:SS, or describe the format of c with TIMEFORMAT"),
    (1207, "int4", "Invalid digit, Value 'a', Pos 0, Type: Integer", "a",
     "takes whole numbers up to 2147483647"),
    (1213, "int8", "Missing data for not-null field", "", "Every event needs c."),
    (1216, "", "Invalid JSON", "{", "Correct the JSON"),
    (1216, "", "Invalid JSONPath format: Member is not an object.", "[", "LOG_JSONPATH file"),
    (1220, "varchar", "String contains invalid or unsupported UTF-8 codepoints", "?", "as UTF-8"),
    (1222, "int4", "Overflow", "99999999999", "BIGINT"),
    (1299, "int4", "Something new", "x", "Correct the files."),
])
def test_each_code_has_its_advice(code, kind, reason, value, told):
    said, = advise([Row("f", 1, "c", kind, "10", code, reason, value, 1, 1)], "staging_events")
    assert told in said


# ---------------------------------------------------------------------------- seen, fixed, loaded

def look_up(project: Project) -> list[list[str]]:
    """Run the guide's query in the stand-in's psql. Return the rows."""
    guide = (ROOT / "deploy" / "README.md").read_text()
    sql, = re.findall("```sql\n([^`]*FROM sys_load_error_detail.*?)```", guide, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-m", "warehouse.standin", "psql", project.database, "-XAt", "-c", sql],
        cwd=ROOT, env=project.process_environment,
        capture_output=True, text=True, check=True)
    return [line.split("|") for line in done.stdout.splitlines()]


def test_a_rejected_row_is_found_by_sql_and_loaded_once_its_file_is_fixed(
    warehouse, server, tables, tmp_path_factory
):
    bad_song = song("SO2", duration="99x5")
    warehouse.write("song_data/1.json", song())
    paths = [warehouse.write("log_data/1.json", [event(1), event(2, length="200x5")]),
             warehouse.write("log_data/2.json", [event(3, length="x"), event(4)]),
             warehouse.write("song_data/2.json", bad_song)]
    warehouse.configure(MAX_ERRORS="2")
    warehouse.load()
    assert count_plays(warehouse) == 2
    digit = "Invalid digit, Value 'x', Pos {}, Type: Decimal".format
    assert look_up(warehouse) == [  # the songs were copied last
        [str(paths[2]), "1", "duration", "1207", digit(2)],
        [str(paths[0]), "2", "length", "1207", digit(3)],
        [str(paths[1]), "1", "length", "1207", digit(0)]]
    assert "found nothing new" in warehouse.load().stderr

    warehouse.write("log_data/2.json", [event(3), event(4)])  # longer
    said = warehouse.load().stderr
    assert "(0 new, 1 changed)" in said and "because" not in said and "WARNING" not in said
    assert count_plays(warehouse) == 3
    warehouse.write("log_data/1.json", [event(1), event(2, length="200.5")])  # the size stays the same
    warehouse.write("song_data/2.json", bad_song | {"duration": "99.5"})
    said = warehouse.load().stderr
    assert f"all for staging_songs are loaded, because song file {paths[2]} changed" in said
    assert f"because log file {paths[0]} changed without growing" in said

    with creating_database(server, tables) as name:
        never_failed = Project(tmp_path_factory.mktemp("never"), server, name)
        for folder in ("log_data", "song_data"):
            shutil.copytree(warehouse.folder / folder, never_failed.folder / folder, dirs_exist_ok=True)
        never_failed.load()
        assert warehouse.snapshot() == never_failed.snapshot()
        never_failed.disconnect()


# ------------------------------------------------------------------- a report that cannot be fetched

REJECTED = "copy staging_events: rows were rejected"


@pytest.fixture
def bad_row(fresh):
    fresh.write("log_data/1.json", [event(1), event(2, userId="abc")])
    return fresh


def test_without_the_first_table_the_second_serves(bad_row, proxy, load_fresh, caplog):
    proxy.on("standin.sys_load_error_detail", fail("permission denied for relation x", "42501"))
    said = assert_permanent(load_fresh, 3, caplog)
    assert "log_data/1.json:2: column userid (int8" in said and "in 'abc'" in said


def test_without_the_second_table_the_first_serves_without_values(bad_row, proxy, load_fresh, caplog):
    proxy.on("standin.stl_load_errors", fail("relation x does not exist", "42P01"))
    said = assert_permanent(load_fresh, 3, caplog)
    assert "log_data/1.json:2: column userid (int8" in said and "in 'abc'" not in said


def test_a_user_who_may_read_neither_table_sees_the_first_error(bad_row, loader, load_fresh, caplog):
    execute(bad_row, "REVOKE SELECT ON standin.sys_load_error_detail, standin.stl_load_errors"
                     " FROM PUBLIC")
    said = assert_permanent(load_fresh, 3, caplog)
    assert said.startswith(f"{REJECTED}: Load into table 'staging_events' failed.")
    assert "permission denied for view sys_load_error_detail" in said
    assert "set MAX_ERRORS in dwh.cfg to leave them out" in said


def test_a_connection_lost_before_the_report_does_not_hide_the_first_error(
    bad_row, proxy, load_fresh, caplog
):
    proxy.on("standin.sys_load_error_detail", cut)
    said = assert_permanent(load_fresh, 3, caplog)
    assert said.startswith(f"{REJECTED}: Load into table 'staging_events' failed.")
    assert "server closed the connection unexpectedly" in said


def test_rejected_rows_are_counted_when_no_table_lists_them(bad_row, proxy, load_fresh, caplog):
    """COPY's notice has their number."""
    bad_row.configure(MAX_ERRORS="1")
    proxy.on("standin.sys_load_error_detail", cut)
    assert load_fresh() == 1
    assert "rejected rows of staging_events, within MAX_ERRORS: 1; " in caplog.text
    assert "; this run could not read them (server closed the connection" in caplog.text
    assert bad_row.query("SELECT rejected, songplays FROM loads WHERE kind = 'load'") == [(1, 1)]


def test_rejected_rows_that_copy_did_not_count_are_an_unknown_number(
    bad_row, proxy, load_fresh, caplog, monkeypatch
):
    monkeypatch.setattr(rejected_rows, "PATIENCE", 0.5)  # for rows of songs, of which there are none
    bad_row.configure(MAX_ERRORS="1")
    proxy.on("standin.say", replace_by("SELECT 1"), times=4)
    assert load_fresh() == 1
    assert "rejected rows of staging_events, within MAX_ERRORS: an unknown number; " in caplog.text
    assert "log_data/1.json:2: column userid" in caplog.text
    assert bad_row.query("SELECT rejected, songplays FROM loads WHERE kind = 'load'") == [(None, 1)]


def test_rows_that_another_session_of_the_same_number_rejected_are_not_this_ones(
    bad_row, load_fresh, caplog
):
    """Redshift reuses the numbers of sessions."""
    execute(bad_row, """
        CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO standin.load (copy_id, query_id, user_id, session_id, table_id, start_time)
            SELECT 7, 8, u.usesysid::int, pg_backend_pid(), 'staging_events'::regclass,
                LOCALTIMESTAMP - interval '1 hour' FROM pg_user u WHERE u.usename = current_user;
            INSERT INTO standin.load_error (copy_id, n, file_name, line_number, error_code)
            SELECT 7, 1, '/of/another/session.json', 1, 1204;
            RETURN NEW; END $$;
        CREATE TRIGGER remember BEFORE UPDATE ON etl_lock FOR EACH ROW EXECUTE FUNCTION remember()""")
    bad_row.configure(MAX_ERRORS="1")
    assert load_fresh() == 1
    assert bad_row.query("SELECT COUNT(*) FROM standin.sys_load_error_detail") == [(2,)]
    assert "rejected rows of staging_events, within MAX_ERRORS: 1; " in caplog.text
    assert "log_data/1.json:2: column userid" in caplog.text and "another/session" not in caplog.text


@pytest.mark.parametrize("max_errors", ["0", "5"])
def test_late_views_are_queried_again(bad_row, load_fresh, caplog, max_errors):
    execute(bad_row, f"ALTER DATABASE {bad_row.database} SET standin.views_late = '2s'")
    bad_row.configure(MAX_ERRORS=max_errors)
    if max_errors == "0":
        said = assert_permanent(load_fresh, 3, caplog)
    else:
        assert load_fresh() == 1
        assert "rejected rows of staging_events, within MAX_ERRORS: 1; " in (said := caplog.text)
    assert "log_data/1.json:2: column userid (int8): Invalid digit" in said and "in 'abc'" in said


def test_as_on_a_cluster_log_summary_and_history_count_three_rejected_rows(warehouse):
    """SYS and STL ids differ, the views are two seconds late, and raw_field_value is empty."""
    execute(warehouse, f"ALTER DATABASE {warehouse.database} SET standin.views_late = '2s'")
    warehouse.write("song_data/1.json", song())
    warehouse.write("log_data/1.json", [event(1), event(2, userId="abc"), event(3, ts="soon"), event(4),
                                        event(5, userId="x")])
    warehouse.configure(MAX_ERRORS="5")
    done = warehouse.load()
    assert "rejected rows of staging_events, within MAX_ERRORS: 3; " in done.stderr
    for row in ("1.json:2: column userid", "1.json:3: column ts", "1.json:5: column userid"):
        assert row in done.stderr
    assert re.search(r"^staging_events +1 +2 +3 ", done.stdout, re.MULTILINE), done.stdout
    assert warehouse.query("SELECT rejected, songplays FROM loads WHERE kind = 'load'") == [(3, 2)]
    assert warehouse.query("SELECT DISTINCT TRIM(raw_field_value) FROM standin.stl_load_errors") == [("",)]
    assert warehouse.query("SELECT COUNT(*) FROM standin.stl_load_errors JOIN"
                           " standin.sys_load_error_detail ON query = query_id") == [(0,)]


def test_views_that_stay_behind_hide_neither_the_refusal_nor_the_number(
    bad_row, load_fresh, caplog, monkeypatch
):
    monkeypatch.setattr(rejected_rows, "PATIENCE", 0.5)
    execute(bad_row, f"ALTER DATABASE {bad_row.database} SET standin.views_late = '1h'")
    said = assert_permanent(load_fresh, 3, caplog)
    assert said.startswith(f"{REJECTED}: Load into table 'staging_events' failed.")
    assert "Look for the rows in sys_load_error_detail or stl_load_errors" in said
    bad_row.configure(MAX_ERRORS="5")
    caplog.clear()
    assert load_fresh() == 1
    assert "rejected rows of staging_events, within MAX_ERRORS: 1; " in caplog.text
    assert "; this run could not read them" in caplog.text


# ------------------------------------------------------------------------ a COPY that cannot begin

MOVED = ("S3ServiceException:The S3 bucket addressed by the query is in a different region from"
         " this cluster.,Status 301,Error PermanentRedirect,Rid 1A2B")
MOVED_MANIFEST = ("Problem reading manifest file - S3ServiceException:The bucket you are attempting"
                  " to access must be addressed using the specified endpoint.,Status 301")
RECORDED = {
    MOVED: "Set REGION in dwh.cfg to the region of the buckets",
    MOVED_MANIFEST: "Set REGION in dwh.cfg to the region of the buckets",
    DENIED: "Allow the role of [IAM_ROLE] ARN s3:ListBucket on the bucket and s3:GetObject",
    NO_ROLE: "Attach the role of [IAM_ROLE] ARN to the cluster",
    "The specified S3 prefix 'log_data' does not exist": "Check LOG_DATA and SONG_DATA",
    "Problem reading manifest file - S3ServiceException:The specified key does not exist.,Status"
    " 404":
        "MANIFESTS in dwh.cfg. If an object was deleted between listing and COPY, run again",
    "COPY with MANIFEST parameter requires full path of an Amazon S3 object.":
        "nothing else may write under MANIFESTS",
    "Number of jsonpaths and the number of columns should match. JSONPath size: 12, Number of"
    " columns in table or column list: 13": "needs one path for each column of staging_events",
    "Invalid JSONPath format: Member is not an object.": "Correct the LOG_JSONPATH file",
}


def test_redshifts_error_about_a_copy_that_cannot_begin_comes_with_the_next_step(redshift):
    sql = "-- copy staging_events: as Redshift fails\nSELECT standin.fail(%(said)s, 'XX000')"
    for said, step in RECORDED.items():
        with pytest.raises(WarehouseError) as raised, transactions.transaction(redshift) as cursor:
            statements.execute(cursor, sql, {"said": said})
        message = str(raised.value)
        assert message.startswith(f"copy staging_events: {said.rstrip('.')}. ") and step in message
        assert raised.value.exit_status == 1


def test_the_frame_of_a_detail_is_left_out(postgres):
    detail = block(DENIED, 8001).replace("\n", "\\n")
    with pytest.raises(psycopg2.Error) as raised:
        postgres.cursor().execute(
            f"DO $$ BEGIN RAISE '{DENIED}' USING DETAIL = E'{detail}'; END $$")
    assert errors.message_of(raised.value) == f"{DENIED}. code 8001, query 1234"


def test_a_jsonpaths_file_with_too_few_paths_comes_with_the_next_step(warehouse):
    warehouse.write("paths.json", {"jsonpaths": ["$['ts']", "$['page']"]})
    warehouse.write("log_data/1.json", [event(1)])
    warehouse.write("song_data/1.json", song())
    warehouse.configure(LOG_JSONPATH="paths.json")
    expect_refusal(warehouse, 1, "copy staging_events: ", "JSONPath size: 2, Number of columns",
                   "needs one path for each column of staging_events that COPY fills")


def test_a_malformed_manifest_comes_with_the_next_step(redshift, tmp_path):
    (tmp_path / "manifest").write_text('{"entries": [{"uri": "x"}]}')
    with redshift.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a INT)")
        with pytest.raises(WarehouseError, match="is not a manifest.*nothing else may write"):
            statements.execute(
                cursor, "-- copy t: by a manifest that is none\n"
                f"COPY t FROM '{tmp_path / 'manifest'}' IAM_ROLE default MANIFEST JSON 'auto'", {})
