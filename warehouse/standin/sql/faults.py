"""What PostgreSQL says of a statement that Redshift might have taken."""

import re

import psycopg2
from psycopg2 import errorcodes

from .tokens import tokenize

# With these Redshift refuses a statement rarely, PostgreSQL whatever was translated badly or not.
_SUSPECT_CODES = frozenset((
    errorcodes.SYNTAX_ERROR, errorcodes.UNDEFINED_FUNCTION, errorcodes.AMBIGUOUS_FUNCTION,
    errorcodes.CANNOT_COERCE, errorcodes.INDETERMINATE_DATATYPE, errorcodes.FEATURE_NOT_SUPPORTED,
))
# r_intro_system_tables: how the names of Redshift's system tables and views begin.
_SYSTEM_TABLE = re.compile(r'"(?:pg_catalog\.)?((?:pg|stcs|stl|stv|svcs|svl|svv|sys)_\w+)"')
_MAX_SHOWN = 2000  # characters of a statement that is shown


def explain_error(error: psycopg2.Error, statement: str) -> psycopg2.Error:
    """The error to raise: where Redshift might have run the statement, one that says so.

    Strings and comments are left out of the statement: they may hold passwords and values.
    """
    said = error.diag.message_primary or ""
    if error.pgcode == errorcodes.UNDEFINED_TABLE and (name := _SYSTEM_TABLE.search(said)):
        return _copy_error(error, f"the stand-in does not emulate Redshift's system table {name[1].upper()}")
    # r_Type_conversion: INT becomes BOOLEAN; other assignments Redshift refuses alike.
    suspect = (error.pgcode in _SUSPECT_CODES
               or error.pgcode == errorcodes.DATATYPE_MISMATCH and "boolean" in said)
    if not suspect or "Redshift" in said:
        return error
    shown = ""
    for kind, text in tokenize(statement):
        if kind == "string":
            said = said.replace(text, "'…'")
        shown += {"string": "'…'", "comment": " "}.get(kind, text)
    if len(shown) > _MAX_SHOWN:
        shown = shown[:_MAX_SHOWN] + " …"
    return _copy_error(error, f"{said}. This is PostgreSQL's answer: the stand-in may be at fault, and"
                        f" Redshift might run the statement. PostgreSQL was sent: {shown.strip()}")


def _copy_error(error: psycopg2.Error, message: str) -> psycopg2.Error:
    """An error of the same class and SQLSTATE."""
    other = type(error)(message)
    other.__setstate__({"pgcode": error.pgcode, "pgerror": message})
    return other
