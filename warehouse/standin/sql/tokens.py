"""SQL text -> tokens, by Redshift's lexical rules.

Those are the rules of an old PostgreSQL: a backslash is an escape character in every '…', as it is
today with standard_conforming_strings off.
"""

import re
from typing import NamedTuple

from psycopg2 import errors

# Every character outside ASCII is a letter. A negated class, because a range up to \U0010ffff
# compiles slowly.
_LETTER = r"[^\x00-@\[-^`{-\x7f]"
_LETTER_OR_DIGIT = r"[^\x00-/:-@\[-^`{-\x7f]"
_LETTER_DIGIT_OR_DOLLAR = r"[^\x00-#%-/:-@\[-^`{-\x7f]"

_TOKEN = re.compile(
    rf"""
      (?P<space> [ \t\r\n\f\v]+)
    | (?P<string> (?:[eE]|[uU]&)?'(?>(?:[^'\\]++|\\.|'')*)'
                | (?P<tag> \$(?:{_LETTER}{_LETTER_OR_DIGIT}*)?\$) .*? (?P=tag))
    | (?P<name> (?:[uU]&)?"(?>(?:[^"]++|"")*)")
    | (?P<comment> --[^\r\n]* | /\*)
    | (?P<open> [eE]?'|"|[uU]&['"]|\$(?:[A-Za-z_]\w*)?\$)
    | (?P<word> \#?{_LETTER}{_LETTER_DIGIT_OR_DOLLAR}*)
    | (?P<number> (?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<op> ::|\|\|/?|<=|>=|<>|!=|->>|->|\#>>|\#>|@>|<@|@@|&&|\?\||\?&|!?~~?\*?|.)
    """,
    re.VERBOSE | re.DOTALL,
)
SILENT = ("space", "comment")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# PostgreSQL folds ASCII letters only.
_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|(.))|''", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Token(NamedTuple):
    """A piece of SQL; kind is word, name (quoted), string, number, space, comment or op."""

    kind: str
    text: str


def tokenize(sql: str) -> list[Token]:
    """Split a text into tokens; joined, they give the text again."""
    if "\0" in sql:
        raise errors.SyntaxError("Redshift takes no character NUL in a statement")
    tokens = []
    position, length = 0, len(sql)
    while position < length:
        match = _TOKEN.match(sql, position)
        kind, end = match.lastgroup, match.end()
        if kind == "comment" and match[0] == "/*":
            end = _find_comment_end(sql, position)
        elif kind == "open":
            raise _missing_end("quote", position)
        tokens.append(Token(kind, sql[position:end]))
        position = end
    return tokens


def _find_comment_end(sql: str, start: int) -> int:
    """Return the end of a /* comment */; these nest."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise _missing_end("comment", start)


def _missing_end(what: str, position: int) -> Exception:
    message = f"Redshift finds no end to the {what} that begins at character {position + 1}"
    return errors.SyntaxError(message)


def split_statements(sql: str) -> list[list[Token]]:
    """Split a script at its semicolons into statements; empty ones are left out."""
    parts = [[]]
    for token in tokenize(sql):
        if token.text == ";":
            parts.append([])
        else:
            parts[-1].append(token)
    return [tokens for tokens in parts if any(token.kind not in SILENT for token in tokens)]


def first_word(tokens: list[Token]) -> str:
    """Return the verb of a statement in lower case, or '' if it does not begin with a word."""
    first = next((token for token in tokens if token.kind not in SILENT), None)
    return fold_case(first.text) if first and first.kind == "word" else ""


def decode_string(token: Token) -> str:
    """Return the value of a string token."""
    text = token.text
    if text[0] == "$":
        width = text.index("$", 1) + 1
        return text[width:-width]
    return _ESCAPE.sub(_unescape, text[text.index("'") + 1 : -1])


def _unescape(match: re.Match) -> str:
    octal, letter = match.groups()
    if octal:
        return chr(int(octal, 8) & 255)
    return _ESCAPED.get(letter, letter) if letter else "'"


def decode_name(token: Token) -> str:
    """Return the name as Redshift folds it: in lower case even when quoted (r_names)."""
    text = token.text
    if token.kind == "name":
        text = text[text.index('"') + 1 : -1].replace('""', '"')
    return fold_case(text)


def fold_case(text: str) -> str:
    return text.translate(_FOLD)


def quote_name(name: str) -> str:
    """Return a name as SQL text."""
    return '"' + name.replace('"', '""') + '"'


def quote_string(value: str) -> str:
    """Return a string as SQL text."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
