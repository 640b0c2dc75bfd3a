"""python -m warehouse.erd: draw the tables of sql_queries.py as sparkifydb_erd.png, by Graphviz.

The picture says what it was drawn from: its DOT text is in the PNG, so that a test can tell,
without Graphviz, whether it still shows what sql_queries.py declares.
"""

import argparse
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import sql_queries

from . import WarehouseError
from .standin.sql.column_types import read_type
from .standin.sql.edit import Edit
from .standin.sql.tokens import statements

DRAWN = (sql_queries.loads_table_create, *sql_queries.create_table_queries)
PICTURE = Path(sql_queries.__file__).with_name("sparkifydb_erd.png")
KEYWORD = b"dot"  # of the text in the PNG
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class Table:
    """What a CREATE TABLE declares. columns: type and whether it may be NULL; foreign: the table
    and column that a column refers to; storage: distribution and sort key as written."""

    name: str
    columns: dict[str, tuple[str, bool]] = field(default_factory=dict)
    primary: list[str] = field(default_factory=list)
    foreign: dict[str, tuple[str, str]] = field(default_factory=dict)
    storage: str = ""


def declared(sql: str) -> Table:
    """Read a CREATE TABLE statement, whose keys are of the table and of one column each."""
    tokens = statements(sql)[0]
    edit = Edit(tokens)
    opened = edit.words.index("(")
    table = Table(edit.name(opened - 1))
    for start, end in edit.split(opened + 1, edit.partner[opened]):
        if edit.says(start, "primary key"):
            table.primary = edit.names(start + 2)
        elif edit.says(start, "foreign key"):
            references = edit.partner[start + 2] + 1
            (column,), (other,) = edit.names(start + 2), edit.names(references + 2)
            table.foreign[column] = (edit.name(references + 1), other)
        else:
            kind = read_type(edit, start + 1)
            if {"primary", "references"} & set(edit.words[kind.end : end]):
                raise edit.unexpected(kind.end, "the keys after the columns")
            may_be_null = not edit.says(kind.end, "not null")
            table.columns[edit.name(start)] = (edit.text(start + 1, kind.end), may_be_null)
    after = tokens[edit.at[edit.partner[opened]] + 1 :]
    lines = "".join(token.text for token in after if token.kind != "comment").splitlines()
    table.storage = " · ".join(line.strip() for line in lines if line.strip())
    return table


# --------------------------------------------------------------------------------------------- DOT

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
    """The diagram in Graphviz's language: the fact amid its dimensions, whatever else below."""
    tables = [declared(sql) for sql in queries]
    fact = max(tables, key=lambda table: len(table.foreign))
    names = list(dict.fromkeys(name for name, _ in fact.foreign.values()))
    left, right = names[: len(names) // 2], names[len(names) // 2 :]
    place = dict.fromkeys(left, 0) | {fact.name: 1} | dict.fromkeys(right, 2)
    star = [table for table in tables if table.name in place]
    lines = feeding([table for table in tables if table not in star])  # first, so it is below
    lines += [box(table, FACT if table is fact else DIMENSION) for table in star]
    lines += [relation(table, column, place) for table in star for column in table.foreign]
    lines += [f"{{rank=same; {'; '.join(side)}}}" for side in (left, right) if side]
    return GRAPH + "\n".join(lines) + "\n}\n"


def box(table: Table, colours: tuple[str, str, str, str]) -> str:
    """A table as Graphviz draws it; the ports of a column are its name and its name with _key."""
    header, text, border, stripe = colours
    rows = [row(table, column, stripe if number % 2 else "#ffffff")
            for number, column in enumerate(table.columns)]
    return (f'{table.name} [label=<<table border="1" cellborder="0" cellspacing="0"'
            f' cellpadding="3" color="{border}" bgcolor="#ffffff">'
            f'<tr><td colspan="3" bgcolor="{header}" cellpadding="5"><font color="{text}"'
            f' point-size="13"><b>{table.name}</b></font></td></tr>{"".join(rows)}'
            f'<tr><td colspan="3" align="left" border="1" sides="T" color="{border}">'
            f'<font color="#607d8b" point-size="8.5">{escape(table.storage)}</font></td></tr>'
            '</table>>]')


def row(table: Table, column: str, colour: str) -> str:
    kind, may_be_null = table.columns[column]
    keys = ["PK"] * (column in table.primary) + ["FK"] * (column in table.foreign)
    name = f"<b>{column}</b>" if keys else column
    null = '<font color="#90a4ae"> null</font>' if may_be_null else ""
    mark = f'<font color="#c2571a" point-size="8.5"><b>{" ".join(keys)}</b></font>' if keys else ""
    cells = (
        f'port="{column}_key">{mark}',
        f">{name}",
        f'port="{column}"><font color="#546e7a" point-size="9.5">{kind}{null}</font>',
    )
    return "<tr>" + "".join(f'<td align="left" bgcolor="{colour}" {cell}</td>'
                            for cell in cells) + "</tr>"


def relation(table: Table, column: str, place: dict[str, int]) -> str:
    """A line from a foreign key (any number of rows) to the key it refers to (one row, or none
    where the foreign key may be NULL), between the sides that face."""
    other, key = table.foreign[column]
    one, many = "teeodot" if table.columns[column][1] else "teetee", "crowodot"
    here, there = place[table.name], place[other]
    if there < here:  # backwards, for Graphviz puts to the left what a line begins at
        return (f"{other}:{key}:e -> {table.name}:{column}_key:w"
                f" [arrowtail={one}, arrowhead={many}]")
    if there == here:  # around a corner to the right: dot loses the ends of a line within a rank
        corner = f"{table.name}_{column}"
        return (f'{corner} [shape=point, width=0.02, color="#546e7a"]\n'
                f"{table.name}:{column}:e -> {corner}:n [arrowtail={many}, arrowhead=none]\n"
                f"{other}:{key}:e -> {corner}:s [arrowtail={one}, arrowhead=none]")
    return f"{table.name}:{column}:e -> {other}:{key}_key:w [arrowtail={many}, arrowhead={one}]"


def feeding(tables: list[Table]) -> list[str]:
    """The tables that no key leads to: in a frame, in columns of about equal height."""
    columns = [[], [], []]
    for table in tables:
        min(columns, key=lambda column: sum(len(t.columns) for t in column)).append(table)
    return ["subgraph cluster_feeding {",
            'graph [label="what loads read, keep and record", labeljust=l, fontname="Helvetica", fontsize=11,'
            ' fontcolor="#78909c", style="rounded,dashed", color="#b0bec5", margin=12]',
            *(box(table, FEEDING) for table in tables),
            *(f"{left.name} -> {right.name} [style=invis]"
              for number in (0, 1) for left in columns[number] for right in columns[number + 1]),
            "}"]


# --------------------------------------------------------------------------------------------- PNG

def drawn(text: str) -> bytes:
    """The PNG of a DOT text, which it holds; WarehouseError where Graphviz is missing or fails."""
    try:
        done = subprocess.run(["dot", "-Tpng"], input=text.encode(), capture_output=True)
    except FileNotFoundError as error:
        raise WarehouseError(
            "there is no Graphviz (the command dot) on this machine. Install it: apt-get install"
            " graphviz, dnf install graphviz, or brew install graphviz.") from error
    if done.returncode:
        raise WarehouseError(f"dot failed: {done.stderr.decode(errors='replace').strip()}")
    return with_text(done.stdout, text)


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Type and content of each chunk of a PNG (RFC 2083, 3.2)."""
    found, position = [], len(PNG)
    while position < len(png):
        length, kind = struct.unpack_from(">I4s", png, position)
        found.append((kind, png[position + 8 : position + 8 + length]))
        position += length + 12
    return found


def with_text(png: bytes, text: str) -> bytes:
    """The PNG with a text in a compressed chunk of its own (zTXt), right before the end."""
    body = KEYWORD + b"\0\0" + zlib.compress(text.encode(), 9)
    parts = chunks(png)
    parts.insert(-1, (b"zTXt", body))
    return PNG + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts)


def text_of(png: bytes) -> str:
    """The text that with_text put into a PNG, '' if there is none."""
    start = KEYWORD + b"\0\0"
    texts = [body.removeprefix(start) for kind, body in chunks(png)
             if kind == b"zTXt" and body.startswith(start)]
    return zlib.decompress(texts[0]).decode() if texts else ""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m warehouse.erd",
        description="Draw the tables of sql_queries.py. Needs Graphviz.")
    parser.add_argument("file", nargs="?", type=Path, default=PICTURE,
                        help="the PNG to write (default: %(default)s)")
    file = parser.parse_args(arguments).file
    try:
        file.write_bytes(drawn(dot()))
    except (WarehouseError, OSError) as error:
        print(error, file=sys.stderr)
        return WarehouseError.exit_status
    print(f"drew {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
