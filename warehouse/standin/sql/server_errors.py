"""PostgreSQL's errors about statements that Redshift might have accepted."""

import re

import psycopg2
from psycopg2 import errorcodes

from .tokens import tokenize

# Codes that Redshift itself raises rarely: PostgreSQL raises them for SQL that the stand-in left
# untranslated or translated badly.
_SUSPECT_CODES = frozenset((
    errorcodes.SYNTAX_ERROR, errorcodes.UNDEFINED_FUNCTION, errorcodes.AMBIGUOUS_FUNCTION,
    errorcodes.CANNOT_COERCE, errorcodes.INDETERMINATE_DATATYPE, errorcodes.FEATURE_NOT_SUPPORTED,
))
# r_intro_system_tables: the prefixes of Redshift's system tables and views.
_SYSTEM_TABLE = re.compile(r'"(?:pg_catalog\.)?((?:pg|stcs|stl|stv|svcs|svl|svv|sys)_\w+)"')
_MAX_SHOWN = 2000  # characters of a statement that is shown


def explain_error(error: psycopg2.Error, statement: str) -> psycopg2.Error:
    """Return the error to raise, with an explanation if Redshift might have run the statement.

    The explanation quotes the statement without its strings and comments: they may hold passwords.
    """
    message = error.diag.message_primary or ""
    if error.pgcode == errorcodes.UNDEFINED_TABLE and (name := _SYSTEM_TABLE.search(message)):
        return _copy_error(error, f"the stand-in does not emulate Redshift's system table {name[1].upper()}")
    # r_Type_conversion: Redshift converts INT to BOOLEAN. It refuses other assignments, as PostgreSQL does.
    is_suspect = (error.pgcode in _SUSPECT_CODES
                  or error.pgcode == errorcodes.DATATYPE_MISMATCH and "boolean" in message)
    if not is_suspect or "Redshift" in message:
        return error
    shown = ""
    for kind, text in tokenize(statement):
        if kind == "string":
            message = message.replace(text, "'…'")
        shown += {"string": "'…'", "comment": " "}.get(kind, text)
    if len(shown) > _MAX_SHOWN:
        shown = shown[:_MAX_SHOWN] + " …"
    return _copy_error(error, f"{message}. This is PostgreSQL's answer: the stand-in may be at fault, and"
                        f" Redshift might run the statement. PostgreSQL was sent: {shown.strip()}")


def _copy_error(error: psycopg2.Error, message: str) -> psycopg2.Error:
    """Return an error of the same class and SQLSTATE with another message."""
    other = type(error)(message)
    other.__setstate__({"pgcode": error.pgcode, "pgerror": message})
    return other
