"""CREATE VIEW and CREATE MATERIALIZED VIEW."""

import hashlib

from .ddl import Table, table_attribute
from .edit import Edit
from .tokens import string


def create_view(edit: Edit) -> list[str]:
    """CREATE [OR REPLACE] VIEW: its columns stay, and nobody writes to it (r_CREATE_VIEW).

    PostgreSQL would let a view grow columns, and change the rows of its table through it.
    """
    p = edit.words.index("view") + 1
    end = edit.qualified(p)
    name = edit.text(p, end)
    if edit.words[p][0] == "#":
        edit.put(p - 1, p, "TEMP " + edit.text(p - 1, p))
    if edit.word(end) == "(":
        edit.names(end)
    read_only = ("CREATE TRIGGER standin_read_only INSTEAD OF INSERT OR UPDATE OR DELETE"
                 f" ON {name} FOR EACH ROW EXECUTE FUNCTION redshift.refuse_write_to_view()")
    if edit.word(1) != "or":
        return [str(edit), read_only]
    columns = f"(SELECT relnatts FROM pg_class WHERE oid = to_regclass({string(name)}))"
    digest = hashlib.md5(str(edit).encode(errors="replace"), usedforsecurity=False).hexdigest()
    tag = f"$standin_{digest}$"
    message = "Redshift replaces a view by one of the same columns only; write DROP VIEW first"
    return [f"DO {tag} DECLARE before CONSTANT int := {columns}; BEGIN\n{edit}\n;"
            f" IF before IS NULL THEN {read_only};"
            f" ELSIF before < {columns} THEN RAISE feature_not_supported USING MESSAGE ="
            f" {string(message)}; END IF; END {tag}"]


def create_materialized_view(edit: Edit) -> list[str]:
    """CREATE MATERIALIZED VIEW without the attributes of its table and AUTO REFRESH."""
    p, table = edit.qualified(3), Table()
    if edit.word(p) == "(":
        edit.names(p)
        p = edit.partner[p] + 1
    query = edit.find(p, len(edit.words), "as")
    while p < query:
        attribute = p
        if edit.says(p, "auto refresh") and edit.word(p + 2) in ("yes", "no"):
            p += 3
        else:
            p = table_attribute(edit, p, table)
        edit.drop(attribute, p)
    table.verify()
    return [str(edit)]
