"""Redshift SQL -> PostgreSQL SQL, token by token; what Redshift refuses is refused here too.

Text in, text out: nothing here talks to a database, and COPY belongs to the module `copy`.
"""

import hashlib
import re
from typing import NamedTuple

from psycopg2 import errors

from .refused import (
    ADVICE_ON_TYPES,
    CAST_TYPES,
    LEADER_FUNCTIONS,
    LEADER_WORDS,
    RESERVED,
    TYPES,
    refusal,
    refuse,
    refuse_function,
    refuse_leader_function,
    refuse_type,
)

SYSTEM_RELATIONS = frozenset(
    "sys_load_error_detail stl_load_errors sys_load_history svv_transactions".split()
)
SYSTEM_FUNCTIONS = frozenset("pg_last_copy_count pg_last_copy_id".split())

# cm_chap_ConfigurationRef: settings that PostgreSQL has too, and those it only remembers.
SHARED_SETTINGS = frozenset("""
    application_name client_encoding datestyle extra_float_digits search_path statement_timeout
    timezone
""".split())
REMEMBERED_SETTINGS = frozenset("""
    analyze_threshold_percent enable_result_cache_for_session error_on_nondeterministic_update
    query_group wlm_query_slot_count
""".split())

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
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        kind, end = match.lastgroup, match.end()
        if match[0] == "/*":
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
        if token == ("op", ";"):
            found.append([])
        else:
            found[-1].append(token)
    return [s for s in found if any(t.kind not in ("space", "comment") for t in s)]


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
    return text.translate(_FOLD)


def first_word(tokens: list[Token]) -> str:
    """The verb of a statement in lower case, empty if it begins with none."""
    first = next((t for t in tokens if t.kind not in ("space", "comment")), Token("op", ""))
    return first.text.translate(_FOLD) if first.kind == "word" else ""


def commits(tokens: list[Token]) -> bool:
    """Whether Redshift commits right after the statement (r_TRUNCATE)."""
    return first_word(tokens) == "truncate"


class Edit:
    """One statement, read and changed by the positions of its significant tokens.

    `words` never changes: it is the outline that refused.py describes. What is put or dropped
    shows in `text` only. Comments and layout stay wherever nothing is put over them.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self.out = [t.text for t in tokens]
        self.at = [i for i, t in enumerate(tokens) if t.kind not in ("space", "comment")]
        self.tokens = [tokens[i] for i in self.at]
        self.words = [_outline(t) for t in self.tokens]
        self.depth, self.close = _pairs(self.words)

    def word(self, p: int) -> str:
        """The word at a position, empty outside of the statement."""
        return self.words[p] if 0 <= p < len(self.words) else ""

    def says(self, p: int, words: str) -> bool:
        """Whether these words, blanks between them, stand at a position."""
        expected = words.split()
        return self.words[p : p + len(expected)] == expected

    def text(self, p: int, q: int) -> str:
        """The text from p up to q as it is by now."""
        if p >= min(q, len(self.at)):
            return ""
        return "".join(self.out[self.at[p] : self.at[q - 1] + 1])

    def put(self, p: int, q: int, text: str) -> None:
        first, last = self.at[p], self.at[q - 1]
        self.out[first : last + 1] = [text] + [""] * (last - first)

    def add(self, p: int, text: str) -> None:
        self.out[self.at[p]] += text

    def drop(self, p: int, q: int) -> None:
        """Take tokens out, and the blanks before them."""
        self.put(p, q, "")
        before = self.at[p] - 1
        if before > 0 and self.out[before].strip(" ") == "":
            self.out[before] = ""

    def split(self, p: int, q: int) -> list[tuple[int, int]]:
        """The ranges between the commas of a list, which begins at p and ends before q."""
        if p >= q:
            return []
        level = self.depth[p]
        commas = [i for i in range(p, q) if self.words[i] == "," and self.depth[i] == level]
        return list(zip([p] + [c + 1 for c in commas], commas + [q]))

    def find(self, p: int, q: int, *words: str) -> int:
        """The first position of one of the words at the level of p, or q."""
        level = self.depth[p] if p < q else 0
        found = (i for i in range(p, q) if self.words[i] in words and self.depth[i] == level)
        return next(found, q)

    def name(self, p: int) -> str:
        """The name that stands at a position, as Redshift folds it."""
        if p >= len(self.tokens) or self.tokens[p].kind not in ("word", "name"):
            raise self.unexpected(p, "a name")
        if self.words[p] in RESERVED:
            message = f"{self.words[p].upper()} is a reserved word of Redshift"
            raise refusal(message, f'"{self.words[p]}" or choose another name', errors.SyntaxError)
        return identifier(self.tokens[p])

    def qualified(self, p: int) -> int:
        """The position after a name that may have a schema before it."""
        self.name(p)
        while self.word(p + 1) == ".":
            p += 2
            self.name(p)
        return p + 1

    def names(self, p: int) -> dict[str, str]:
        """The names in the parentheses that open at p, each with its spelling."""
        if self.word(p) != "(":
            raise self.unexpected(p, "a list in parentheses")
        items = self.split(p + 1, self.close[p])
        if any(q - s != 1 for s, q in items) or not items:
            raise self.unexpected(p + 1, "a list of columns")
        return {self.name(s): self.text(s, q) for s, q in items}

    def unexpected(self, p: int, wanted: str) -> Exception:
        got = self.tokens[p].text if p < len(self.tokens) else "the end of the statement"
        return errors.SyntaxError(f"Redshift expects {wanted} here, not {got}")

    def __str__(self) -> str:
        return "".join(self.out)


def _outline(token: Token) -> str:
    kind, text = token
    if kind == "string":
        return "$$" if text[0] == "$" else "u&'" if text[0] in "uU" else "'"
    if kind == "name":
        return "u&\"" if text[0] in "uU" else '"'
    return "0" if kind == "number" else text.translate(_FOLD)


def _pairs(words: list[str]) -> tuple[list[int], dict[int, int]]:
    """The level of each position, and where each parenthesis closes."""
    depth, opened, close = [], [], {}
    for p, word in enumerate(words):
        if word == ")":
            if not opened:
                raise errors.SyntaxError("Redshift finds a ) without its (")
            close[opened.pop()] = p
        depth.append(len(opened))
        if word == "(":
            opened.append(p)
    if opened:
        raise errors.SyntaxError("Redshift finds a ( without its )")
    return depth, close


def translate(tokens: list[Token]) -> list[str]:
    """The PostgreSQL statements that do what one Redshift statement does; none if nothing is to do.

    What needs no change comes back as it was, comments included.
    """
    edit = Edit(tokens)
    if not edit.words:
        return []
    outline = f" {' '.join(edit.words)} "
    refuse(outline, f" {' '.join(w for w, d in zip(edit.words, edit.depth) if d == 0)} ")
    rewrite_expressions(edit, outline)
    statement = re.match(r" create (?:local |temp |temporary )*table | alter table | \S+ ", outline)
    handler = _STATEMENTS.get(re.sub(r" (local|temp|temporary)(?= )", "", statement[0]).strip())
    return handler(edit) if handler else [str(edit)]


# Types.

_LONG_TYPES = sorted((t for t in TYPES if " " in t), key=len, reverse=True) + [
    "national character varying", "national character", "character varying", "bit varying",
    "binary varying",
]  # fmt: skip
# r_Character_types: name -> (type in PostgreSQL, bytes if unsaid, most bytes)
_CHARACTER_TYPES = (
    dict.fromkeys(
        ("varchar", "character varying", "nvarchar", "national character varying", "text"),
        ("varchar", 256, 65535),
    )
    | dict.fromkeys(("char", "character", "nchar", "national character"), ("char", 1, 4096))
    | {"bpchar": ("char", 256, 4096)}
)


class Type(NamedTuple):
    """A type as written: what follows it begins at `end`; size is -1 for MAX, None if unsaid."""

    name: str
    size: int | None
    end: int


def _read_type(edit: Edit, p: int) -> Type:
    name = next((t for t in _LONG_TYPES if edit.says(p, t)), edit.word(p))
    end = p + len(name.split())
    if edit.word(end) != "(":
        return Type(name, None, end)
    first = edit.word(end + 1)
    end, arguments = edit.close[end] + 1, edit.text(end + 1, edit.close[end])
    if name in _CHARACTER_TYPES and name not in ("text", "bpchar"):
        if first == "max" and _CHARACTER_TYPES[name][0] == "varchar":
            return Type(name, -1, end)
        if re.fullmatch(r"\d{1,9}", arguments):
            return Type(name, int(arguments), end)
    elif name in ("numeric", "decimal"):
        digits = re.fullmatch(r"\s*(\d{1,9})\s*(?:,\s*(\d{1,9})\s*)?", arguments)
        if digits and int(digits[2] or 0) <= int(digits[1]) <= 38:
            return Type(name, int(digits[1]), end)
        message = f"Redshift has no {name.upper()}({arguments})"
        raise refusal(message, "at most 38 digits", errors.InvalidParameterValue)
    elif name not in TYPES:
        raise refuse_type(name)
    message = f"Redshift has no {name.upper()}({arguments})"
    raise refusal(message, f"{name.upper()} or another length", errors.InvalidParameterValue)


def _character_bytes(kind: Type) -> int:
    _, unsaid, most = _CHARACTER_TYPES[kind.name]
    size = {None: unsaid, -1: most}.get(kind.size, kind.size)
    if not 0 < size <= most:
        message = f"Redshift's {kind.name.upper()} takes 1 to {most} bytes, not {size}"
        raise refusal(message, f"a length up to {most}", errors.InvalidParameterValue)
    return size


def _column_type(edit: Edit, p: int, column: str) -> tuple[int, int]:
    """Translate the type of a column; return the bytes a key of it may take and where it ends."""
    kind = _read_type(edit, p)
    width = 16
    if kind.name in _CHARACTER_TYPES:
        base = _CHARACTER_TYPES[kind.name][0]
        width = _character_bytes(kind)
        # A char is padded to its length: only single bytes keep it within as many bytes.
        check = f"CHECK (octet_length({edit.text(p - 1, p)}) <= {width})"
        edit.put(p, kind.end, f"{base}({width}) CONSTRAINT {byte_check(column)} {check}")
    elif kind.name in ("numeric", "decimal"):
        if kind.size is None:
            edit.put(p, kind.end, "numeric(18,0)")
    elif kind.name not in TYPES:
        raise refuse_type(kind.name or "at the end of the statement")
    return width, kind.end


def byte_check(column: str) -> str:
    """The quoted name of the constraint that counts the bytes of a column: <column>_bytes."""
    stem = column
    if len(column.encode(errors="replace")) > 57:
        digest = hashlib.md5(column.encode(errors="replace")).hexdigest()[:8]
        stem = column.encode(errors="replace")[:48].decode(errors="ignore") + "_" + digest
    return _quoted(f"{stem}_bytes")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cast_type(edit: Edit, p: int) -> None:
    """Translate the type of a cast: a length that is not said stays so (r_CAST_function)."""
    if p >= len(edit.tokens):
        raise edit.unexpected(p, "a type")
    if edit.tokens[p].kind != "word" or edit.word(p + 1) == ".":
        return
    kind = _read_type(edit, p)
    if kind.name in _CHARACTER_TYPES:
        size = "" if kind.size is None else f"({_character_bytes(kind)})"
        if kind.size == -1 or kind.name.startswith("n"):
            edit.put(p, kind.end, _CHARACTER_TYPES[kind.name][0] + size)
    elif kind.name in ("numeric", "decimal"):
        if kind.size is None:
            edit.put(p, kind.end, "numeric(18,0)")
    elif kind.name not in TYPES and kind.name not in CAST_TYPES:
        raise refuse_type(kind.name)


# Expressions.

# r_Dateparts_for_datetime_functions: the spellings of each part.
_SPELLINGS = """
    millennium millennia mil mils millenniums|century centuries c cent cents
    decade decades dec decs|year years y yr yrs|quarter quarters qtr qtrs|month months mon mons
    week weeks w|day days d|hour hours h hr hrs|minute minutes m min mins|second seconds s sec secs
    milliseconds millisecond ms msec msecs msecond mseconds millisec millisecs millisecon
    microseconds microsecond us usec usecs usecond useconds microsec microsecs
    dow dayofweek dw weekday|doy dayofyear dy yearday|epoch|timezone|timezone_hour|timezone_minute
"""
_PARTS = {
    spelling: line.split()[0]
    for line in re.split(r"[|\n]", _SPELLINGS)
    for spelling in line.split()
}
_EXTRACTED = {
    "epoch": "CAST(floor(EXTRACT(epoch FROM {0})) AS bigint)",
    "milliseconds": "CAST(mod(floor(EXTRACT(milliseconds FROM {0})), 1000) AS int)",
    "microseconds": "CAST(mod(floor(EXTRACT(microseconds FROM {0})), 1000000) AS int)",
}
# r_DATEDIFF_function: a difference counts the boundaries crossed, so it is one of these numbers
# at the end less the one at the start. A week begins on Sunday; 1970-01-04 was one.
_COUNTED = {
    "quarter": "EXTRACT(year FROM {0}) * 4 + EXTRACT(quarter FROM {0})",
    "month": "EXTRACT(year FROM {0}) * 12 + EXTRACT(month FROM {0})",
    "week": "floor((CAST({0} AS date) - DATE '1970-01-04') / 7.0)",
    "day": "(CAST({0} AS date) - DATE '1970-01-01')",
    "hour": "floor(EXTRACT(epoch FROM {0}) / 3600)",
    "minute": "floor(EXTRACT(epoch FROM {0}) / 60)",
    "second": "floor(EXTRACT(epoch FROM {0}))",
    "milliseconds": "floor(EXTRACT(epoch FROM {0}) * 1000)",
    "microseconds": "floor(EXTRACT(epoch FROM {0}) * 1000000)",
} | {part: f"EXTRACT({part} FROM {{0}})" for part in ("year", "decade", "century", "millennium")}

_SYSDATE = "(now() AT TIME ZONE 'UTC')"
# Function -> its translation by number of arguments; None leaves it as it is.
_TEMPLATES = {
    "getdate": {0: "date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC')"},
    "nvl2": {3: "CASE WHEN ({0}) IS NOT NULL THEN {1} ELSE {2} END"},
    # r_CONCAT: NULL if either is; PostgreSQL's would leave the NULL out.
    "concat": {2: "(CAST({0} AS text) || CAST({1} AS text))"},
    "median": {1: "percentile_cont(0.5) WITHIN GROUP (ORDER BY {0})"},
    "charindex": {2: "strpos({1}, {0})"},
    "convert_timezone": {
        2: "(CAST({1} AS timestamp) AT TIME ZONE 'UTC' AT TIME ZONE {0})",
        3: "(CAST({2} AS timestamp) AT TIME ZONE {0} AT TIME ZONE {1})",
    },
    "to_timestamp": {2: None, 3: "to_timestamp({0}, {1})"},
}
# A word before a parenthesis is no function's after one of these.
_BEFORE_NAMES = frozenset(". into table as exists references view constraint".split())
_RANKING = frozenset("row_number rank dense_rank percent_rank cume_dist ntile lag lead".split())


def rewrite_expressions(edit: Edit, outline: str) -> None:
    """Translate what may stand anywhere in a statement; inner calls first, as they stand right."""
    for p in range(len(edit.words) - 1, -1, -1):
        kind, text = edit.tokens[p]
        if kind == "op":
            if text == "::":
                _cast_type(edit, p + 1)
        elif kind == "name":
            if text.translate(_FOLD) != text:
                edit.put(p, p + 1, _quoted(identifier(edit.tokens[p])))
        elif kind == "word":
            called = edit.word(p + 1) == "(" and _is_free(edit, p)
            _call(edit, p, outline) if called else _bare_word(edit, p, outline)


def _is_free(edit: Edit, p: int) -> bool:
    """Whether the word before a parenthesis names a function, not something of the user's."""
    return edit.word(p - 1) not in _BEFORE_NAMES or edit.word(p - 2) == "pg_catalog"


def _call(edit: Edit, p: int, outline: str) -> None:
    word, end = edit.words[p], edit.close[p + 1] + 1
    if word in SYSTEM_FUNCTIONS:
        return _system_name(edit, p)
    if word in LEADER_FUNCTIONS:
        return refuse_leader_function(word, outline)
    refuse_function(word)
    if word == "nvl":
        edit.put(p, p + 1, "COALESCE")
    elif word == "len":
        edit.put(p, p + 1, "LENGTH")
    elif word == "over":
        _window(edit, p)
    elif word in _TEMPLATES:
        _template(edit, p, end)
    elif word in _SPECIAL:
        _SPECIAL[word](edit, p, end)
    return None


def _template(edit: Edit, p: int, end: int) -> None:
    arguments = [edit.text(*r) for r in edit.split(p + 2, end - 1)]
    templates = _TEMPLATES[edit.words[p]]
    if len(arguments) not in templates:
        raise _arity(edit, p, " or ".join(str(n) for n in templates))
    template = templates[len(arguments)]
    if template:
        edit.put(p, end, template.format(*arguments))


def _arity(edit: Edit, p: int, wanted: str) -> Exception:
    message = f"Redshift's {edit.words[p].upper()} takes {wanted} arguments"
    return errors.UndefinedFunction(message)


def _bare_word(edit: Edit, p: int, outline: str) -> None:
    word, before, after = edit.words[p], edit.word(p - 1), edit.word(p + 1)
    if word[0] == "#":
        # SELECT … INTO #t makes a table too.
        makes = before == "into" and edit.words[0] in ("select", "with")
        edit.put(p, p + 1, ("TEMP " if makes else "") + _quoted(word))
    elif after == "'" and before != ".":
        if word in ("b", "x"):
            raise refuse_type("bit")
        if word in ADVICE_ON_TYPES or word in _MISSING_LITERALS:
            raise refuse_type(word)
    elif before in (".", "as") and edit.word(p - 2) != "pg_catalog":
        return
    elif word == "sysdate":
        edit.put(p, p + 1, _SYSDATE)
    elif word in LEADER_WORDS:
        refuse_leader_function(word, outline)
    elif word in SYSTEM_RELATIONS:
        _system_name(edit, p)
    elif word == "minus" and after in ("select", "(") and edit.word(p + 2) != "":
        _minus(edit, p)
    elif word == "top" and before == "select":
        _top(edit, p)
    elif word == "approximate" and after == "count":
        edit.drop(p, p + 1)


def _system_name(edit: Edit, p: int) -> None:
    if edit.word(p - 1) == ".":
        edit.put(p - 2, p - 1, "standin")
    else:
        edit.put(p, p + 1, f"standin.{edit.words[p]}")


def _minus(edit: Edit, p: int) -> None:
    if edit.word(p + 1) == "select" or edit.word(p + 2) in ("select", "with", "("):
        edit.put(p, p + 1, "EXCEPT")


def _top(edit: Edit, p: int) -> None:
    """SELECT TOP n (r_SELECT_list); n may still be a parameter of psycopg2's."""
    end = next((i for i in range(p, len(edit.words)) if edit.depth[i] < edit.depth[p]), None)
    end = len(edit.words) if end is None else end
    start = max((i for i in range(p) if edit.depth[i] < edit.depth[p]), default=0)
    sets = ("union", "except", "intersect", "minus")
    level = [edit.words[i] for i in range(start, end) if edit.depth[i] == edit.depth[p]]
    if any(word in sets for word in level):
        message = "the stand-in does not emulate Redshift's TOP beside UNION, EXCEPT or INTERSECT"
        raise refusal(message, "the SELECT TOP as a subquery")
    until = p + 2
    if edit.word(p + 1) == "%" and edit.word(p + 2) == "(":
        until = edit.close[p + 2] + 2
    elif edit.word(p + 1) != "0":
        raise edit.unexpected(p + 1, "a number after TOP")
    limit = edit.text(p + 1, until)
    edit.drop(p, until)
    edit.add(end - 1, f" LIMIT {limit}")


def _window(edit: Edit, p: int) -> None:
    """An aggregate over an ordered window needs a frame, a rank takes none (c_Window_functions)."""
    opened = next((o for o, c in edit.close.items() if c == p - 1), 0)
    function, start, end = edit.word(opened - 1), p + 2, edit.close[p + 1]
    ordered = edit.find(start, end, "order") < end
    framed = edit.find(start, end, "rows", "range") < end
    if function in _RANKING:
        if framed:
            raise refusal(f"Redshift's {function.upper()} takes no frame", "OVER (… ORDER BY …)")
    elif ordered and not framed and function not in ("listagg", "median", "group", ""):
        message = f"Redshift has no default frame for {function.upper()} OVER (… ORDER BY …)"
        raise refusal(message, "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW, for example")


def _cast(edit: Edit, p: int, end: int) -> None:
    separator = edit.find(p + 2, end - 1, "as")
    if separator < end - 1:
        _cast_type(edit, separator + 1)


def _convert(edit: Edit, p: int, end: int) -> None:
    """CONVERT(type, expression), r_CONVERT_function."""
    items = edit.split(p + 2, end - 1)
    if len(items) != 2:
        raise _arity(edit, p, "2")
    _cast_type(edit, p + 2)
    kind, value = (edit.text(*r) for r in items)
    edit.put(p, end, f"CAST({value} AS {kind})")


def _decode(edit: Edit, p: int, end: int) -> None:
    """DECODE finds NULL equal to NULL (r_DECODE_expression)."""
    value, *rest = (edit.text(*r) for r in edit.split(p + 2, end - 1)) if end - p > 3 else [""]
    if len(rest) < 2:
        raise _arity(edit, p, "3 or more")
    otherwise = f" ELSE {rest.pop()}" if len(rest) % 2 else ""
    cases = zip(rest[::2], rest[1::2])
    whens = " ".join(f"WHEN ({value}) IS NOT DISTINCT FROM ({a}) THEN {b}" for a, b in cases)
    edit.put(p, end, f"CASE {whens}{otherwise} END")


def _part(edit: Edit, p: int) -> str:
    """The date part at a position, bare or quoted, in PostgreSQL's spelling."""
    token = edit.tokens[p] if p < len(edit.tokens) else Token("word", "")
    spelling = literal(token) if token.kind == "string" else identifier(token)
    if spelling.lower() not in _PARTS:
        message = f"Redshift has no date part {token.text!r}"
        instead = "year, month, week, day, hour, minute, second, dow, doy or epoch"
        raise refusal(message, instead, errors.InvalidParameterValue)
    return _PARTS[spelling.lower()]


def _parted(edit: Edit, p: int, end: int, count: int) -> list[str]:
    """The arguments after the date part."""
    items = edit.split(p + 2, end - 1)
    if len(items) != count or items[0][1] - items[0][0] != 1 or any(s == q for s, q in items):
        raise _arity(edit, p, f"a date part and {count - 1} more")
    return [edit.text(*r) for r in items[1:]]


def _dateadd(edit: Edit, p: int, end: int) -> None:
    number, start = _parted(edit, p, end, 3)
    part = _part(edit, p + 2)
    if part not in _COUNTED:
        raise refusal(f"Redshift's DATEADD takes no {part}", "day", errors.InvalidParameterValue)
    step = "3 months" if part == "quarter" else f"1 {part}"
    added = f"CAST({number} AS bigint) * INTERVAL '{step}'"
    edit.put(p, end, f"(CAST({start} AS timestamp) + {added})")


def _datediff(edit: Edit, p: int, end: int) -> None:
    ends = [f"CAST({text} AS timestamp)" for text in _parted(edit, p, end, 3)]
    part = _part(edit, p + 2)
    if part not in _COUNTED:
        raise refusal(f"Redshift's DATEDIFF takes no {part}", "day", errors.InvalidParameterValue)
    start, finish = (f"({_COUNTED[part].format(text)})" for text in ends)
    edit.put(p, end, f"CAST({finish} - {start} AS bigint)")


def _extract(edit: Edit, p: int, end: int) -> None:
    if edit.word(p + 3) != "from" or end - p < 6:
        raise edit.unexpected(p + 3, "EXTRACT(part FROM value)")
    edit.put(p, end, _extracted(_part(edit, p + 2), edit.text(p + 4, end - 1)))


def _extracted(part: str, value: str) -> str:
    """An integer, that of the part only: r_EXTRACT_function."""
    template = _EXTRACTED.get(part, f"CAST(floor(EXTRACT({part} FROM {{0}})) AS int)")
    return template.format(value)


def _date_part(edit: Edit, p: int, end: int) -> None:
    (value,) = _parted(edit, p, end, 2)
    part = _part(edit, p + 2)
    if part in _EXTRACTED or part == "second":
        edit.put(p, end, f"CAST({_extracted(part, value)} AS float8)")
    else:
        edit.put(p + 2, p + 3, f"'{part}'")


def _date_trunc(edit: Edit, p: int, end: int) -> None:
    if edit.word(p + 2) == "'" and edit.word(p + 3) == ",":
        edit.put(p + 2, p + 3, f"'{_part(edit, p + 2)}'")


def _listagg(edit: Edit, p: int, end: int) -> None:
    """LISTAGG([DISTINCT] value[, delimiter]) [WITHIN GROUP (ORDER BY …)], r_LISTAGG."""
    distinct = edit.word(p + 2) == "distinct"
    items = edit.split(p + 2 + distinct, end - 1)
    if len(items) not in (1, 2):
        raise _arity(edit, p, "1 or 2")
    texts = [edit.text(*r) for r in items]
    delimiter = texts[1] if len(texts) == 2 else "''"
    # PostgreSQL orders distinct values by the argument as written, so it goes without a cast.
    value = f"DISTINCT {texts[0]}" if distinct else f"CAST({texts[0]} AS text)"
    order = ""
    if edit.says(end, "within group ("):
        order, end = " " + edit.text(end + 3, edit.close[end + 2]), edit.close[end + 2] + 1
    edit.put(p, end, f"string_agg({value}, {delimiter}{order})")


_SPECIAL = {
    "cast": _cast,
    "convert": _convert,
    "decode": _decode,
    "dateadd": _dateadd,
    "date_add": _dateadd,
    "datediff": _datediff,
    "date_diff": _datediff,
    "extract": _extract,
    "date_part": _date_part,
    "date_trunc": _date_trunc,
    "listagg": _listagg,
}
_MISSING_LITERALS = frozenset("""
    bit bytea inet cidr macaddr xml hstore point line box path polygon circle tsvector tsquery
    int4range int8range numrange daterange tsrange tstzrange
""".split()) | {"super"}


# Tables.

_CODECS = frozenset("""
    auto az64 bytedict delta delta32k lzo mostly8 mostly16 mostly32 raw runlength text255 text32k
    zstd
""".split())
_ATTRIBUTES = (
    "default", "identity", "generated", "encode", "distkey", "sortkey", "collate", "not", "null",
    "unique", "primary", "references", "check", "constraint", "deferrable",
)  # fmt: skip
_INSTEAD = {
    "check": "the check as a SELECT",
    "generated": "GENERATED BY DEFAULT AS IDENTITY(seed, step), or the expression in the INSERT",
    "on": "no ON DELETE, ON UPDATE or ON COMMIT",
    "with": "the table without WITH (…)",
    "partition": "SORTKEY",
    "inherits": "LIKE",
}
# PostgreSQL's b-tree takes 2,704 bytes an entry and 32 columns.
_INDEXED_BYTES, _INDEXED_COLUMNS = 2600, 32


class Table:
    """What a CREATE TABLE has said so far; columns are known by their folded names."""

    def __init__(self) -> None:
        self.widths: dict[str, int] = {}
        self.spelling: dict[str, str] = {}
        self.last: dict[str, int] = {}
        self.filled: set[str] = set()
        self.primary: list[str] = []
        self.dist: list[str] = []
        self.sort: list[str] = []
        self.style = ""
        self.like = False

    def set_key(self, key: str, columns: list[str]) -> None:
        if getattr(self, key):
            word = {"dist": "DISTKEY", "sort": "SORTKEY", "primary": "PRIMARY KEY"}[key]
            raise errors.InvalidTableDefinition(f"Redshift allows one {word} a table")
        setattr(self, key, columns)

    def verify(self) -> None:
        for column in self.primary + self.dist + self.sort:
            if self.widths and column not in self.widths:
                message = f'Redshift finds no column "{column}" for the key of the table'
                raise errors.UndefinedColumn(message)
        if self.dist and self.style not in ("", "key"):
            message = f"Redshift has no DISTSTYLE {self.style.upper()} with a DISTKEY"
            raise refusal(message, "DISTSTYLE KEY", errors.InvalidTableDefinition)
        if self.style == "key" and not self.dist:
            message = "Redshift's DISTSTYLE KEY needs a DISTKEY (column)"
            raise errors.InvalidTableDefinition(message)
        if self.like and (self.dist or self.sort or self.style):
            message = "Redshift's LIKE takes its parent's keys; leave out DISTSTYLE and SORTKEY"
            raise errors.InvalidTableDefinition(message)
        if len(self.sort) > 400 or len(self.dist) > 1:
            raise errors.InvalidTableDefinition(
                "Redshift takes up to 400 columns in a SORTKEY and one in a DISTKEY"
            )

    def indexed(self) -> list[list[str]]:
        """The column lists worth an index, each once, as they are spelled."""
        found = []
        for key in (self.primary, self.dist, self.sort):
            width = sum(self.widths.get(c, 0) for c in key)
            if key and key not in found and width <= _INDEXED_BYTES:
                found.append(key)
        return [[self.spelling[c] for c in key[:_INDEXED_COLUMNS]] for key in found]


def _create_table(edit: Edit) -> list[str]:
    """CREATE TABLE without what PostgreSQL lacks, then its indexes (r_CREATE_TABLE_NEW)."""
    table = Table()
    p = edit.words.index("table") + 1
    unless_there = edit.says(p, "if not exists")
    p += 3 * unless_there
    start, p = p, edit.qualified(p)
    name = edit.text(start, p)
    if edit.words[start][0] == "#" and edit.word(1) == "table":
        edit.put(1, 2, "TEMP " + edit.text(1, 2))
    if edit.word(p) == "(":
        query = edit.find(p, len(edit.words), "as")
        if query < len(edit.words):
            table.spelling = edit.names(p)
        else:
            _elements(edit, p, table)
        p = edit.close[p] + 1
    elif edit.find(p, len(edit.words), "as") == len(edit.words):
        raise edit.unexpected(p, "the columns of the table")
    _table_attributes(edit, p, table, unless_there)
    table.verify()
    for column in table.primary:
        if column not in table.filled:
            edit.add(table.last[column], " NOT NULL")
    return [str(edit)] + [_index(name, columns, unless_there) for columns in table.indexed()]


def _index(table: str, columns: list[str], unless_there: bool) -> str:
    listed = ", ".join(columns)
    if not unless_there:
        return f"CREATE INDEX ON {table} ({listed})"
    # The table that was there already may have such an index, or no such columns, or be a view.
    digest = hashlib.md5(f"{table} {listed}".encode(errors="replace")).hexdigest()
    create = f"CREATE INDEX IF NOT EXISTS standin_{digest} ON {table} ({listed});"
    ignored = "EXCEPTION WHEN undefined_column OR wrong_object_type THEN NULL;"
    return f"DO $standin$ BEGIN {create} {ignored} END $standin$"


def _elements(edit: Edit, p: int, table: Table) -> None:
    """The columns and constraints in the parentheses that open at p."""
    kept = False
    for start, end in edit.split(p + 1, edit.close[p]):
        word = edit.word(start) if start < end else ""
        if word in ("primary", "unique", "foreign", "constraint"):
            _table_constraint(edit, start, end, table)
            comma = start - 1 if kept else end
            edit.drop(min(start, comma), max(end, min(comma + 1, edit.close[p])))
            continue
        kept = True
        if word == "like":
            _like(edit, start, end, table)
        elif word in ("check", "exclude", "distkey", "sortkey") and edit.word(start + 1) == "(":
            raise _foreign_to_tables(word)
        else:
            _column(edit, start, end, table)
    if not kept:
        raise edit.unexpected(p + 1, "a column")


def _like(edit: Edit, start: int, end: int, table: Table) -> None:
    p = edit.qualified(start + 1)
    if p < end and not (
        edit.word(p) in ("including", "excluding") and edit.says(p + 1, "defaults") and p + 2 == end
    ):
        message = "Redshift's LIKE knows INCLUDING DEFAULTS and EXCLUDING DEFAULTS only"
        raise refusal(message, "LIKE parent INCLUDING DEFAULTS")
    table.like = True
    edit.add(p - 1, " INCLUDING CONSTRAINTS")


def _table_constraint(edit: Edit, p: int, end: int, table: Table) -> None:
    """A key of the table: Redshift takes its word for it and enforces only NOT NULL."""
    if edit.word(p) == "constraint":
        edit.name(p + 1)
        p += 2
    if edit.says(p, "primary key"):
        names = edit.names(p + 2)
        table.set_key("primary", list(names))
        p = edit.close[p + 2] + 1
    elif edit.word(p) == "unique":
        edit.names(p + 1)
        p = edit.close[p + 1] + 1
    elif edit.says(p, "foreign key"):
        edit.names(p + 2)
        p = _references(edit, edit.close[p + 2] + 1)
    if p < end:
        raise _foreign_to_tables(edit.word(p))


def _references(edit: Edit, p: int) -> int:
    if edit.word(p) != "references":
        raise edit.unexpected(p, "REFERENCES")
    p = edit.qualified(p + 1)
    if edit.word(p) != "(":
        return p
    edit.names(p)
    return edit.close[p] + 1


def _foreign_to_tables(word: str) -> Exception:
    instead = _INSTEAD.get(word, "")
    if word in ("distkey", "sortkey"):
        instead = f"{word.upper()} (…) after the list of columns"
    return refusal(f"Redshift has no {word.upper()} in this place of a table", instead)


def _column(edit: Edit, start: int, end: int, table: Table) -> None:
    name = edit.name(start) if start < end else edit.name(len(edit.words))
    if name in table.widths:
        raise errors.DuplicateColumn(f'Redshift finds the column "{name}" twice')
    table.widths[name], p = _column_type(edit, start + 1, name)
    table.spelling[name] = edit.text(start, start + 1)
    table.last[name] = end - 1
    kind = edit.word(start + 1)
    while p < end:
        p = _column_attribute(edit, p, end, table, name, kind)


def _column_attribute(edit: Edit, p: int, end: int, table: Table, column: str, kind: str) -> int:
    """Translate one attribute or constraint of a column; return where the next begins."""
    word, start = edit.word(p), p
    if word == "default" and p + 1 < end:
        value_end = edit.close[p + 1] + 1 if edit.word(p + 1) == "(" else p + 2
        return edit.find(value_end, end, *_ATTRIBUTES)
    if edit.says(p, "not null"):
        table.filled.add(column)
        return p + 2
    if edit.says(p, "primary key"):
        table.set_key("primary", [column])
        table.filled.add(column)
        edit.put(p, p + 2, "NOT NULL")
        return p + 2
    if word == "identity" or edit.says(p, "generated by default as identity"):
        return _identity(edit, p, table, column, kind)
    if word in ("distkey", "sortkey"):
        table.set_key(word[:4], [column])
        p += 1
    elif word in ("null", "unique"):
        p += 1
    elif word == "references":
        p = _references(edit, p)
    elif word == "encode":
        p = _encoding(edit, p)
    elif word == "collate":
        p = _collation(edit, p)
    else:
        raise _foreign_to_tables(word)
    edit.drop(start, p)
    return p


def _encoding(edit: Edit, p: int) -> int:
    if edit.word(p + 1) not in _CODECS:
        message = f"Redshift has no encoding {edit.word(p + 1).upper()}"
        raise refusal(message, "ENCODE AUTO, AZ64, ZSTD, LZO or RAW", errors.UndefinedObject)
    return p + 2


def _collation(edit: Edit, p: int) -> int:
    if edit.word(p + 1) in ("case_insensitive", "ci"):
        message = "the stand-in does not emulate Redshift's COLLATE CASE_INSENSITIVE"
        raise refusal(message, "LOWER(…) where values are compared")
    if edit.word(p + 1) not in ("case_sensitive", "cs"):
        raise refusal("Redshift has no such collation", "COLLATE CASE_SENSITIVE")
    return p + 2


def _identity(edit: Edit, p: int, table: Table, column: str, kind: str) -> int:
    opened = p + (1 if edit.word(p) == "identity" else 5)
    if edit.word(opened) != "(":
        raise refusal("Redshift has no IDENTITY without numbers", "IDENTITY(seed, step)")
    if kind not in ("int", "int4", "integer", "bigint", "int8"):
        message = "Redshift's IDENTITY stands on INT or BIGINT only"
        raise refusal(message, f"{column} BIGINT IDENTITY(0, 1)", errors.DatatypeMismatch)
    end = edit.close[opened] + 1
    numbers = re.fullmatch(r"\s*(-?\d{1,19})\s*,\s*(-?\d{1,19})\s*", edit.text(opened + 1, end - 1))
    if not numbers or int(numbers[2]) == 0:
        raise edit.unexpected(opened + 1, "IDENTITY(seed, step)")
    how = "ALWAYS" if edit.word(p) == "identity" else "BY DEFAULT"
    bound = "MAXVALUE" if numbers[2].startswith("-") else "MINVALUE"
    # Without a bound of its own PostgreSQL refuses a seed below 1.
    options = f"START WITH {numbers[1]} INCREMENT BY {numbers[2]} {bound} {numbers[1]}"
    edit.put(p, end, f"GENERATED {how} AS IDENTITY ({options})")
    table.filled.add(column)
    return end


def _table_attributes(edit: Edit, p: int, table: Table, unless_there: bool) -> None:
    """What follows the list of columns, up to the query of a CREATE TABLE AS."""
    while p < len(edit.words):
        start, word = p, edit.word(p)
        if word == "as":
            if unless_there:
                message = "Redshift has no CREATE TABLE IF NOT EXISTS … AS"
                raise refusal(message, "DROP TABLE IF EXISTS first")
            return
        if word == "backup" and edit.word(p + 1) in ("yes", "no"):
            p += 2
        elif word == "diststyle" and edit.word(p + 1) in ("auto", "even", "key", "all"):
            table.style = edit.word(p + 1)
            p += 2
        elif word == "distkey":
            p = _table_key(edit, p, table, "dist")
        elif edit.says(p, "sortkey auto") or (word == "encode" and edit.word(p + 1) == "auto"):
            p += 2
        elif word == "sortkey" or edit.word(p + 1) == "sortkey":
            p = _table_sort_key(edit, p, table)
        elif word == "diststyle":
            raise refusal("Redshift has no such DISTSTYLE", "DISTSTYLE AUTO, EVEN, KEY or ALL")
        else:
            raise _foreign_to_tables(word)
        edit.drop(start, p)


def _table_sort_key(edit: Edit, p: int, table: Table) -> int:
    if edit.word(p) == "sortkey":
        return _table_key(edit, p, table, "sort")
    if edit.word(p) not in ("compound", "interleaved"):
        raise _foreign_to_tables(edit.word(p))
    end = _table_key(edit, p + 1, table, "sort")
    if edit.word(p) == "interleaved" and len(table.sort) > 8:
        raise errors.InvalidTableDefinition("Redshift interleaves up to 8 columns in a SORTKEY")
    return end


def _table_key(edit: Edit, p: int, table: Table, key: str) -> int:
    names = edit.names(p + 1)
    table.set_key(key, list(names))
    table.spelling = names | table.spelling
    return edit.close[p + 1] + 1


def _alter_table(edit: Edit) -> list[str]:
    """ALTER TABLE takes one action, and fewer than PostgreSQL's (r_ALTER_TABLE)."""
    p = edit.qualified(2)
    end = len(edit.words)
    if edit.find(p, end, ",") < end:
        raise refusal("Redshift's ALTER TABLE takes one action", "an ALTER TABLE for each")
    word = edit.word(p)
    if word == "add" and edit.word(p + 1) in ("primary", "unique", "foreign", "constraint"):
        _table_constraint(edit, p + 1, end, Table())
        return []
    if word == "add":
        return _add_column(edit, p + 1 + (edit.word(p + 1) == "column"), end)
    if edit.says(p, "drop constraint"):
        return []
    if word == "drop" and edit.says(p + 1 + (edit.word(p + 1) == "column"), "if exists"):
        raise refusal("Redshift has no DROP COLUMN IF EXISTS", "DROP COLUMN")
    if word == "alter":
        return _alter_column(edit, p + 1, end)
    if word in ("drop", "rename") or edit.says(p, "owner to"):
        return [str(edit)]
    message = f"Redshift has no ALTER TABLE … {word.upper()}"
    raise refusal(message, "ADD, DROP, RENAME, OWNER TO or ALTER COLUMN … TYPE VARCHAR(n)")


def _add_column(edit: Edit, p: int, end: int) -> list[str]:
    if edit.says(p, "if not exists"):
        raise refusal("Redshift has no ADD COLUMN IF NOT EXISTS", "ADD COLUMN")
    table = Table()
    _column(edit, p, end, table)
    if table.primary or table.dist or table.sort or "identity" in edit.words[p:]:
        message = "Redshift adds no key and no IDENTITY with a column"
        raise refusal(message, "CREATE TABLE and INSERT … SELECT")
    return [str(edit)]


def _alter_column(edit: Edit, p: int, end: int) -> list[str]:
    """Keys and encodings are not kept here; a column is resized with its byte check."""
    if edit.word(p) in ("distkey", "diststyle", "sortkey", "compound", "encode"):
        return []
    p += edit.word(p) == "column"
    if edit.word(p + 1) == "encode" and _encoding(edit, p + 1) == end:
        return []
    column, spelling = edit.name(p), edit.text(p, p + 1)
    kind = _read_type(edit, p + 2) if edit.word(p + 1) == "type" else None
    base = _CHARACTER_TYPES.get(kind.name, ("",))[0] if kind else ""
    if base != "varchar" or kind.end != end:
        message = "Redshift's ALTER COLUMN changes the length of a VARCHAR only"
        raise refusal(message, "CREATE TABLE and INSERT … SELECT")
    size, check = _character_bytes(kind), byte_check(column)
    edit.put(p + 2, end, f"varchar({size})")
    edit.add(p + 2, f", DROP CONSTRAINT IF EXISTS {check}")
    edit.add(p + 2, f", ADD CONSTRAINT {check} CHECK (octet_length({spelling}) <= {size})")
    return [str(edit)]


# The other statements.


def _delete(edit: Edit) -> list[str]:
    if edit.word(1) != "from":
        edit.add(0, " FROM")
    return [str(edit)]


def _begin(edit: Edit) -> list[str]:
    """Every isolation level means that of the database (r_BEGIN): the session's."""
    p = edit.find(1, len(edit.words), "isolation")
    if edit.says(p, "isolation level"):
        edit.drop(p, min(p + 3 + (edit.word(p + 2) in ("read", "repeatable")), len(edit.words)))
    return [str(edit)]


def _truncate(edit: Edit) -> list[str]:
    p = 1 + (edit.word(1) == "table")
    if edit.qualified(p) != len(edit.words):
        message = "Redshift's TRUNCATE takes one table and no RESTART or CASCADE"
        raise refusal(message, "a TRUNCATE for each table")
    if p == 1:
        edit.add(0, " TABLE")
    return [str(edit)]


def _lock(edit: Edit) -> list[str]:
    for start, end in edit.split(1 + (edit.word(1) == "table"), len(edit.words)) or [(1, 0)]:
        if edit.qualified(start) != end:
            raise refusal("Redshift has no LOCK … IN … MODE and no NOWAIT", "LOCK t")
    return [str(edit)]


def _analyze(edit: Edit) -> list[str]:
    end = len(edit.words)
    if edit.word(end - 1) == "columns" and edit.word(end - 2) in ("predicate", "all"):
        edit.drop(end - 2, end)
    return [str(edit)]


def _vacuum(edit: Edit) -> list[str]:
    """VACUUM [FULL | SORT ONLY | …] [t [TO n PERCENT] [BOOST]], r_VACUUM_command."""
    kinds = ("full", "sort only", "delete only", "reindex", "recluster")
    p = 1 + next((len(k.split()) for k in kinds if edit.says(1, k)), 0)
    if p > 1:
        edit.drop(1, p)
    if p == len(edit.words):
        return [str(edit)]
    end = p = edit.qualified(p)
    if edit.word(p) == "to" and edit.word(p + 2) == "percent":
        p += 3
    p += edit.word(p) == "boost"
    if p != len(edit.words):
        raise edit.unexpected(p, "TO n PERCENT or the end of the statement")
    if p > end:
        edit.drop(end, p)
    return [str(edit)]


def _setting(edit: Edit) -> list[str]:
    """SET, RESET and SHOW; what PostgreSQL lacks it remembers as standin.<name> (r_SET)."""
    p = 1 + (edit.words[0] == "set" and edit.word(1) in ("session", "local"))
    name = edit.word(p)
    if name in REMEMBERED_SETTINGS:
        edit.put(p, p + 1, f"standin.{name}")
    elif name not in SHARED_SETTINGS and not (
        edit.says(1, "session authorization")
        or edit.words[0] != "set" and name == "all"
        or edit.words[0] == "show"
    ):
        message = f"Redshift has no setting {edit.word(p) or 'without a name'}"
        instead = f"one of {', '.join(sorted(SHARED_SETTINGS | REMEMBERED_SETTINGS))}"
        raise refusal(message, instead, errors.UndefinedObject)
    return [str(edit)]


_STATEMENTS = {
    "create table": _create_table,
    "alter table": _alter_table,
    "begin": _begin,
    "start": _begin,
    "delete": _delete,
    "truncate": _truncate,
    "lock": _lock,
    "analyze": _analyze,
    "vacuum": _vacuum,
    "set": _setting,
    "reset": _setting,
    "show": _setting,
}
