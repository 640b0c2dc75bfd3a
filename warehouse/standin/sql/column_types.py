"""Redshift's types: their names, lengths and encodings, and their names in PostgreSQL."""

import re
from typing import NamedTuple

from psycopg2 import errors

from .edit import Edit
from .refusals import refusal, type_refusal
from .tokens import decode_name

_NUMERIC = ("numeric", "decimal", "dec")
# Types without a length that PostgreSQL has too.
_PLAIN = frozenset("""
    smallint int2 integer int int4 bigint int8 real float4 float8 float boolean bool date time
    timetz timestamp timestamptz datetime
""".split()) | {
    "double precision", "time with time zone", "time without time zone",
    "timestamp with time zone", "timestamp without time zone",
    "interval year to month", "interval day to second",
}  # fmt: skip
# Allowed in casts only: to read the catalog, and for interval literals.
_CAST_ONLY = frozenset("oid regclass name interval xid abstime".split())


class CharacterType(NamedTuple):
    """A character type: its name in PostgreSQL, and its default and maximum length in bytes.

    `has_length` says whether a length may be written after it (r_Character_types).
    """

    base: str
    default_bytes: int
    max_bytes: int
    has_length: bool = True


CHARACTER_TYPES = {
    "varchar": CharacterType("varchar", 256, 65535),
    "character varying": CharacterType("varchar", 256, 65535),
    "nvarchar": CharacterType("varchar", 256, 65535),
    "national character varying": CharacterType("varchar", 256, 65535),
    "text": CharacterType("varchar", 256, 65535, has_length=False),
    "char": CharacterType("char", 1, 4096),
    "character": CharacterType("char", 1, 4096),
    "nchar": CharacterType("char", 1, 4096),
    "national character": CharacterType("char", 1, 4096),
    "bpchar": CharacterType("char", 256, 4096, has_length=False),
}
# Longest first. Redshift does not have the last two; they are listed to be refused by full name.
_LONG_NAMES = sorted(
    (name for name in _PLAIN | CHARACTER_TYPES.keys() if " " in name), key=len, reverse=True
) + ["bit varying", "binary varying"]


TYPES = _PLAIN | CHARACTER_TYPES.keys() | set(_NUMERIC)


class Type(NamedTuple):
    """A type as written. `size` is -1 for MAX and None if missing; `end` is the position after it."""

    name: str
    size: int | None
    end: int


def read_type(edit: Edit, pos: int) -> Type:
    """Read a type name and its length; raises if Redshift does not take that length."""
    name = next((long_name for long_name in _LONG_NAMES if edit.has_words(pos, long_name)), edit.word(pos))
    end = pos + len(name.split())
    if edit.word(end) != "(":
        return Type(name, None, end)
    opened, end = end, edit.partner[end] + 1
    length = edit.text(opened + 1, end - 1)
    advice = f"{name.upper()} or another length"
    if name in CHARACTER_TYPES and CHARACTER_TYPES[name].has_length:
        if length.lower() == "max" and CHARACTER_TYPES[name].base == "varchar":
            return Type(name, -1, end)
        if re.fullmatch(r"\d{1,9}", length):
            return Type(name, int(length), end)
    elif name in _NUMERIC:
        digits = re.fullmatch(r"(\d{1,9})\s*(?:,\s*(\d{1,9}))?", length)
        # r_Numeric_types201: precision up to 38, scale up to 37
        if digits and int(digits[2] or 0) <= min(int(digits[1]), 37) and int(digits[1]) <= 38:
            return Type(name, int(digits[1]), end)
        advice = "at most 38 digits, at most 37 of them after the point"
    elif name not in _PLAIN and name not in CHARACTER_TYPES:
        raise type_refusal(name)
    # c_Supported_data_types
    message = f"Redshift has no {name.upper()}({length})"
    raise refusal(message, advice, errors.InvalidParameterValue)


def translate_type(edit: Edit, pos: int, extra: frozenset[str] = frozenset()) -> Type:
    """Read a type and translate its name; raises if Redshift does not have it.

    `extra` names types to accept in addition. A bare NUMERIC becomes numeric(18,0), as on Redshift.
    """
    kind = read_type(edit, pos)
    if kind.name in _NUMERIC:
        if kind.size is None:
            edit.replace(pos, kind.end, "numeric(18,0)")
    elif kind.name == "datetime":
        edit.replace(pos, kind.end, "timestamp")
    elif kind.name not in _PLAIN and kind.name not in CHARACTER_TYPES and kind.name not in extra:
        raise type_refusal(kind.name) if kind.name[:1].isalpha() else edit.syntax_error(pos, "a type")
    return kind


def character_bytes(kind: Type) -> int:
    """Return the length of a character type in bytes; raises if it is out of range."""
    _, default_bytes, max_bytes, _ = CHARACTER_TYPES[kind.name]
    size = {None: default_bytes, -1: max_bytes}.get(kind.size, kind.size)
    if not 0 < size <= max_bytes:
        message = f"Redshift's {kind.name.upper()} takes 1 to {max_bytes} bytes, not {size}"
        raise refusal(message, f"a length up to {max_bytes}", errors.InvalidParameterValue)
    return size


def translate_cast_type(edit: Edit, pos: int) -> tuple[int, int] | None:
    """Translate the type of a cast; a missing length stays missing (r_CAST_function).

    For a VARCHAR(n) return the position after the type, and n: the bytes to cut the value to.
    """
    if pos >= len(edit.tokens):
        raise edit.syntax_error(pos, "a type")
    token = edit.tokens[pos]
    if token.kind == "name" and decode_name(token) not in (TYPES | _CAST_ONLY) - {"char"}:
        raise type_refusal(token.text)  # c_unsupported-postgresql-datatypes: "char", too
    if token.kind != "word" or edit.word(pos + 1) == ".":
        return None
    kind = translate_type(edit, pos, _CAST_ONLY)
    if kind.name not in CHARACTER_TYPES:
        return None
    base = CHARACTER_TYPES[kind.name].base
    size = None if kind.size is None else character_bytes(kind)
    if kind.size == -1 or kind.name.startswith("n"):
        edit.replace(pos, kind.end, base if size is None else f"{base}({size})")
    return None if size is None or base == "char" else (kind.end, size)


def cut_to_bytes(value: str, size: int) -> str:
    """Return an expression that cuts a value to a VARCHAR of at most `size` bytes."""
    return f"CAST(redshift.cut(CAST({value} AS text), {size}) AS varchar({size}))"


# c_Compression_encodings: codec -> the types that it does not take. TIME, TIMETZ, TIMESTAMPTZ and
# INTERVAL are left out.
_TEXT_FLOAT_BOOL = "char varchar real float8 bool"
_CODECS = dict.fromkeys("auto raw runlength zstd".split(), "") | {
    "az64": _TEXT_FLOAT_BOOL,
    "bytedict": "bool",
    "delta": _TEXT_FLOAT_BOOL,
    "delta32k": f"{_TEXT_FLOAT_BOOL} smallint",
    "lzo": "real float8 bool",
    "mostly8": f"{_TEXT_FLOAT_BOOL} date timestamp",
    "mostly16": f"{_TEXT_FLOAT_BOOL} date timestamp smallint",
    "mostly32": f"{_TEXT_FLOAT_BOOL} date timestamp smallint int",
} | dict.fromkeys(
    ("text255", "text32k"), "char real float8 bool date timestamp smallint int bigint numeric")
_CANONICAL_NAMES = {
    "int2": "smallint", "integer": "int", "int4": "int", "int8": "bigint", "float4": "real",
    "float": "float8", "double precision": "float8", "boolean": "bool", "decimal": "numeric",
    "dec": "numeric", "datetime": "timestamp", "timestamp without time zone": "timestamp",
} | {name: character.base for name, character in CHARACTER_TYPES.items()}  # fmt: skip


def read_encoding(edit: Edit, pos: int, type_name: str = "") -> int:
    """Read ENCODE and its codec; return the position after them.

    `type_name` is the type of the column; '' leaves the pair unchecked.
    """
    codec = edit.word(pos + 1)
    if codec not in _CODECS:
        message = f"Redshift has no encoding {codec.upper()}"  # c_Compression_encodings
        raise refusal(message, "ENCODE AUTO, AZ64, ZSTD, LZO or RAW", errors.UndefinedObject)
    if _CANONICAL_NAMES.get(type_name, type_name) in _CODECS[codec].split():
        message = f"Redshift's encoding {codec.upper()} takes no {type_name.upper()}"
        raise refusal(message, "ENCODE AUTO, ZSTD or RAW", errors.InvalidTableDefinition)
    return pos + 2
