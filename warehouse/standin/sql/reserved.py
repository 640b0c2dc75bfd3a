"""Words that Redshift reserves: each may be a keyword, and nowhere a name without quotes."""

from psycopg2 import errors

from .edit import Edit
from .refused import RESERVED, RESERVED_BY_BOTH, refusal, reserved_word_refusal

# PostgreSQL takes these as names after AS and a dot only. Of its own, the last three stand in too
# many places to be told from names otherwise.
_LEFT_TO_POSTGRESQL = RESERVED_BY_BOTH | {"between", "interval", "oid"}
# r_names: no column of one's own is called so, and Redshift shows none of them but oid.
_SYSTEM_COLUMNS = frozenset("cmax cmin ctid tableoid xmax xmin".split())
_CODECS = RESERVED & frozenset("""
    az64 bytedict delta delta32k lzo mostly16 mostly32 mostly8 raw text255 text32k
""".split())
# The word -> what may stand after it, or before it, where it is a keyword.
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
    """Raise when the word at a position is reserved and is no keyword there (r_pg_keywords).

    c_unsupported-postgresql-features: system columns have names that no other column takes.
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
    """Whether a type stands here: CAST(… AS type) or CONVERT(type, …)."""
    function = edit.word(edit.inside[pos] - 1) if edit.inside[pos] >= 0 else ""
    return (
        function == "cast" and edit.word(pos - 1) == "as"
        or function == "convert" and edit.inside[pos] == pos - 1
    )
