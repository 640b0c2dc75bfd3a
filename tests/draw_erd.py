"""Draw the tables of sql_queries.py as sparkifydb_erd.png. Needs Graphviz.

    python tests/draw_erd.py

The text of the diagram is kept next to this file, with the checksum of the picture, so that a test can
check without Graphviz that the picture still shows what sql_queries.py declares.
"""

import hashlib
import os
import re
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import sql_queries
from warehouse.database.statements import subject_of
from warehouse.tables import parse_columns

ROOT = Path(sql_queries.__file__).resolve().parent
DRAWN = (sql_queries.loads_table_create, *sql_queries.create_table_queries)
PICTURE = ROOT / "sparkifydb_erd.png"
TEXT = ROOT / "tests/sparkifydb_erd.dot"
NO_GRAPHVIZ = ("there is no Graphviz (the command dot) on this machine. Install it: apt-get install"
               " graphviz, dnf install graphviz, or brew install graphviz.")


class Table(NamedTuple):
    """What a CREATE TABLE declares. foreign: the table and column that a column refers to; storage:
    distribution and sort key as written."""

    name: str
    columns: dict[str, str]
    nullable: list[str]
    primary: list[str]
    foreign: dict[str, tuple[str, str]]
    storage: str


def read_table(sql: str) -> Table:
    """Read a CREATE TABLE statement, whose keys are of one column and stand after the columns."""
    body, _, after = re.sub(" *--.*", "", sql).partition("\n)")
    columns = parse_columns(sql)
    required = re.findall(r"^    (\w+) .*\bNOT NULL", body, re.MULTILINE)
    primary = re.findall(r"^    PRIMARY KEY \((\w+)\)", body, re.MULTILINE)
    foreign = re.findall(
        r"^    FOREIGN KEY \((\w+)\) REFERENCES (\w+) \((\w+)\)", body, re.MULTILINE)
    if len(re.findall("PRIMARY|REFERENCES", body)) != len(primary) + len(foreign):
        raise ValueError(f"{subject_of(sql)}: write the keys after the columns, each of one column")
    return Table(
        subject_of(sql), columns, [column for column in columns if column not in required], primary,
        {column: (table, key) for column, table, key in foreign},
        " · ".join(line.strip() for line in after.splitlines() if line.strip()))


# Header, its text, border and stripe of the fact, of a dimension, and of what feeds them.
FACT = ("#1d4e89", "#ffffff", "#1d4e89", "#e8f0f9")
DIMENSION = ("#2a7f62", "#ffffff", "#2a7f62", "#e9f5f0")
FEEDING = ("#eceff1", "#455a64", "#b0bec5", "#fafbfc")
GRAPH = """\
digraph sparkifydb {
graph [rankdir=LR, nodesep=0.3, ranksep=1.2, pad=0.2, dpi=108, bgcolor="#ffffff"]
node [shape=plain, fontname="Helvetica", fontsize=10.5, fontcolor="#263238"]
edge [color="#546e7a", penwidth=1.3, arrowsize=0.9, dir=both]
"""


def dot(queries: tuple[str, ...] = DRAWN) -> str:
    """Write the diagram in Graphviz's language: the fact between its dimensions, others below."""
    tables = [read_table(sql) for sql in queries]
    fact = max(tables, key=lambda table: len(table.foreign))
    names = list(dict.fromkeys(name for name, _ in fact.foreign.values()))
    left, right = names[: len(names) // 2], names[len(names) // 2 :]
    place = dict.fromkeys(left, 0) | {fact.name: 1} | dict.fromkeys(right, 2)
    star = [table for table in tables if table.name in place]
    lines = write_feeding([table for table in tables if table not in star])  # first, so it is below
    lines += [write_box(table, FACT if table is fact else DIMENSION) for table in star]
    lines += [write_relation(table, column, place) for table in star for column in table.foreign]
    lines += [f"{{rank=same; {'; '.join(side)}}}" for side in (left, right) if side]
    return GRAPH + "\n".join(lines) + "\n}\n"


def write_box(table: Table, colours: tuple[str, str, str, str]) -> str:
    """Write a table; the ports of a column are its name and its name with _key."""
    header, text, border, stripe = colours
    rows = [write_row(table, column, stripe if number % 2 else "#ffffff")
            for number, column in enumerate(table.columns)]
    return (f'{table.name} [label=<<table border="1" cellborder="0" cellspacing="0"'
            f' cellpadding="3" color="{border}" bgcolor="#ffffff">'
            f'<tr><td colspan="3" bgcolor="{header}" cellpadding="5"><font color="{text}"'
            f' point-size="13"><b>{table.name}</b></font></td></tr>{"".join(rows)}'
            f'<tr><td colspan="3" align="left" border="1" sides="T" color="{border}">'
            f'<font color="#607d8b" point-size="8.5">{escape(table.storage)}</font></td></tr>'
            '</table>>]')


def write_row(table: Table, column: str, colour: str) -> str:
    keys = ["PK"] * (column in table.primary) + ["FK"] * (column in table.foreign)
    name = f"<b>{column}</b>" if keys else column
    null = '<font color="#90a4ae"> null</font>' if column in table.nullable else ""
    mark = f'<font color="#c2571a" point-size="8.5"><b>{" ".join(keys)}</b></font>' if keys else ""
    cells = (
        f'port="{column}_key">{mark}',
        f">{name}",
        f'port="{column}"><font color="#546e7a" point-size="9.5">'
        f'{table.columns[column]}{null}</font>',
    )
    return "<tr>" + "".join(f'<td align="left" bgcolor="{colour}" {cell}</td>'
                            for cell in cells) + "</tr>"


def write_relation(table: Table, column: str, place: dict[str, int]) -> str:
    """Write a line from a foreign key (any number of rows) to the key it refers to (one row, or
    none where the foreign key may be NULL), between the sides that face."""
    other, key = table.foreign[column]
    one, many = "teeodot" if column in table.nullable else "teetee", "crowodot"
    here, there = place[table.name], place[other]
    if there < here:  # backwards, because Graphviz puts the start of a line to the left
        return (f"{other}:{key}:e -> {table.name}:{column}_key:w"
                f" [arrowtail={one}, arrowhead={many}]")
    if there == here:  # around a corner to the right: dot loses the ends of a line within a rank
        corner = f"{table.name}_{column}"
        return (f'{corner} [shape=point, width=0.02, color="#546e7a"]\n'
                f"{table.name}:{column}:e -> {corner}:n [arrowtail={many}, arrowhead=none]\n"
                f"{other}:{key}:e -> {corner}:s [arrowtail={one}, arrowhead=none]")
    return f"{table.name}:{column}:e -> {other}:{key}_key:w [arrowtail={many}, arrowhead={one}]"


def write_feeding(tables: list[Table]) -> list[str]:
    """Write the tables that no key leads to: in a frame, in columns of about equal height."""
    columns = [[], [], []]
    for table in tables:
        min(columns, key=lambda column: sum(len(t.columns) for t in column)).append(table)
    return ["subgraph cluster_feeding {",
            'graph [label="what loads read, keep and record", labeljust=l, fontname="Helvetica",'
            ' fontsize=11, fontcolor="#78909c", style="rounded,dashed", color="#b0bec5",'
            ' margin=12]',
            *(write_box(table, FEEDING) for table in tables),
            *(f"{left.name} -> {right.name} [style=invis]"
              for number in (0, 1) for left in columns[number] for right in columns[number + 1]),
            "}"]


def add_checksum(text: str, png: bytes) -> str:
    """Return the text of a diagram with the checksum of its picture as a comment."""
    return f"// {PICTURE.name}: SHA-256 {hashlib.sha256(png).hexdigest()}\n{text}"


def draw(picture: Path = PICTURE, text: Path = TEXT) -> None:
    """Draw the tables and keep the text. On a failure, both files stay as they were.

    The text comes last: if it is not replaced, its checksum is not that of the new picture.
    """
    try:
        done = subprocess.run(["dot", "-Tpng"], input=dot().encode(), stdout=subprocess.PIPE)
    except FileNotFoundError:
        sys.exit(NO_GRAPHVIZ)
    if done.returncode:
        sys.exit("dot failed; nothing is changed")
    for file, data in ((picture, done.stdout), (text, add_checksum(dot(), done.stdout).encode())):
        new = file.with_name(f".{file.name}.new")
        new.write_bytes(data)
        os.replace(new, file)


if __name__ == "__main__":
    draw()
    print(f"drew {PICTURE} and wrote {TEXT}")
