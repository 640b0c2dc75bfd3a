"""Words that Redshift reserves: allowed where its grammar has them, never as names without quotes."""

from psycopg2 import errors

from .edit import Edit
from .refusals import RESERVED, RESERVED_BY_BOTH, refusal, reserved_word_refusal

# PostgreSQL accepts its own reserved words as names only after AS or a dot. Redshift reserves the
# last three in addition; they occur in too many places to tell a keyword from a name.
_LEFT_TO_POSTGRESQL = RESERVED_BY_BOTH | {"between", "interval", "oid"}
# r_names: no user's column may have these names.
_SYSTEM_COLUMNS = frozenset("cmax cmin ctid tableoid xmax xmin".split())
_CODECS = RESERVED & frozenset("""
    az64 bytedict delta delta32k lzo mostly16 mostly32 mostly8 raw text255 text32k
""".split())
# A reserved word is a keyword if one of these words follows it, or precedes it (_BEFORE).
_AFTER = {
    "backup": ("yes", "no"),
    "identity": ("(",),
    "ignore": ("nulls",),
    "minus": ("select", "("),
    "nulls": ("first", "last"),
    "partition": ("by",),
    "pivot": ("(",),
    "respect": ("nulls",),
    "timestamp": ("'", "with", "without"),
    "unnest": ("(",),
    "unpivot": ("(", "include", "exclude"),
    "without": ("time", "hold"),
}
_BEFORE = {
    "disable": ("password",),
    "nulls": ("ignore", "respect"),
    "timestamp": ("::",),
    "top": ("select",),
} | dict.fromkeys(_CODECS, ("encode",))


def refuse_reserved_name(edit: Edit, pos: int) -> None:
    """Raise if the word at a position is reserved and not a keyword there (r_pg_keywords).

    Also raise for PostgreSQL's system columns (c_unsupported-postgresql-features).
    """
    word = edit.words[pos]
    if word in _SYSTEM_COLUMNS:
        message = f"Redshift has no system column {word.upper()}"
        raise refusal(message, "a key of the table", errors.UndefinedColumn)
    if word in RESERVED and not _is_keyword(edit, pos):
        raise reserved_word_refusal(word)


def _is_keyword(edit: Edit, pos: int) -> bool:
    word, before, after = edit.words[pos], edit.word(pos - 1), edit.word(pos + 1)
    if word in _LEFT_TO_POSTGRESQL:
        return (
            before not in ("as", ".") or _is_in_cast(edit, pos) or word == "oid" and before == "."
            or word in ("select", "with") and edit.words[0] in ("create", "prepare")
        )
    if before == ".":
        return False
    if word in ("sysdate", "current_user_id"):
        return before != "as" and after != "."
    if word == "encode":
        return after in _CODECS or after in ("auto", "runlength", "zstd")
    if word == "timestamp" and _is_in_cast(edit, pos):
        return True
    return after in _AFTER.get(word, ()) or before in _BEFORE.get(word, ())


def _is_in_cast(edit: Edit, pos: int) -> bool:
    """Return whether the word is the type of CAST(… AS type) or CONVERT(type, …)."""
    function = edit.word(edit.inside[pos] - 1) if edit.inside[pos] >= 0 else ""
    return (
        function == "cast" and edit.word(pos - 1) == "as"
        or function == "convert" and edit.inside[pos] == pos - 1
    )
