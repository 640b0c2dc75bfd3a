"""ALTER TABLE."""

from psycopg2 import errors

from .column_types import CHARACTER_TYPES, character_bytes, read_encoding, read_type
from .ddl import CONSTRAINTS, Table, byte_check_name, read_constraint, translate_column
from .edit import Edit
from .refusals import refusal
from .tokens import quote_name, quote_string


def alter_table(edit: Edit) -> list[str]:
    """Translate ALTER TABLE: one action, out of fewer than PostgreSQL has (r_ALTER_TABLE)."""
    pos, end = edit.skip_name(2), len(edit.words)
    if edit.find(pos, end, ",") < end:
        raise refusal("Redshift's ALTER TABLE takes one action", "an ALTER TABLE for each")
    word = edit.word(pos)
    column_pos = pos + 1 + (edit.word(pos + 1) == "column")
    name = quote_string(edit.text(2, pos))
    if word == "add" and edit.word(pos + 1) in CONSTRAINTS:
        read_constraint(edit, pos + 1, end, table := Table())
        key = ", ".join(map(quote_string, table.keys.get("PRIMARY KEY", ())))
        return [f"CALL redshift.refuse_nullable({name}, ARRAY[{key}])"] if key else []
    if word == "add":
        return _add_column(edit, column_pos, end)
    if word == "alter":
        return _alter_column(edit, column_pos, end, name)
    if edit.has_words(pos, "drop constraint"):
        return []
    if word == "drop" and edit.has_words(column_pos, "if exists"):
        raise refusal("Redshift has no DROP COLUMN IF EXISTS", "DROP COLUMN")
    if word == "drop":
        column = edit.read_name(column_pos)
        return [f"CALL redshift.refuse_key({name}, {quote_string(column)})", str(edit)]
    if word == "rename":
        edit.read_name(end - 1)  # raises if it cannot be a name on Redshift
        return [str(edit)]
    if edit.has_words(pos, "owner to"):
        return [str(edit)]
    message = f"Redshift has no ALTER TABLE … {word.upper()}"
    raise refusal(message, "ADD, DROP, RENAME, OWNER TO or ALTER COLUMN … TYPE VARCHAR(n)")


def _add_column(edit: Edit, pos: int, end: int) -> list[str]:
    """Translate ADD COLUMN: no key, and no constraint but NOT NULL with a DEFAULT (r_ALTER_TABLE)."""
    if edit.has_words(pos, "if not exists"):
        raise refusal("Redshift has no ADD COLUMN IF NOT EXISTS", "ADD COLUMN")
    table = Table()
    translate_column(edit, pos, end, table)
    if table.keys or edit.find(pos, end, "identity", "unique", "references") < end:
        message = "Redshift's ADD COLUMN takes no key, IDENTITY, UNIQUE or REFERENCES"
        raise refusal(message, "CREATE TABLE and INSERT … SELECT")
    (column,) = table.columns.values()
    if column.not_null and not column.has_default:
        message = "Redshift adds a NOT NULL column only if it has a DEFAULT"
        raise refusal(message, "DEFAULT and a value", errors.InvalidTableDefinition)
    return [str(edit)]


def _alter_column(edit: Edit, pos: int, end: int, table: str) -> list[str]:
    """Translate ALTER COLUMN: keys and encodings have no effect, a new length replaces the byte check."""
    if edit.word(pos) in ("distkey", "diststyle", "sortkey", "compound", "encode"):
        return []
    if edit.word(pos + 1) == "encode" and read_encoding(edit, pos + 1) == end:
        return []
    column = edit.read_name(pos)
    kind = read_type(edit, pos + 2) if edit.word(pos + 1) == "type" else None
    character = CHARACTER_TYPES.get(kind.name) if kind and kind.end == end else None
    if not character or character.base != "varchar":
        message = "Redshift's ALTER COLUMN changes the length of a VARCHAR only"
        raise refusal(message, "CREATE TABLE and INSERT … SELECT")
    size, check = character_bytes(kind), byte_check_name(column)
    call = f"CALL redshift.refuse_default({table}, {quote_string(column)})"
    edit.replace(pos + 2, end, f"varchar({size}), DROP CONSTRAINT IF EXISTS {check}, "
             f"ADD CONSTRAINT {check} CHECK (octet_length({quote_name(column)}) <= {size})")
    return [call, str(edit)]
