"""Advice for rows that a COPY rejected, chosen by the reason, the column type and the kind of file.

Redshift uses one error code for several reasons, and a cluster reports other codes than the guide
lists. The text of the reason is therefore checked first (guide: r_Load_Error_Reference).
"""

import re
from itertools import groupby

LONGEST_REPORTED = 1024  # characters: stl_load_errors cuts values there
INTEGERS = {"int2": 32767, "int4": 2147483647, "int8": 9223372036854775807}
DOES_NOT_FIT = re.compile("overflow|out of range", re.IGNORECASE)
PACKED = {".zip": "zip", ".gz": "gzip", ".bz2": "bzip2", ".zst": "Zstandard", ".parquet": "Parquet",
          ".avro": "Avro", ".orc": "ORC"}


def advise(rows: list, table: str) -> list[str]:
    """Return advice for rows that a COPY into the table rejected, one text per column and error code."""
    ordered = sorted(rows, key=lambda row: (row.column, row.code))
    groups = groupby(ordered, key=lambda row: (row.column, row.code))
    return list(dict.fromkeys(advise_group(list(group), table) for _, group in groups))


def advise_group(rows: list, table: str) -> str:
    """Return advice for rejected rows that share a column and an error code."""
    row = rows[0]
    may_be_swapped = row.code == 1216 or row.reason.startswith(("Missing data", "Invalid JSONPath"))
    if may_be_swapped and (advice := advise_swapped(rows, table)):
        return advice
    if "JSONPath" in row.reason:
        return advise_mapping(table)
    if row.reason.startswith("Missing data") or row.code == 1213:
        return f"{advise_missing(row, table)} {advise_other_files(table)}"
    if row.code == 1216:
        return f"{advise_json(rows)} {advise_other_files(table)}"
    if "char" in row.type and row.code == 1204:
        return advise_long_texts(rows)
    is_number = row.type in INTEGERS or row.type in ("numeric", "float4", "float8")
    if is_number and row.code in (1204, 1207, 1222):
        return advise_numbers(row)
    return {
        1205: f"Write dates in the files as YYYY-MM-DD, or describe the format of {row.column} with"
              " DATEFORMAT in the COPY of sql_queries.py.",
        1206: f"Write timestamps in the files as YYYY-MM-DD HH:MI:SS, or describe the format of"
              f" {row.column} with TIMEFORMAT in the COPY of sql_queries.py ('epochmillisecs' for"
              " milliseconds since 1970).",
        1220: "Save the files as UTF-8, without NUL characters.",
        1221: "Save the files as UTF-8.",
    }.get(row.code, "Correct the files.")


def advise_swapped(rows: list, table: str) -> str:
    """Return advice if the rows look like songs among the logs or logs among the songs, else ''."""
    kind, other_keys = {"staging_events": ("song", {"song_id", "artist_id"}),
                        "staging_songs": ("log", {"sessionid", "iteminsession"})}.get(table, ("", set()))
    keys = [row.keys for row in rows if row.keys]
    if not keys or not all(other_keys <= names for names in keys):
        return ""
    return (f"This looks like a {kind} file ({', '.join(sorted(other_keys))}): are LOG_DATA and SONG_DATA"
            " swapped, or are both kinds of files in one place?")


def advise_mapping(table: str) -> str:
    array = ("If a file is one JSON array, convert it with jq -c '.[]' FILE: COPY reads one object after"
             " another.")
    if table == "staging_songs":
        return array
    return (f"{array} Otherwise the documents do not fit the LOG_JSONPATH file: correct that file, or"
            " remove the setting.")


def advise_missing(row, table: str) -> str:
    if table == "staging_songs":
        return f"Every song needs {row.column}, under that name."
    return (f"Every event needs {row.column}. If the logs have it under another name, correct"
            " LOG_JSONPATH. auto is case-sensitive, auto ignorecase is not.")


def advise_json(rows: list) -> str:
    names = {row.file.rpartition("/")[2].lower() for row in rows}
    for ending, kind in PACKED.items():
        if any(name.endswith(ending) for name in names):
            return f"A file name ends in {ending}: convert that {kind} file to plain JSON."
    return ("Correct the JSON of the files: complete objects, one after another, as UTF-8 text without a"
            " byte order mark, not compressed.")


def advise_other_files(table: str) -> str:
    setting, kind = ("SONG_DATA", "song") if table == "staging_songs" else ("LOG_DATA", "log")
    return f"If the file is not a {kind} file, move it out of {setting}: COPY reads every file there."


def advise_numbers(row) -> str:
    """Return advice for a value that is not a number, or is too large a number, for its column."""
    if row.type in INTEGERS:
        most = INTEGERS[row.type]
        if not DOES_NOT_FIT.search(row.reason) and row.code != 1222:
            return f"Correct the values in the files: {row.column} takes whole numbers up to {most}."
        wider = "" if row.type == "int8" else f" Or make {row.column} a BIGINT in sql_queries.py."
        return f"Correct the numbers in the files: {row.column} takes numbers up to {most}.{wider}"
    size = f" {row.length}" if row.length not in ("", "0") else ""
    if DOES_NOT_FIT.search(row.reason) or row.code in (1204, 1222):
        return f"Correct the numbers in the files: {row.column} takes {row.type}{size}."
    return f"Correct the values in the files: {row.column} takes a number such as 200.5."


def advise_long_texts(rows: list) -> str:
    """Return advice for texts that are too long, with the size in bytes that the column needs.

    Redshift may report a value cut off or not at all. Then only a lower bound is known.
    """
    column = rows[0].column
    values = [row.value or "" for row in rows]
    longest = max(len(value.encode()) for value in values)
    size = int(rows[0].length) if rows[0].length.isdecimal() else 0
    is_complete = all(0 < len(value) < LONGEST_REPORTED and len(value.encode()) > size for value in values)
    need = f"at least {longest:,}" if is_complete else f"more than {max(size, longest):,}"
    return (f"Shorten the texts in the files, or widen {column} to {need} bytes: ALTER TABLE … ALTER"
            f" COLUMN {column} TYPE VARCHAR(…). Make the same change in sql_queries.py, and widen the"
            f" columns that are filled from {column}.")
