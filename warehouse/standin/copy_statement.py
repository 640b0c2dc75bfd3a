"""The text of a COPY statement -> what it asks for (guide: r_COPY and its copy-parameters-* pages).

An option is honoured or refused by name, never ignored: a load that is green here because an option
was overlooked would not be green on Redshift.
"""

from typing import Callable, NamedTuple

from psycopg2 import errors

from . import dialect

MAX_ERRORS = 100_000


class Statement(NamedTuple):
    """A parsed COPY. table is SQL text; columns are names, none where the statement lists none."""

    table: str
    columns: tuple[str, ...]
    source: str
    options: dict[str, object]


def quoted(name: str) -> str:
    """A name as SQL text."""
    return '"' + name.replace('"', '""') + '"'


class Tokens:
    """The tokens of a statement that mean something, read from left to right."""

    def __init__(self, tokens: list[dialect.Token]):
        self.tokens = [token for token in tokens if token.kind not in ("space", "comment")]
        self.position = 0

    def peek(self) -> dialect.Token | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def peek_word(self) -> str:
        token = self.peek()
        return token.text.lower() if token and token.kind == "word" else ""

    def next(self) -> dialect.Token | None:
        token = self.peek()
        self.position += 1
        return token

    def skip(self, word: str) -> bool:
        """Step over the word if it is next."""
        found = self.peek_word() == word
        self.position += found
        return found

    def skip_op(self, text: str) -> bool:
        """Step over the operator if it is next."""
        token = self.peek()
        found = bool(token) and token.kind == "op" and token.text == text
        self.position += found
        return found

    def string(self, complaint: str) -> str:
        token = self.next()
        if not token or token.kind != "string":
            raise errors.SyntaxError(f"Redshift's COPY: {complaint}")
        return dialect.literal(token)

    def near(self) -> str:
        token = self.peek()
        return f'near "{token.text}"' if token else "at its end"


def refuse_format(name: str):
    raise errors.FeatureNotSupported(
        f"COPY with FORMAT {name.upper()} is not emulated. Redshift has it; the stand-in reads JSON only")


def argument_string(tokens: Tokens, name: str) -> str:
    return tokens.string(f"{name} needs a value in quotes")


def argument_count(tokens: Tokens, name: str) -> int:
    tokens.skip("as")
    token = tokens.next()
    if not token or token.kind != "number" or not token.text.isdecimal():
        raise errors.SyntaxError(f"Redshift's COPY: {name} needs a whole number")
    count = int(token.text)
    if name == "MAXERROR" and count > MAX_ERRORS:
        raise errors.InvalidParameterValue(
            f"Redshift's COPY: MAXERROR is {count}, more than {MAX_ERRORS}")
    return count


def argument_switch(tokens: Tokens, name: str) -> bool:
    word = tokens.peek_word()
    if word in ("on", "off", "true", "false") or (word == "preset" and name == "COMPUPDATE"):
        tokens.next()
    return word not in ("off", "false")


def argument_role(tokens: Tokens, name: str) -> str:
    return "default" if tokens.skip("default") else argument_string(tokens, name)


def argument_timeformat(tokens: Tokens, name: str) -> str:
    tokens.skip("as")
    form = argument_string(tokens, name)
    if form not in ("epochsecs", "epochmillisecs"):
        raise errors.FeatureNotSupported(
            f"COPY with TIMEFORMAT '{form}' is not emulated. Redshift has it; the stand-in reads "
            "timestamps written YYYY-MM-DD HH:MI:SS, 'epochsecs' and 'epochmillisecs'")
    return form


def argument_encoding(tokens: Tokens, name: str) -> str:
    tokens.skip("as")
    token = tokens.next()
    if not token or token.text.strip("'").upper() != "UTF8":
        raise errors.FeatureNotSupported(
            "COPY with another ENCODING than UTF8 is not emulated, though Redshift has it")
    return "UTF8"


def argument_json(tokens: Tokens, name: str) -> str:
    tokens.skip("as")
    token = tokens.peek()
    return argument_string(tokens, name) if token and token.kind == "string" else "auto"


def argument_format(tokens: Tokens, name: str) -> str:
    tokens.skip("as")
    if not tokens.skip("json"):
        refuse_format(tokens.peek_word() or "nothing")
    return argument_json(tokens, "JSON")


def argument_none(tokens: Tokens, name: str) -> bool:
    return True


OPTIONS: dict[str, Callable[[Tokens, str], object]] = {
    "iam_role": argument_role,
    "credentials": lambda tokens, name: (tokens.skip("as"), argument_string(tokens, name))[1],
    "region": lambda tokens, name: (tokens.skip("as"), argument_string(tokens, name))[1],
    "format": argument_format,
    "json": argument_json,
    "manifest": argument_none,
    "gzip": argument_none,
    "bzip2": argument_none,
    "roundec": argument_none,
    "trimblanks": argument_none,
    "truncatecolumns": argument_none,
    "emptyasnull": argument_none,
    "blanksasnull": argument_none,
    "timeformat": argument_timeformat,
    "encoding": argument_encoding,
    "maxerror": argument_count,
    "noload": argument_none,
    "compupdate": argument_switch,
    "comprows": argument_count,
    "statupdate": argument_switch,
}
OTHER_FORMATS = ("csv", "delimiter", "fixedwidth", "avro", "parquet", "orc", "shapefile")
NOT_WITH_JSON = (
    "escape", "fillrecord", "ignoreblanklines", "null", "readratio", "removequotes", "quote",
)
NOT_EMULATED = (
    "acceptanydate", "acceptinvchars", "access_key_id", "secret_access_key", "session_token",
    "dateformat", "encrypted", "explicit_ids", "ignoreallerrors", "ignoreheader", "lzop",
    "master_symmetric_key", "ssh", "zstd",
)


def is_copy(tokens: list[dialect.Token]) -> bool:
    return Tokens(tokens).peek_word() == "copy"


def parsed(tokens: list[dialect.Token]) -> Statement:
    """Read a COPY statement; raises a psycopg2 error that names what Redshift or the stand-in lacks."""
    reader = Tokens(tokens)
    reader.skip("copy")
    table = ".".join(map(quoted, names(reader, ".")))
    columns = ()
    if reader.skip_op("("):
        columns = names(reader, ",")
        if not reader.skip_op(")"):
            raise errors.SyntaxError(f"Redshift's COPY: a syntax error {reader.near()}")
    if not table or not reader.skip("from"):
        raise errors.SyntaxError(f"Redshift's COPY: expected COPY table FROM '…', {reader.near()}")
    if reader.peek_word() in ("stdin", "program"):
        raise errors.FeatureNotSupported(
            f"Redshift has no COPY … FROM {reader.peek_word().upper()}; it copies from S3, "
            "COPY table FROM 's3://…'")
    source = reader.string("FROM needs 's3://bucket/prefix' in quotes")
    return Statement(table, columns, source, read_options(reader))


def names(reader: Tokens, separator: str) -> tuple[str, ...]:
    """One name or more with the separator between them."""
    found = []
    while (token := reader.peek()) and token.kind in ("word", "name"):
        found.append(dialect.identifier(reader.next()))
        if not reader.skip_op(separator):
            break
    return tuple(found)


def read_options(reader: Tokens) -> dict[str, object]:
    options = {}
    while reader.peek():
        reader.skip("with")
        word = reader.peek_word()
        refuse_option(word, reader)
        reader.next()
        key = "json" if word == "format" else word
        if key in options:
            raise errors.SyntaxError(f"Redshift's COPY: conflicting or redundant option {word.upper()}")
        options[key] = OPTIONS[word](reader, word.upper())
    if "iam_role" not in options and "credentials" not in options:
        raise errors.SyntaxError("Redshift's COPY needs IAM_ROLE 'arn:aws:iam::…' or IAM_ROLE default")
    if "json" not in options:
        refuse_format("delimited text (the default)")
    if "gzip" in options and "bzip2" in options:
        raise errors.SyntaxError("Redshift's COPY: GZIP and BZIP2 exclude each other")
    return options


def refuse_option(word: str, reader: Tokens) -> None:
    if word in OPTIONS:
        return
    if word in OTHER_FORMATS:
        refuse_format(word)
    if word in NOT_WITH_JSON:
        raise errors.FeatureNotSupported(f"Redshift's COPY has no {word.upper()} with FORMAT JSON")
    if word in NOT_EMULATED:
        raise errors.FeatureNotSupported(
            f"COPY with {word.upper()} is not emulated by the stand-in, though Redshift has it")
    raise errors.SyntaxError(f"Redshift's COPY has no such option: a syntax error {reader.near()}")
