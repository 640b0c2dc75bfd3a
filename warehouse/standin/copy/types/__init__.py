"""Converters by the type of a column, as PostgreSQL's catalog names it."""

from ..values import Column, Converter, Options
from .datetime import Moment
from .numeric import Boolean, Float, Integer, Numeric
from .string import Char, Text

CONVERTERS = {
    "varchar": Text,
    "bpchar": Char,
    "int2": Integer,
    "int4": Integer,
    "int8": Integer,
    "numeric": Numeric,
    "float4": Float,
    "float8": Float,
    "bool": Boolean,
    "date": Moment,
    "timestamp": Moment,
    "timestamptz": Moment,
}


def make_converter(column: Column, options: Options) -> Converter:
    """Return the converter of a column; KeyError if the stand-in does not load its type from JSON."""
    return CONVERTERS[column.type](column, options)
