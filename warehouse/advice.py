"""What to do about rows that a COPY rejected: by the reason, the kind of column, and which file it is.

Redshift has one code for several reasons, and other codes on a cluster than in its guide, so the words
count first (guide: r_Load_Error_Reference).
"""

import re
from itertools import groupby

LONGEST_REPORTED = 1024  # characters: stl_load_errors cuts values there
INTEGERS = {"int2": 32767, "int4": 2147483647, "int8": 9223372036854775807}
DOES_NOT_FIT = re.compile("overflow|out of range", re.IGNORECASE)
PACKED = {".zip": "zip", ".gz": "gzip", ".bz2": "bzip2", ".zst": "Zstandard", ".parquet": "Parquet",
          ".avro": "Avro", ".orc": "ORC"}


def advise(rows: list, table: str) -> list[str]:
    """A sentence or two for each column and reason of rows that a COPY into the table rejected."""
    ordered = sorted(rows, key=lambda row: (row.column, row.code))
    by_kind = groupby(ordered, key=lambda row: (row.column, row.code))
    return list(dict.fromkeys(advise_kind(list(alike), table) for _, alike in by_kind))


def advise_kind(rows: list, table: str) -> str:
    """What to do about rows of one column and code."""
    row = rows[0]
    whole_file = row.code == 1216 or row.reason.startswith(("Missing data", "Invalid JSONPath"))
    if whole_file and (looks := advise_swapped(rows, table)):
        return looks
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
        1205: f"Write dates in the files as YYYY-MM-DD, or say how {row.column} is written by"
              " DATEFORMAT in the COPY of sql_queries.py.",
        1206: f"Write timestamps in the files as YYYY-MM-DD HH:MI:SS, or say how {row.column} is"
              " written by TIMEFORMAT in the COPY of sql_queries.py ('epochmillisecs' for"
              " milliseconds since 1970).",
        1220: "Save the files as UTF-8, without NUL characters.",
        1221: "Save the files as UTF-8.",
    }.get(row.code, "Correct the files.")


def advise_swapped(rows: list, table: str) -> str:
    """What to say where the documents are songs among the logs, or logs among the songs."""
    what, other = {"staging_events": ("song", {"song_id", "artist_id"}),
                   "staging_songs": ("log", {"sessionid", "iteminsession"})}.get(table, ("", set()))
    keys = [row.keys for row in rows if row.keys]
    if not keys or not all(other <= found for found in keys):
        return ""
    return (f"This looks like a {what} file ({', '.join(sorted(other))}): are LOG_DATA and SONG_DATA"
            " swapped, or do both kinds of files lie in one place?")


def advise_mapping(table: str) -> str:
    array = ("Where a file is one JSON array: COPY takes one object after another, which"
             " jq -c '.[]' FILE makes of it.")
    if table == "staging_songs":
        return array
    return f"{array} Else correct the file of LOG_JSONPATH, which the documents do not fit, or leave it out."


def advise_missing(row, table: str) -> str:
    if table == "staging_songs":
        return f"Let every song have {row.column}, under that name."
    return (f"Let every event have {row.column}. Where the logs have it under another name, correct"
            " LOG_JSONPATH; auto also compares the case of letters, auto ignorecase does not.")


def advise_json(rows: list) -> str:
    names = {row.file.rpartition("/")[2].lower() for row in rows}
    for ending, kind in PACKED.items():
        if any(name.endswith(ending) for name in names):
            return f"A file is {kind} by its name: unpack it to JSON."
    return ("Correct the JSON of the files: whole objects, one after the other, as text in UTF-8"
            " without a byte order mark, not packed.")


def advise_other_files(table: str) -> str:
    setting, what = ("SONG_DATA", "song") if table == "staging_songs" else ("LOG_DATA", "log")
    return f"A file that is no {what}: move it out of {setting}, for all that lies there is read."


def advise_numbers(row) -> str:
    """Integers take digits, within bounds; decimals and floats a number with a point."""
    if row.type in INTEGERS:
        most = INTEGERS[row.type]
        if not DOES_NOT_FIT.search(row.reason) and row.code != 1222:
            return f"Correct the values in the files: {row.column} takes whole numbers up to {most}."
        wider = "" if row.type == "int8" else f", or let {row.column} be BIGINT in sql_queries.py"
        return f"Correct the numbers in the files: {row.column} takes them up to {most}{wider}."
    size = f" {row.length}" if row.length not in ("", "0") else ""
    if DOES_NOT_FIT.search(row.reason) or row.code in (1204, 1222):
        return f"Correct the numbers in the files: {row.column} takes {row.type}{size}."
    return f"Correct the values in the files: {row.column} takes a number such as 200.5."


def advise_long_texts(rows: list) -> str:
    """Columns count bytes; a text that is shown cut, or not at all, is longer than its column."""
    column = rows[0].column
    values = [row.value or "" for row in rows]
    longest = max(len(value.encode()) for value in values)
    now = int(rows[0].length) if rows[0].length.isdecimal() else 0
    is_whole = all(0 < len(value) < LONGEST_REPORTED and len(value.encode()) > now for value in values)
    need = f"at least {longest:,}" if is_whole else f"more than {max(now, longest):,}"
    return (f"Shorten the texts in the files, or widen {column} to {need} bytes: ALTER TABLE … ALTER"
            f" COLUMN {column} TYPE VARCHAR(…), the same in sql_queries.py, and where it is inserted.")
