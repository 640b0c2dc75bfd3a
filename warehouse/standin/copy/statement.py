"""Parser of COPY statements (guide: r_COPY and its copy-parameters-* pages).

Every option is honoured or refused by name: ignoring one could make a load green here that fails on
Redshift. Credentials are checked for their form and dropped. Messages quote no strings of the
statement but those of REGION, DATEFORMAT and TIMEFORMAT.
"""

import re
from typing import Callable, NamedTuple

from psycopg2 import errors

from ..sql.refusals import RESERVED, reserved_word_refusal
from ..sql.tokens import Token, decode_name, decode_string, fold_case, quote_name
from .types.datetime import ACCEPTED_FORMATS, EPOCH_UNITS, compile_format

MAX_ERRORS = 100_000

ARN = r"arn:aws[a-z-]*:iam::[0-9]+:role/[^\s,;]+"
ROLES = re.compile(rf"{ARN}(?:,{ARN}){{0,9}}")
PAIR = r"aws_(?:access_key_id|secret_access_key)=[^\s;]+"
CREDENTIALS = re.compile(rf"aws_iam_role={ROLES.pattern}|{PAIR};{PAIR}(?:;token=[^\s;]+)?")


class Statement(NamedTuple):
    """A parsed COPY. `table` is SQL text; `columns` is empty if the statement lists none."""

    table: str
    columns: tuple[str, ...]
    source: str
    options: dict[str, object]


class Parser:
    """Reads the tokens of a statement from left to right; spaces and comments are left out."""

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

    def accept(self, word: str) -> bool:
        """Step over the word if it is next; return whether it was."""
        is_next = self.peek_word() == word
        self.position += is_next
        return is_next

    def accept_op(self, text: str) -> bool:
        """Step over the operator if it is next; return whether it was."""
        token = self.peek()
        is_next = bool(token) and token.kind == "op" and token.text == text
        self.position += is_next
        return is_next

    def expect_string(self, complaint: str) -> str:
        token = self.peek()
        if not token or token.kind != "string":
            raise syntax_error(complaint)
        return decode_string(self.next())

    def describe_position(self) -> str:
        token = self.peek()
        if not token:
            return "at its end"
        return "near a string" if token.kind == "string" else f'near "{token.text}"'


def syntax_error(message: str) -> errors.SyntaxError:
    return errors.SyntaxError(f"Redshift's COPY: {message}")


def value_error(message: str) -> errors.InvalidParameterValue:
    return errors.InvalidParameterValue(f"Redshift's COPY: {message}")


def emulation_error(what: str) -> errors.FeatureNotSupported:
    return errors.FeatureNotSupported(f"the stand-in does not emulate Redshift's COPY {what}")


def parse_string(parser: Parser, name: str) -> str:
    parser.accept("as")
    return parser.expect_string(f"{name} needs a value in quotes, {parser.describe_position()}")


def parse_count(parser: Parser, name: str) -> int:
    parser.accept("as")
    token = parser.peek()
    if not token or token.kind != "number" or not re.fullmatch("[0-9]{1,9}", token.text):
        raise syntax_error(f"{name} needs a whole number, {parser.describe_position()}")
    count = int(parser.next().text)
    if name == "MAXERROR" and count > MAX_ERRORS:
        raise value_error(f"MAXERROR is {count}, more than {MAX_ERRORS}")
    return count


def parse_switch(parser: Parser, name: str) -> bool:
    word = parser.peek_word()
    if word in ("on", "off", "true", "false") or (word == "preset" and name == "COMPUPDATE"):
        parser.next()
    return word not in ("off", "false")


def parse_role(parser: Parser, name: str) -> bool:
    if not parser.accept("default"):
        role = parser.expect_string("IAM_ROLE needs 'arn:aws:iam::…:role/…' or the word default")
        if role != "SESSION" and not ROLES.fullmatch(role):
            raise value_error("IAM_ROLE is not of the form 'arn:aws:iam::…:role/…'")
    return True


def parse_credentials(parser: Parser, name: str) -> bool:
    credentials = parse_string(parser, name)
    if not CREDENTIALS.fullmatch(credentials) or any(
            credentials.count(key) > 1 for key in ("aws_access", "aws_secret")):
        raise value_error(
            "invalid credentials. Must be of the format: 'aws_iam_role=…' or"
            " 'aws_access_key_id=…;aws_secret_access_key=…[;token=…]'")
    return True


def parse_secret(parser: Parser, name: str) -> bool:
    parse_string(parser, name)
    return True


def parse_region(parser: Parser, name: str) -> str:
    region = parse_string(parser, name)
    if not re.fullmatch("[a-z]{2}(-[a-z]+)+-[0-9]+", region):
        raise value_error(f"REGION {region!r} is not the name of a region")
    return region


def parse_datetime_format(parser: Parser, name: str) -> str:
    text = parse_string(parser, name)
    words = ("auto", *EPOCH_UNITS) if name == "TIMEFORMAT" else ("auto",)
    if text not in words and not compile_format(text):
        accepted = ", ".join(f"'{word}'" for word in words)
        raise emulation_error(f"with {name} '{text}'; it takes {accepted} and {ACCEPTED_FORMATS}")
    return text


def parse_character(parser: Parser, name: str) -> str:
    has_as = parser.accept("as")
    token = parser.peek()
    if not has_as and not (token and token.kind == "string"):
        return "?"
    character = parse_string(parser, name)
    if len(character) != 1 or not "\0" < character < "\x80":
        raise value_error(f"{name} takes one ASCII character")
    return character


def parse_encoding(parser: Parser, name: str) -> str:
    parser.accept("as")
    token = parser.next()
    if not token or token.text.strip("'").upper() != "UTF8":
        raise emulation_error("with an ENCODING other than UTF8")
    return "UTF8"


def parse_json(parser: Parser, name: str) -> str:
    has_as = parser.accept("as")
    token = parser.peek()
    if not has_as and not (token and token.kind == "string"):
        return "auto"
    return parse_string(parser, name)


def parse_format(parser: Parser, name: str) -> str:
    parser.accept("as")
    if not parser.accept("json"):
        refuse_format(parser.peek_word() or "nothing")
    return parse_json(parser, "JSON")


def parse_flag(parser: Parser, name: str) -> bool:
    return True


OPTIONS: dict[str, Callable[[Parser, str], object]] = {
    "iam_role": parse_role,
    "credentials": parse_credentials,
    "access_key_id": parse_secret,
    "secret_access_key": parse_secret,
    "session_token": parse_secret,
    "region": parse_region,
    "format": parse_format,
    "json": parse_json,
    "acceptinvchars": parse_character,
    "dateformat": parse_datetime_format,
    "timeformat": parse_datetime_format,
    "encoding": parse_encoding,
    "ignoreheader": parse_count,
    "maxerror": parse_count,
    "comprows": parse_count,
    "compupdate": parse_switch,
    "statupdate": parse_switch,
} | dict.fromkeys(
    (
        "acceptanydate", "blanksasnull", "bzip2", "emptyasnull", "explicit_ids", "gzip",
        "ignoreallerrors", "manifest", "noload", "roundec", "trimblanks", "truncatecolumns",
    ),
    parse_flag,
)
OTHER_FORMATS = ("csv", "delimiter", "fixedwidth", "avro", "parquet", "orc", "shapefile")
NOT_WITH_JSON = (
    "escape", "fillrecord", "ignoreblanklines", "null", "readratio", "removequotes", "quote",
)
NOT_EMULATED = ("encrypted", "lzop", "master_symmetric_key", "ssh", "zstd")
EXCLUSIVE = (
    ("gzip", "bzip2"),
    ("ignoreallerrors", "maxerror"),
    ("iam_role", "credentials"),
    ("iam_role", "access_key_id"),
    ("credentials", "access_key_id"),
)
REQUIRES = {
    "acceptanydate": "dateformat",
    "access_key_id": "secret_access_key",
    "secret_access_key": "access_key_id",
    "session_token": "access_key_id",
}


def parse_copy(tokens: list[Token]) -> Statement:
    """Parse a COPY statement; raises a psycopg2 error that names what is missing or wrong."""
    parser = Parser(tokens)
    parser.accept("copy")
    table = ".".join(map(quote_name, parse_names(parser, ".")))
    columns = ()
    if parser.accept_op("("):
        columns = parse_names(parser, ",")
        if not parser.accept_op(")"):
            raise syntax_error(f"a syntax error {parser.describe_position()}")
    if not parser.accept("from"):
        raise syntax_error(f"expected COPY table FROM 's3://…', {parser.describe_position()}")
    if parser.peek_word() in ("stdin", "program"):
        raise errors.FeatureNotSupported(
            f"Redshift has no COPY … FROM {parser.peek_word().upper()}; it copies from S3, "
            "COPY table FROM 's3://…'")
    source = parser.expect_string("FROM needs 's3://bucket/prefix' in quotes")
    scheme, separator, _ = source.partition("://")
    if separator and scheme != "s3":
        # Never quote unknown text: it may be credentials in the wrong place.
        known = scheme if scheme in ("dynamodb", "emr", "http", "https", "file", "gs") else "…"
        raise emulation_error(f"from {known}://…, only from s3://…")
    return Statement(table, columns, source, parse_options(parser))


def parse_names(parser: Parser, separator: str) -> tuple[str, ...]:
    """Parse one or more names with the separator between them."""
    names = []
    while True:
        token = parser.peek()
        if not token or token.kind not in ("word", "name"):
            raise syntax_error(f"a name is missing {parser.describe_position()}")
        if token.kind == "word" and fold_case(token.text) in RESERVED:
            raise reserved_word_refusal(fold_case(token.text))
        names.append(decode_name(parser.next()))
        if not parser.accept_op(separator):
            return tuple(names)


def parse_options(parser: Parser) -> dict[str, object]:
    options = {}
    while parser.peek():
        if parser.accept("with") and parser.peek_word() != "credentials":
            raise syntax_error(f"WITH may stand only before CREDENTIALS, {parser.describe_position()}")
        word = parser.peek_word()
        refuse_option(word, parser)
        parser.next()
        key = "json" if word == "format" else word
        if key in options:
            raise syntax_error(f"conflicting or redundant option {word.upper()}")
        options[key] = OPTIONS[word](parser, word.upper())
    if not options.keys() & {"iam_role", "credentials", "access_key_id"}:
        raise syntax_error("it needs IAM_ROLE 'arn:aws:iam::…:role/…' or IAM_ROLE default")
    if "json" not in options:
        refuse_format("delimited text (the default)")
    for option, other in EXCLUSIVE:
        if option in options and other in options:
            raise syntax_error(f"{option.upper()} and {other.upper()} exclude each other")
    for option, other in REQUIRES.items():
        if option in options and other not in options:
            raise syntax_error(f"{option.upper()} needs {other.upper()}")
    return options


def refuse_format(name: str):
    raise emulation_error(f"with FORMAT {name.upper()}; it reads JSON only")


def refuse_option(word: str, parser: Parser) -> None:
    if word in OPTIONS:
        return
    if word in OTHER_FORMATS:
        refuse_format(word)
    if word in NOT_WITH_JSON:
        raise errors.FeatureNotSupported(f"Redshift's COPY has no {word.upper()} with FORMAT JSON")
    if word in NOT_EMULATED:
        raise emulation_error(f"with {word.upper()}")
    raise syntax_error(f"a syntax error {parser.describe_position()}: there is no such option")
