"""MERGE in Redshift's grammar (r_MERGE), which is a part of PostgreSQL's: what it lacks is refused.

PostgreSQL has MERGE from version 15 on. Two source rows for one target row are an error on both.
"""

import re

from .edit import Edit
from .refused import refusal
from .tokens import identifier

_ACTIONS = re.compile(
    r"when matched then (?:update set .+|delete) "
    r"when not matched then insert (?:\( \) )?values \( \)")
_EQUALITY = re.compile(r"(?:\S+ \. )?\S+ = (?:\S+ \. )?\S+")


def merge(edit: Edit) -> list[str]:
    if edit.word(1) != "into":
        raise edit.unexpected(1, "MERGE INTO")
    end = len(edit.words)
    using = edit.qualified(2)
    if edit.word(using) != "using":
        raise refusal("Redshift's MERGE has no alias for the target", "its name")
    on = _source(edit, using)
    actions = edit.find(on + 1, end, "when", "remove")
    _condition(edit, on + 1, actions)
    if edit.says(actions, "remove duplicates"):
        message = "the stand-in does not emulate Redshift's MERGE … REMOVE DUPLICATES"
        raise refusal(message, "DELETE … USING and INSERT … SELECT")
    level = [w for p, w in enumerate(edit.words) if p >= actions and edit.inside[p] < 0]
    if not _ACTIONS.fullmatch(" ".join(level)) or level.count("when") != 2:
        raise refusal(
            "Redshift's MERGE takes two clauses, no more and no fewer",
            "WHEN MATCHED THEN UPDATE SET … or DELETE, WHEN NOT MATCHED THEN INSERT … VALUES (…)")
    if edit.word(actions + 3) == "update":
        last = edit.find(actions + 5, end, "when")
        for start, _ in edit.split(actions + 5, last):
            if edit.word(start + 1) != "=":
                raise refusal("Redshift's MERGE sets columns without the table's name", "SET a = …")
    return [str(edit)]


def _source(edit: Edit, using: int) -> int:
    """Read what follows USING; return where ON stands."""
    target = edit.name(using - 1)
    if edit.word(using + 1) == "(":
        p = edit.partner[using + 1] + 1
        names = range(using + 2, p)
    else:
        p = edit.qualified(using + 1)
        names = range(p - 1, p)
    tokens = (edit.tokens[q] for q in names)
    if any(t.kind in ("word", "name") and identifier(t) == target for t in tokens):
        message = "Redshift's MERGE takes no source that is or reads its target"
        raise refusal(message, "a temporary table as the source")
    p += edit.word(p) == "as"
    if edit.word(p) != "on":
        edit.name(p)
        p += 1
    if edit.word(p) != "on":
        raise edit.unexpected(p, "ON")
    return p


def _condition(edit: Edit, p: int, end: int) -> None:
    """Columns equal to columns, and nothing else."""
    for part in " ".join(edit.words[p:end]).split(" and "):
        if not _EQUALITY.fullmatch(part):
            message = "Redshift's MERGE matches by columns that are equal"
            raise refusal(message, "ON target.key = source.key")
