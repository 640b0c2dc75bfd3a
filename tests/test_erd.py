"""The picture of the tables shows what sql_queries.py declares; one test needs Graphviz."""

import os
import re
import shutil
import subprocess
import sys
import zlib

import pytest
from psycopg2 import errors
from support import ROOT

import sql_queries
from warehouse import erd, tables
from warehouse.database.statements import subject_of


def run(*arguments: object, path: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "warehouse.erd", *map(str, arguments)], cwd=ROOT,
                          env={"PATH": path}, capture_output=True, text=True)


def test_the_picture_was_drawn_from_the_tables_as_they_are():
    assert erd.text_of(erd.PICTURE.read_bytes()) == erd.dot(), (
        "sql_queries.py has changed since. Draw it anew: python -m warehouse.erd")


def test_the_picture_is_a_png_as_wide_as_a_readme():
    png = erd.PICTURE.read_bytes()
    (first, header), *_, (last, _) = erd.chunks(png)
    assert png.startswith(erd.PNG) and (first, last) == (b"IHDR", b"IEND")
    assert 1000 <= int.from_bytes(header[:4], "big") <= 1400
    pixels = b"".join(body for kind, body in erd.chunks(png) if kind == b"IDAT")
    assert len(zlib.decompress(pixels)) > 1_000_000


def test_every_column_with_its_type_and_every_key_is_drawn():
    text = erd.dot()
    assert {*sql_queries.create_table_queries, sql_queries.loads_table_create} <= {*erd.DRAWN}
    for sql in erd.DRAWN:
        [box] = re.findall(rf"^{subject_of(sql)} \[label=.*", text, re.MULTILINE)
        shown = re.findall(r'port="(\w+)"><font[^>]*>([^<]+)<', box)
        assert dict(shown) == tables.declared_columns(sql)
        assert len(re.findall(">PK[ <]", box)) == sql.count("PRIMARY KEY (")
        assert len(re.findall("[> ]FK<", box)) == sql.count("FOREIGN KEY")
    foreign = sum(sql.count("FOREIGN KEY") for sql in erd.DRAWN)
    assert text.count("=crowodot") == foreign


def test_a_line_ends_in_none_or_one_where_the_foreign_key_may_be_null():
    text = erd.dot()
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
    *others, songplays = erd.DRAWN
    assert before in songplays
    assert erd.dot((*others, songplays.replace(before, after))) != erd.dot()


def test_a_key_among_the_columns_is_refused_and_not_left_out():
    with pytest.raises(errors.SyntaxError, match="the keys after the columns"):
        erd.declared("CREATE TABLE t (a INT PRIMARY KEY)")


def test_without_graphviz_the_command_says_how_to_install_it(tmp_path):
    done = run(tmp_path / "erd.png", path=str(tmp_path))
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "apt-get install graphviz" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(not shutil.which("dot"), reason="needs Graphviz")
def test_the_command_draws_the_picture_without_a_warning(tmp_path):
    done = run(tmp_path / "erd.png", path=os.environ["PATH"])
    assert (done.returncode, done.stderr) == (0, "")
    assert erd.text_of((tmp_path / "erd.png").read_bytes()) == erd.dot()


def test_the_readme_shows_the_picture_and_how_to_draw_it():
    readme = (ROOT / "README.md").read_text()
    assert re.search(rf"!\[[^\]]{{20,}}\]\({erd.PICTURE.name}\)", readme)
    assert "python -m warehouse.erd" in readme
