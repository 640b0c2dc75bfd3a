"""Aliases: those that PostgreSQL requires and Redshift does not, and lateral aliases.

A lateral alias is a name defined in a SELECT list and used elsewhere in the same SELECT. Redshift
inlines it unless FROM has a column of that name (r_SELECT_list). Only the server knows the columns,
so the statement is run first, and a name that the server does not find is then inlined.
"""

from .edit import Edit
from .refusals import RESERVED
from .tokens import decode_name, tokenize

_FROM_IN_CALLS = ("extract", "overlay", "position", "substring", "trim")
_SET_OPERATIONS = ("union", "except", "intersect", "minus")
_MAX_NESTING = 100  # parentheses around one subquery
_ENDS_LIST = ("from", "into", "where", "group", "having", "order", "limit", "offset",
              *_SET_OPERATIONS)


def name_subquery(edit: Edit, pos: int) -> None:
    """Give a subquery in FROM an alias, which PostgreSQL 15 requires; it opens at `pos`."""
    if not _is_query(edit, pos) or not _is_source(edit, pos):
        return
    close = edit.partner[pos]
    after = close + 1
    if after < len(edit.tokens) and edit.tokens[after].kind in ("word", "name") and (
            edit.words[after] == "as" or edit.words[after] not in RESERVED):
        return
    edit.append(close, f" AS standin_{pos} ")


def _is_query(edit: Edit, pos: int) -> bool:
    for inner in range(pos + 1, pos + _MAX_NESTING):
        if edit.word(inner) != "(":
            return edit.word(inner) in ("select", "with")
        if edit.word(edit.partner[inner] + 1) not in (")", *_SET_OPERATIONS):
            break
    return False


def _is_source(edit: Edit, pos: int) -> bool:
    """Return whether the parenthesis at `pos` opens an item of FROM."""
    limit = pos - _MAX_NESTING
    while pos > limit and edit.word(pos - 1) == "(" and not _is_query(edit, pos - 1):
        pos -= 1
    before = edit.word(pos - 1)
    if before == ",":
        return edit.find_clause(pos) in ("from", "using")
    call = edit.word(edit.inside[pos] - 1) if edit.inside[pos] > 0 else ""
    return before in ("join", "using") or before == "from" and call not in _FROM_IN_CALLS


def has_lateral_alias(sql: str) -> bool:
    """Return whether a name of a SELECT list is used elsewhere in the same SELECT."""
    if "select" not in sql.lower():
        return False
    edit = Edit(tokenize(sql))
    selects = _find_selects(edit)
    aliases = {select: {name: at for name, at, _ in _find_aliases(edit, select)}
               for select in set(selects) if select >= 0}
    return any(_is_name(edit, pos) and aliases[select].get(decode_name(edit.tokens[pos]), pos) != pos
               for pos, select in enumerate(selects) if select >= 0)


def inline_alias(sql: str, position: int) -> str | None:
    """Return the statement with the lateral alias at a character (from 1) replaced by its expression.

    None if there is none. An alias is visible after its definition, and not in FROM.
    """
    edit = Edit(tokenize(sql))
    length, starts = 0, {}
    for i, text in enumerate(edit.texts):
        starts[length] = i
        length += len(text)
    if starts.get(position - 1) not in edit.indexes:
        return None
    pos = edit.indexes.index(starts[position - 1])
    select = _find_selects(edit)[pos]
    if select < 0 or not _is_name(edit, pos) or _find_clause(edit, pos, select) == "from":
        return None
    name = decode_name(edit.tokens[pos])
    definitions = [(alias_pos, expression)
                   for alias, alias_pos, expression in _find_aliases(edit, select) if alias == name]
    if len(definitions) != 1 or definitions[0][0] >= pos:
        return None
    edit.replace(pos, pos + 1, f"({definitions[0][1]})")
    return str(edit)


def _find_selects(edit: Edit) -> list[int]:
    """Return, for each position, the position of the SELECT it belongs to, or -1."""
    selects, current = [], [-1]
    for word in edit.words:
        if word == "select":
            current[-1] = len(selects)
        selects.append(current[-1])
        if word == "(":
            current.append(current[-1])
        elif word == ")":
            current.pop()
    return selects


def _find_clause(edit: Edit, pos: int, select: int) -> str:
    """Return the clause of a SELECT that contains a position, at any depth of parentheses."""
    while edit.inside[pos] != edit.inside[select]:
        pos = edit.inside[pos]
    return edit.find_clause(pos)


def _is_name(edit: Edit, pos: int) -> bool:
    return (edit.tokens[pos].kind in ("word", "name") and edit.word(pos - 1) != "."
            and edit.word(pos + 1) not in (".", "("))


def _find_aliases(edit: Edit, select: int) -> list[tuple[str, int, str]]:
    """Return the aliases of a SELECT list: name, position and expression."""
    start = select + 1 + (edit.word(select + 1) in ("all", "distinct"))
    close = edit.partner.get(edit.inside[select], len(edit.words))
    aliases = []
    for first, end in edit.split(start, edit.find(start, close, *_ENDS_LIST)):
        pos = end - 1
        if pos <= first or not _is_name(edit, pos):
            continue
        last = pos - 1 - (edit.word(pos - 1) == "as")
        if last >= first and (edit.tokens[last].kind != "op" or edit.words[last] == ")"):
            aliases.append((decode_name(edit.tokens[pos]), pos, edit.text(first, last + 1)))
    return aliases
