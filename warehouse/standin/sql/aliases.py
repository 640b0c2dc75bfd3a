"""Aliases: PostgreSQL wants one where Redshift needs none, and does not know all that it knows.

A lateral alias is a name of the SELECT list used elsewhere in the same SELECT. Redshift inlines it
where FROM has no column of that name (r_SELECT_list). Only the server knows the columns: it is asked
first, and the name that it does not find is replaced.
"""

from .edit import Edit
from .refused import RESERVED
from .tokens import decode_name, tokenize

_FROM_IN_CALLS = ("extract", "overlay", "position", "substring", "trim")
_SET_OPERATIONS = ("union", "except", "intersect", "minus")
_DEEPEST = 100  # parentheses around one subquery
_ENDS_LIST = ("from", "into", "where", "group", "having", "order", "limit", "offset",
              *_SET_OPERATIONS)


def name_subquery(edit: Edit, p: int) -> None:
    """Give the subquery that opens here in FROM the alias that PostgreSQL 15 wants."""
    if not _is_query(edit, p) or not _is_source(edit, p):
        return
    close = edit.partner[p]
    after = close + 1
    if after < len(edit.tokens) and edit.tokens[after].kind in ("word", "name") and (
            edit.words[after] == "as" or edit.words[after] not in RESERVED):
        return
    edit.add(close, f" AS standin_{p} ")


def _is_query(edit: Edit, p: int) -> bool:
    for inner in range(p + 1, p + _DEEPEST):
        if edit.word(inner) != "(":
            return edit.word(inner) in ("select", "with")
        if edit.word(edit.partner[inner] + 1) not in (")", *_SET_OPERATIONS):
            break
    return False


def _is_source(edit: Edit, p: int) -> bool:
    """Whether an item of FROM opens here."""
    deepest = p - _DEEPEST
    while p > deepest and edit.word(p - 1) == "(" and not _is_query(edit, p - 1):
        p -= 1
    before = edit.word(p - 1)
    if before == ",":
        return edit.clause(p) in ("from", "using")
    call = edit.word(edit.inside[p] - 1) if edit.inside[p] > 0 else ""
    return before in ("join", "using") or before == "from" and call not in _FROM_IN_CALLS


def has_lateral_alias(sql: str) -> bool:
    """Whether a name of a SELECT list is used elsewhere in the same SELECT."""
    if "select" not in sql.lower():
        return False
    edit = Edit(tokenize(sql))
    selects = _selects(edit)
    labels = {select: {name: at for name, at, _ in _labels(edit, select)}
              for select in set(selects) if select >= 0}
    return any(_is_name(edit, p) and labels[select].get(decode_name(edit.tokens[p]), p) != p
               for p, select in enumerate(selects) if select >= 0)


def inline_alias(sql: str, position: int) -> str | None:
    """The statement with the lateral alias at a character replaced by what it stands for.

    None if there is none. An alias is known after its definition, and not in FROM.
    """
    edit = Edit(tokenize(sql))
    length, starts = 0, {}
    for i, text in enumerate(edit.out):
        starts[length] = i
        length += len(text)
    if starts.get(position - 1) not in edit.at:
        return None
    p = edit.at.index(starts[position - 1])
    select = _selects(edit)[p]
    if select < 0 or not _is_name(edit, p) or _clause_within(edit, p, select) == "from":
        return None
    name = decode_name(edit.tokens[p])
    found = [(at, expression) for label, at, expression in _labels(edit, select) if label == name]
    if len(found) != 1 or found[0][0] >= p:
        return None
    edit.put(p, p + 1, f"({found[0][1]})")
    return str(edit)


def _selects(edit: Edit) -> list[int]:
    """For each position that of the SELECT to which it belongs, or -1."""
    found, current = [], [-1]
    for word in edit.words:
        if word == "select":
            current[-1] = len(found)
        found.append(current[-1])
        if word == "(":
            current.append(current[-1])
        elif word == ")":
            current.pop()
    return found


def _clause_within(edit: Edit, p: int, select: int) -> str:
    """The clause of a SELECT in which a position stands, in parentheses of its own or not."""
    while edit.inside[p] != edit.inside[select]:
        p = edit.inside[p]
    return edit.clause(p)


def _is_name(edit: Edit, p: int) -> bool:
    return (edit.tokens[p].kind in ("word", "name") and edit.word(p - 1) != "."
            and edit.word(p + 1) not in (".", "("))


def _labels(edit: Edit, select: int) -> list[tuple[str, int, str]]:
    """The names that a SELECT list gives, their positions and what they stand for."""
    start = select + 1 + (edit.word(select + 1) in ("all", "distinct"))
    close = edit.partner.get(edit.inside[select], len(edit.words))
    labels = []
    for first, end in edit.split(start, edit.find(start, close, *_ENDS_LIST)):
        at = end - 1
        if at <= first or not _is_name(edit, at):
            continue
        last = at - 1 - (edit.word(at - 1) == "as")
        if last >= first and (edit.tokens[last].kind != "op" or edit.words[last] == ")"):
            labels.append((decode_name(edit.tokens[at]), at, edit.text(first, last + 1)))
    return labels
