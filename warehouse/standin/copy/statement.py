"""The text of a COPY statement -> what it asks for (guide: r_COPY and its copy-parameters-* pages).

An option is honoured or refused by name, never ignored: a load that is green here because an option
was overlooked would not be green on Redshift. Credentials are read and forgotten; the only strings
of the statement that a message quotes are those of REGION, DATEFORMAT and TIMEFORMAT.
"""

import re
from typing import Callable, NamedTuple

from psycopg2 import errors

from ..sql.refused import RESERVED, refuse_reserved
from ..sql.tokens import Token, folded, identifier, literal, quoted
from .types.datetime import ACCEPTED_FORMATS, EPOCH_UNITS, compile_format

MAX_ERRORS = 100_000

ARN = r"arn:aws[a-z-]*:iam::[0-9]+:role/[^\s,;]+"
ROLES = re.compile(rf"{ARN}(?:,{ARN}){{0,9}}")
PAIR = r"aws_(?:access_key_id|secret_access_key)=[^\s;]+"
CREDENTIALS = re.compile(rf"aws_iam_role={ROLES.pattern}|{PAIR};{PAIR}(?:;token=[^\s;]+)?")


class Statement(NamedTuple):
    """A parsed COPY. table is SQL text; columns are names, none where the statement lists none."""

    table: str
    columns: tuple[str, ...]
    source: str
    options: dict[str, object]


class Tokens:
    """The tokens of a statement that mean something, read from left to right."""

    def __init__(self, tokens: list[Token]):
        self.tokens = [token for token in tokens if token.kind not in ("space", "comment")]
        self.position = 0

    def peek(self) -> Token | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def peek_word(self) -> str:
        token = self.peek()
        return token.text.lower() if token and token.kind == "word" else ""

    def next(self) -> Token | None:
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
        token = self.peek()
        if not token or token.kind != "string":
            raise wrong(complaint)
        return literal(self.next())

    def near(self) -> str:
        token = self.peek()
        if not token:
            return "at its end"
        return "near a string" if token.kind == "string" else f'near "{token.text}"'


def wrong(what: str) -> errors.SyntaxError:
    return errors.SyntaxError(f"Redshift's COPY: {what}")


def wrong_value(what: str) -> errors.InvalidParameterValue:
    return errors.InvalidParameterValue(f"Redshift's COPY: {what}")


def not_emulated(what: str) -> errors.FeatureNotSupported:
    return errors.FeatureNotSupported(f"the stand-in does not emulate Redshift's COPY {what}")


def argument_string(tokens: Tokens, name: str) -> str:
    tokens.skip("as")
    return tokens.string(f"{name} needs a value in quotes, {tokens.near()}")


def argument_count(tokens: Tokens, name: str) -> int:
    tokens.skip("as")
    token = tokens.peek()
    if not token or token.kind != "number" or not re.fullmatch("[0-9]{1,9}", token.text):
        raise wrong(f"{name} needs a whole number, {tokens.near()}")
    count = int(tokens.next().text)
    if name == "MAXERROR" and count > MAX_ERRORS:
        raise wrong_value(f"MAXERROR is {count}, more than {MAX_ERRORS}")
    return count


def argument_switch(tokens: Tokens, name: str) -> bool:
    word = tokens.peek_word()
    if word in ("on", "off", "true", "false") or (word == "preset" and name == "COMPUPDATE"):
        tokens.next()
    return word not in ("off", "false")


def argument_role(tokens: Tokens, name: str) -> bool:
    if not tokens.skip("default"):
        role = tokens.string("IAM_ROLE needs 'arn:aws:iam::…:role/…' or the word default")
        if role != "SESSION" and not ROLES.fullmatch(role):
            raise wrong_value("IAM_ROLE is not of the form 'arn:aws:iam::…:role/…'")
    return True


def argument_credentials(tokens: Tokens, name: str) -> bool:
    given = argument_string(tokens, name)
    found = CREDENTIALS.fullmatch(given)
    if not found or any(given.count(key) > 1 for key in ("aws_access", "aws_secret")):
        raise wrong_value(
            "invalid credentials. Must be of the format: 'aws_iam_role=…' or"
            " 'aws_access_key_id=…;aws_secret_access_key=…[;token=…]'")
    return True


def argument_secret(tokens: Tokens, name: str) -> bool:
    argument_string(tokens, name)
    return True


def argument_region(tokens: Tokens, name: str) -> str:
    region = argument_string(tokens, name)
    if not re.fullmatch("[a-z]{2}(-[a-z]+)+-[0-9]+", region):
        raise wrong_value(f"REGION {region!r} is not the name of a region")
    return region


def argument_moment(tokens: Tokens, name: str) -> str:
    form = argument_string(tokens, name)
    words = ("auto", *EPOCH_UNITS) if name == "TIMEFORMAT" else ("auto",)
    if form not in words and not compile_format(form):
        taken = ", ".join(f"'{word}'" for word in words)
        raise not_emulated(f"with {name} '{form}'; it takes {taken} and {ACCEPTED_FORMATS}")
    return form


def argument_character(tokens: Tokens, name: str) -> str:
    has_as = tokens.skip("as")
    token = tokens.peek()
    if not has_as and not (token and token.kind == "string"):
        return "?"
    character = argument_string(tokens, name)
    if len(character) != 1 or not "\0" < character < "\x80":
        raise wrong_value(f"{name} takes one ASCII character")
    return character


def argument_encoding(tokens: Tokens, name: str) -> str:
    tokens.skip("as")
    token = tokens.next()
    if not token or token.text.strip("'").upper() != "UTF8":
        raise not_emulated("with another ENCODING than UTF8")
    return "UTF8"


def argument_json(tokens: Tokens, name: str) -> str:
    has_as = tokens.skip("as")
    token = tokens.peek()
    if not has_as and not (token and token.kind == "string"):
        return "auto"
    return argument_string(tokens, name)


def argument_format(tokens: Tokens, name: str) -> str:
    tokens.skip("as")
    if not tokens.skip("json"):
        refuse_format(tokens.peek_word() or "nothing")
    return argument_json(tokens, "JSON")


def argument_none(tokens: Tokens, name: str) -> bool:
    return True


OPTIONS: dict[str, Callable[[Tokens, str], object]] = {
    "iam_role": argument_role,
    "credentials": argument_credentials,
    "access_key_id": argument_secret,
    "secret_access_key": argument_secret,
    "session_token": argument_secret,
    "region": argument_region,
    "format": argument_format,
    "json": argument_json,
    "acceptinvchars": argument_character,
    "dateformat": argument_moment,
    "timeformat": argument_moment,
    "encoding": argument_encoding,
    "ignoreheader": argument_count,
    "maxerror": argument_count,
    "comprows": argument_count,
    "compupdate": argument_switch,
    "statupdate": argument_switch,
} | dict.fromkeys(
    (
        "acceptanydate", "blanksasnull", "bzip2", "emptyasnull", "explicit_ids", "gzip",
        "ignoreallerrors", "manifest", "noload", "roundec", "trimblanks", "truncatecolumns",
    ),
    argument_none,
)
OTHER_FORMATS = ("csv", "delimiter", "fixedwidth", "avro", "parquet", "orc", "shapefile")
NOT_WITH_JSON = (
    "escape", "fillrecord", "ignoreblanklines", "null", "readratio", "removequotes", "quote",
)
NOT_EMULATED = ("encrypted", "lzop", "master_symmetric_key", "ssh", "zstd")
EXCLUDING = (
    ("gzip", "bzip2"),
    ("ignoreallerrors", "maxerror"),
    ("iam_role", "credentials"),
    ("iam_role", "access_key_id"),
    ("credentials", "access_key_id"),
)
NEEDING = {
    "acceptanydate": "dateformat",
    "access_key_id": "secret_access_key",
    "secret_access_key": "access_key_id",
    "session_token": "access_key_id",
}


def parsed(tokens: list[Token]) -> Statement:
    """Read a COPY statement; raises a psycopg2 error that names what is lacking."""
    reader = Tokens(tokens)
    reader.skip("copy")
    table = ".".join(map(quoted, names(reader, ".")))
    columns = ()
    if reader.skip_op("("):
        columns = names(reader, ",")
        if not reader.skip_op(")"):
            raise wrong(f"a syntax error {reader.near()}")
    if not reader.skip("from"):
        raise wrong(f"expected COPY table FROM 's3://…', {reader.near()}")
    if reader.peek_word() in ("stdin", "program"):
        raise errors.FeatureNotSupported(
            f"Redshift has no COPY … FROM {reader.peek_word().upper()}; it copies from S3, "
            "COPY table FROM 's3://…'")
    source = reader.string("FROM needs 's3://bucket/prefix' in quotes")
    scheme, separator, _ = source.partition("://")
    if separator and scheme != "s3":
        # Other text is not shown: it may be anything, credentials in the wrong place included.
        known = scheme if scheme in ("dynamodb", "emr", "http", "https", "file", "gs") else "other"
        raise not_emulated(f"from {known}://…, only from s3://…")
    return Statement(table, columns, source, read_options(reader))


def names(reader: Tokens, separator: str) -> tuple[str, ...]:
    """One name or more with the separator between them."""
    found = []
    while True:
        token = reader.peek()
        if not token or token.kind not in ("word", "name"):
            raise wrong(f"a name is missing {reader.near()}")
        if token.kind == "word" and folded(token.text) in RESERVED:
            raise refuse_reserved(folded(token.text))
        found.append(identifier(reader.next()))
        if not reader.skip_op(separator):
            return tuple(found)


def read_options(reader: Tokens) -> dict[str, object]:
    options = {}
    while reader.peek():
        if reader.skip("with") and reader.peek_word() != "credentials":
            raise wrong(f"WITH goes before CREDENTIALS only, {reader.near()}")
        word = reader.peek_word()
        refuse_option(word, reader)
        reader.next()
        key = "json" if word == "format" else word
        if key in options:
            raise wrong(f"conflicting or redundant option {word.upper()}")
        options[key] = OPTIONS[word](reader, word.upper())
    if not options.keys() & {"iam_role", "credentials", "access_key_id"}:
        raise wrong("it needs IAM_ROLE 'arn:aws:iam::…:role/…' or IAM_ROLE default")
    if "json" not in options:
        refuse_format("delimited text (the default)")
    for one, other in EXCLUDING:
        if one in options and other in options:
            raise wrong(f"{one.upper()} and {other.upper()} exclude each other")
    for one, other in NEEDING.items():
        if one in options and other not in options:
            raise wrong(f"{one.upper()} needs {other.upper()}")
    return options


def refuse_format(name: str):
    raise not_emulated(f"with FORMAT {name.upper()}; it reads JSON only")


def refuse_option(word: str, reader: Tokens) -> None:
    if word in OPTIONS:
        return
    if word in OTHER_FORMATS:
        refuse_format(word)
    if word in NOT_WITH_JSON:
        raise errors.FeatureNotSupported(f"Redshift's COPY has no {word.upper()} with FORMAT JSON")
    if word in NOT_EMULATED:
        raise not_emulated(f"with {word.upper()}")
    raise wrong(f"a syntax error {reader.near()}: there is no such option")
