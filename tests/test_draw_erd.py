"""The picture of the tables shows what sql_queries.py declares; one test needs Graphviz."""

import os
import re
import shutil
import subprocess
import sys

import draw_erd
import pytest
from support import ROOT

import sql_queries
from warehouse.database.statements import subject_of
from warehouse.tables import parse_columns


def test_the_picture_was_drawn_from_the_tables_as_they_are():
    wanted = draw_erd.add_checksum(draw_erd.dot(), draw_erd.PICTURE.read_bytes())
    assert draw_erd.TEXT.read_text() == wanted, (
        "sql_queries.py or the picture has changed since. Draw it again: python tests/draw_erd.py")


def test_the_picture_is_a_png_as_wide_as_a_readme():
    png = draw_erd.PICTURE.read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and png[12:16] == b"IHDR" and png[-8:-4] == b"IEND"
    assert 1000 <= int.from_bytes(png[16:20], "big") <= 1400
    assert len(png) > 100_000


def test_every_column_with_its_type_and_every_key_is_drawn():
    text = draw_erd.dot()
    assert {*sql_queries.create_table_queries, sql_queries.loads_table_create} <= {*draw_erd.DRAWN}
    for sql in draw_erd.DRAWN:
        [box] = re.findall(rf"^{subject_of(sql)} \[label=.*", text, re.MULTILINE)
        columns = re.findall(r'port="(\w+)"><font[^>]*>([^<]+)<', box)
        assert dict(columns) == parse_columns(sql)
        assert box.count("> null<") == len(columns) - sql.count("NOT NULL")
        assert len(re.findall(">PK[ <]", box)) == sql.count("PRIMARY KEY (")
        assert len(re.findall("[> ]FK<", box)) == sql.count("FOREIGN KEY")
    foreign = sum(sql.count("FOREIGN KEY") for sql in draw_erd.DRAWN)
    assert text.count("=crowodot") == foreign


def test_a_line_ends_in_none_or_one_where_the_foreign_key_may_be_null():
    text = draw_erd.dot()
    assert "songplays:song_id:e -> songs:song_id_key:w [arrowtail=crowodot, arrowhead=teeo" in text
    assert "time:start_time:e -> songplays:start_time_key:w [arrowtail=teetee" in text


@pytest.mark.parametrize("before, after", [
    ("level       VARCHAR(16)", "level       VARCHAR(32)"),
    ("level       VARCHAR(16)    NOT NULL", "level       VARCHAR(16)"),
    ("session_id  BIGINT ", "sitting_id  BIGINT "),
    ("    FOREIGN KEY (song_id) REFERENCES songs (song_id),\n", ""),
    ("PRIMARY KEY (songplay_id)", "PRIMARY KEY (start_time)"),
    ("SORTKEY (start_time)", "SORTKEY (user_id)"),
])
def test_a_change_of_the_tables_changes_the_diagram(before, after):
    *others, songplays = draw_erd.DRAWN
    assert before in songplays
    assert draw_erd.dot((*others, songplays.replace(before, after))) != draw_erd.dot()


@pytest.mark.parametrize("columns", [
    "    a INT PRIMARY KEY",
    "    a INT REFERENCES s (b)",
    "    a INT,\n    b INT,\n    PRIMARY KEY (a, b)",
])
def test_a_key_among_the_columns_is_refused_and_not_left_out(columns):
    with pytest.raises(ValueError, match="the keys after the columns"):
        draw_erd.read_table(f"-- create t: it\nCREATE TABLE t (\n{columns}\n)\n")


def test_without_graphviz_the_command_says_how_to_install_it_and_changes_nothing(tmp_path):
    before = draw_erd.PICTURE.stat().st_mtime_ns, draw_erd.TEXT.stat().st_mtime_ns
    done = subprocess.run([sys.executable, "tests/draw_erd.py"], cwd=ROOT,
                          env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "apt-get install graphviz" in done.stderr and "Traceback" not in done.stderr
    assert before == (draw_erd.PICTURE.stat().st_mtime_ns, draw_erd.TEXT.stat().st_mtime_ns)


def test_a_drawing_that_fails_changes_neither_file(tmp_path, monkeypatch):
    picture, text = tmp_path / "erd.png", tmp_path / "erd.dot"
    picture.write_text("old picture")
    text.write_text("old text")
    (tmp_path / "dot").write_text("#!/bin/sh\necho half a picture\nexit 1\n")
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(SystemExit, match="nothing is changed"):
        draw_erd.draw(picture, text)
    assert (picture.read_text(), text.read_text()) == ("old picture", "old text")


@pytest.mark.skipif(not shutil.which("dot"), reason="needs Graphviz")
def test_the_picture_is_drawn_without_a_warning_and_its_text_kept(tmp_path, capfd):
    picture, text = tmp_path / "erd.png", tmp_path / "erd.dot"
    draw_erd.draw(picture, text)
    assert capfd.readouterr() == ("", "")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert text.read_text() == draw_erd.add_checksum(draw_erd.dot(), picture.read_bytes())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["erd.dot", "erd.png"]


def test_the_readme_shows_the_picture_and_how_to_draw_it():
    readme = (ROOT / "README.md").read_text()
    assert re.search(rf"!\[[^\]]{{20,}}\]\({draw_erd.PICTURE.name}\)", readme)
    assert "python tests/draw_erd.py" in readme
