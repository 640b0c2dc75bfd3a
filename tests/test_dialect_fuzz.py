"""Any text is translated or refused, without any other error and in little time.

    python tests/test_dialect_fuzz.py 1000000
"""

import csv
import random
import re
import sys
import time
from pathlib import Path

import psycopg2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from support import ROOT
from support.every_statement import EVERY_STATEMENT

from warehouse.standin.sql.aliases import has_lateral_alias, inline_alias
from warehouse.standin.sql.dialect import has_implicit_commit, is_refused_in_transaction, translate
from warehouse.standin.sql.tokens import split_statements, tokenize

ROWS = csv.DictReader((ROOT / "tests/dialect_rows.csv").read_text().splitlines(keepends=True))
CORPUS = [row["statement"] for row in ROWS] + [
    re.sub(r"%\(\w+\)s", "'x'", sql) for sql in EVERY_STATEMENT.values()
]
PIECES = sorted({token.text for sql in CORPUS if sql != "{huge}" for token in tokenize(sql)}) + [
    "'", '"', "''", "$$", "$a$", "/*", "*/", "--", "(", ")", "((", "))", "[", "]", "\\", "\\'",
    "E'", "U&'", "::", "::varchar(3)", "::char", "CAST(", " END", " CASE ", "%s", "%(a)s", "\0",
    "\n", "é", "\u00a0", "\ud800", "\U0001f3b5", ";", ".", ",", " AS ", "#", "@@", "0x1", "1e",
    " TOP ", " OVER (", "DATEADD(", "LISTAGG(", "WITHIN GROUP (", "DECODE(", "CONVERT(",
    "EXTRACT(", "TRUNCATE ", "MERGE ",
]
NESTED = [
    ("(", ")"), ("(", ")::varchar(3)"), ("CAST(", " AS VARCHAR(3))"), ("NVL2(a, ", ", b)"),
    ("DATEDIFF(month, ", ", d)"), ("DECODE(", ", 1, 2, 3, 4)"), ("EXTRACT(ms FROM ", ")"),
    ("CASE WHEN a = 1 THEN ", " END::varchar(3)"), ("(SELECT TOP 1 ", " FROM t)"), ("/*", "*/"),
    ("SUM(", ") OVER (ORDER BY a ROWS 1 PRECEDING)"), ("a::int + ", "::varchar(2)"),
]
WORST_SECONDS = 1.0


def make_inputs(dice, number):
    for n in range(number):
        if n % 4 == 0:
            yield "".join(dice.choices(PIECES, k=dice.randrange(30)))
            continue
        if n % 401 == 1:
            before, after = dice.choice(NESTED)
            depth = dice.choice((1, 2, 5, 20, 40))
            closed = dice.choice((depth, depth, depth - 1))
            yield f"SELECT {before * depth} 1 {after * closed} FROM t"
            continue
        text = dice.choice(CORPUS)
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(text) + 1)
            until = at + dice.choice((0, 0, 1, 1, 2, 5, 20))
            new = dice.choice(("", " ")) + dice.choice(PIECES) + dice.choice(("", " "))
            text = text[:at] + dice.choice(("", new, new, text[at:until] * 2)) + text[until:]
        yield text[: dice.randrange(len(text) + 1)] if n % 7 == 0 else text


def count_statements(text):
    """Return the number of PostgreSQL's statements that a text becomes, or None if it is refused."""
    try:
        found = 0
        for tokens in split_statements(text):
            translated = translate(tokens)
            assert all(isinstance(sql, str) for sql in translated)
            has_implicit_commit(tokens), is_refused_in_transaction(tokens)
            for sql in translated:
                has_lateral_alias(sql), inline_alias(sql, sql.find(" ", len(sql) // 2) + 2)
            found += len(translated)
        return found
    except psycopg2.Error as error:
        assert "Redshift" in str(error), error
        return None


def test_any_text_is_translated_or_refused():
    dice = random.Random(3)
    outcomes = [count_statements(text) for text in make_inputs(dice, 6000)]
    assert 0.05 < outcomes.count(None) / len(outcomes) < 0.95


def main(number, seed):
    dice, began, crashes, slow, refused = random.Random(seed), time.monotonic(), {}, [], 0
    for text in make_inputs(dice, number):
        started = time.monotonic()
        try:
            refused += count_statements(text) is None
        except Exception as error:
            crashes.setdefault(f"{type(error).__name__}: {error}"[:120], text)
        if (seconds := time.monotonic() - started) > WORST_SECONDS:
            slow.append((seconds, text))
    print(f"{number:,} inputs in {time.monotonic() - began:.0f} s: {refused:,} refused,"
          f" {len(crashes)} kinds of crash, {len(slow)} of more than {WORST_SECONDS} s")
    for what, text in crashes.items():
        print(f"{what}\n    {text!r}")
    for seconds, text in slow:
        print(f"{seconds:.1f} s\n    {text[:300]!r}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
