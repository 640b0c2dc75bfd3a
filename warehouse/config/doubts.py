"""Find values that are valid but unsafe, or that may not be what was meant.

Each is a warning, as (line, message). No message shows a value.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .candidates import Setting, name_entry
from .file import Entry
from .hosts import ELSEWHERE, region_of
from .parsers import Site

INTERPOLATION = re.compile(r"%\([^()]*\)s|\$\{[^{}]*\}")


def find_risks(path: Path, mode: int, values: dict[str, Any], site: Site) -> Iterator[tuple[int, str]]:
    if values["password"] and mode & 0o044 and site.kind in ELSEWHERE:
        yield 0, ("other users of this machine can read DB_PASSWORD. "
                  f"Run: chmod 600 {shlex.quote(str(path))}")
    if values["sslmode"] == "disable" and site.kind in ELSEWHERE:
        yield 0, (f"SSLMODE is disable, so anyone on the way to {site.host or 'the server'} "
                  "can read and change all data. Write SSLMODE = verify-full if you can.")


def find_doubts(entries: list[Entry], chosen: dict[Setting, Entry | None], site: Site
                ) -> Iterator[tuple[int, str]]:
    if moved := [f"{name_entry(entry)} (line {entry.line}) as {setting.label}"
                 for setting, entry in chosen.items() if entry and is_moved(setting, entry, site)]:
        yield 0, (f"settings found elsewhere: {', '.join(moved)}. If that is wrong, write "
                  "the setting in its own place.")
    for setting, entry in chosen.items():
        # An entry that is empty because a comment begins at its value is not among the chosen ones.
        written = entry or next((e for e in entries if e.section == setting.section
                                 and e.key in setting.keys and e.comment), None)
        if written:
            yield from find_value_doubts(setting, written)
        if entry and setting.name == "region" and entry.section != setting.section:
            yield from find_region_doubts(entry, site)
        if not entry and setting.name == "password":
            yield from find_password_doubts(setting, entries, site)


def is_moved(setting: Setting, entry: Entry, site: Site) -> bool:
    """Return True if the entry has another name or section. A region equal to that in HOST does not count."""
    if entry.section == setting.section and entry.key in setting.keys:
        return False
    return setting.name != "region" or region_of(site.host) != entry.value.strip().lower()


def find_value_doubts(setting: Setting, entry: Entry) -> Iterator[tuple[int, str]]:
    """Yield a warning if another parser, or a person, would read a different value."""
    is_password, mark = setting.name == "password", entry.comment[:1]
    if mark and (not entry.comment[1:].isspace() and entry.comment[1:] or is_password and entry.value):
        yield entry.line, (f"{entry.key} ends before the {mark}, and the rest is read as a comment. If "
                           f"{mark} belongs to the value, put everything in quotes; if not, put quotes "
                           "around the value alone.")
    if is_password and entry.is_quoted:
        return
    advice = " If the text is right, put it in quotes." if is_password else ""
    for pattern, meaning in (("%%", "one %"), (INTERPOLATION, "the value of another key")):
        if re.search(pattern, entry.value):
            form = "%(NAME)s or ${NAME}" if pattern is INTERPOLATION else pattern
            yield entry.line, (f"{entry.key} contains {form}, which is taken literally. Python's "
                               f"configparser would read it as {meaning}. If you mean that, write "
                               f"{meaning}.{advice}")


def find_region_doubts(entry: Entry, site: Site) -> Iterator[tuple[int, str]]:
    region = region_of(site.host)
    if region and region != entry.value.strip().lower():
        yield entry.line, (f"{name_entry(entry)} is used as the region of the buckets, but HOST "
                           f"is in {region}. Write the right one as REGION under [S3].")


def find_password_doubts(setting: Setting, entries: list[Entry], site: Site
                         ) -> Iterator[tuple[int, str]]:
    similar = next(filter(setting.is_similar_to, entries), None)
    if similar and site.kind in ELSEWHERE and not site.login:
        yield similar.line, (f"{setting.label} is not set, so the password comes from PGPASSWORD or "
                             f"~/.pgpass. {name_entry(similar)} looks like it: if it is, move it under "
                             f"[{setting.section}] as {setting.key}.")
