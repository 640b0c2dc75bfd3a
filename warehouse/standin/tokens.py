"""SQL text -> tokens, by PostgreSQL's lexical rules; what the tokens mean is for others to say."""

import re
from typing import NamedTuple

from psycopg2 import errors

_TOKEN = re.compile(
    r"""
      (?P<space> [ \t\r\n\f\v]+)
    | (?P<string> [eE]'(?:[^'\\]|\\.|'')*' | (?:[uU]&)?'(?:[^']|'')*'
                | (?P<tag> \$(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?\$) .*? (?P=tag))
    | (?P<name> (?:[uU]&)?"(?:[^"]|"")*")
    | (?P<comment> --[^\r\n]* | /\*)
    | (?P<open> [eE]?'|"|[uU]&['"]|\$(?:[A-Za-z_]\w*)?\$)
    | (?P<word> \#?[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)
    | (?P<number> (?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<op> ::|\|\|/?|<=|>=|<>|!=|->>|->|\#>>|\#>|@>|<@|&&|\?\||\?&|!?~~?\*?|.)
    """,
    re.VERBOSE | re.DOTALL,
)
SILENT = ("space", "comment")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# PostgreSQL folds the letters of ASCII only.
_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|(.))|''", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Token(NamedTuple):
    """A piece of SQL; kind is word, name (quoted), string, number, space, comment or op."""

    kind: str
    text: str


def tokenize(sql: str) -> list[Token]:
    """Cut a text into tokens that, joined, give the text again."""
    tokens = []
    position, length = 0, len(sql)
    while position < length:
        match = _TOKEN.match(sql, position)
        kind, end = match.lastgroup, match.end()
        if kind == "comment" and match[0] == "/*":
            end = _comment_end(sql, position)
        elif kind == "open":
            raise _unterminated("quote", position)
        tokens.append(Token(kind, sql[position:end]))
        position = end
    return tokens


def _comment_end(sql: str, start: int) -> int:
    """Where a comment ends; comments of this kind nest."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise _unterminated("comment", start)


def _unterminated(what: str, position: int) -> Exception:
    message = f"Redshift finds no end to the {what} that begins at character {position + 1}"
    return errors.SyntaxError(message)


def statements(sql: str) -> list[list[Token]]:
    """The statements of a script, without semicolons; those that say nothing are left out."""
    found = [[]]
    for token in tokenize(sql):
        if token.text == ";":
            found.append([])
        else:
            found[-1].append(token)
    return [tokens for tokens in found if any(t.kind not in SILENT for t in tokens)]


def first_word(tokens: list[Token]) -> str:
    """The verb of a statement in lower case, empty if it begins with none."""
    first = next((t for t in tokens if t.kind not in SILENT), None)
    return folded(first.text) if first and first.kind == "word" else ""


def literal(token: Token) -> str:
    """The value that a string token stands for."""
    text = token.text
    if text[0] == "$":
        width = text.index("$", 1) + 1
        return text[width:-width]
    if text[0] in "eE":
        return _ESCAPE.sub(_unescape, text[2:-1])
    return text[text.index("'") + 1 : -1].replace("''", "'")


def _unescape(match: re.Match) -> str:
    octal, byte, point, letter = match.groups()
    if match[0] == "''":
        return "'"
    if letter:
        return _ESCAPED.get(letter, letter)
    return chr(int(octal, 8) & 255 if octal else int(byte or point, 16))


def identifier(token: Token) -> str:
    """The name as Redshift folds it: lower case even when quoted (r_names)."""
    text = token.text
    if token.kind == "name":
        text = text[text.index('"') + 1 : -1].replace('""', '"')
    return folded(text)


def folded(text: str) -> str:
    return text.translate(_FOLD)


def quoted(name: str) -> str:
    """A name as SQL text."""
    return '"' + name.replace('"', '""') + '"'
