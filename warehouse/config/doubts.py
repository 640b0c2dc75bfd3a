"""What is read, and yet may be meant otherwise: warnings, as (line, what). No value is shown."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .candidates import Setting, name_entry
from .file import Entry
from .forms import Site
from .hosts import ELSEWHERE, region_of

INTERPOLATION = re.compile(r"%\([^()]*\)s|\$\{[^{}]*\}")


def find_dangers(path: Path, mode: int, values: dict[str, Any], site: Site
                 ) -> Iterator[tuple[int, str]]:
    if values["password"] and mode & 0o044 and site.kind in ELSEWHERE:
        yield 0, ("other users of this machine can read DB_PASSWORD. "
                  f"Run: chmod 600 {shlex.quote(str(path))}")
    if values["sslmode"] == "disable" and site.kind in ELSEWHERE:
        yield 0, (f"SSLMODE is disable, so who is on the way to {site.host or 'the server'} "
                  "can read and change everything. Write SSLMODE = verify-full if you can.")


def find_doubts(entries: list[Entry], chosen: dict[Setting, Entry | None], site: Site
                ) -> Iterator[tuple[int, str]]:
    if moved := [f"{name_entry(entry)} (line {entry.line}) as {setting.place}"
                 for setting, entry in chosen.items() if entry and is_moved(setting, entry, site)]:
        yield 0, (f"found elsewhere and read: {', '.join(moved)}. If that is wrong, write "
                  "the setting in its place.")
    for setting, entry in chosen.items():
        # one that is empty for its comment counts as not written
        written = entry or next((e for e in entries if e.section == setting.section
                                 and e.key in setting.keys and e.comment), None)
        if written:
            yield from doubt_value(setting, written)
        if entry and setting.name == "region" and entry.section != setting.section:
            yield from doubt_region(entry, site)
        if not entry and setting.name == "password":
            yield from doubt_no_password(setting, entries, site)


def is_moved(setting: Setting, entry: Entry, site: Site) -> bool:
    if entry.section == setting.section and entry.key in setting.keys:
        return False
    return setting.name != "region" or region_of(site.host) != entry.value.strip().lower()


def doubt_value(setting: Setting, entry: Entry) -> Iterator[tuple[int, str]]:
    """Where another reader would read another value."""
    is_secret, mark = setting.name == "password", entry.comment[:1]
    if mark and (not entry.comment[1:].isspace() and entry.comment[1:] or is_secret and entry.value):
        yield entry.line, (f"{entry.key} is read as what stands before the {mark}, and the rest as "
                           f"a comment. If {mark} belongs to the value, write it in quotes; if "
                           "not, put quotes around the value alone.")
    if is_secret and entry.is_quoted:
        return
    otherwise = " If it is right, put the value in quotes." if is_secret else ""
    for what, meaning in (("%%", "one %"), (INTERPOLATION, "the value of another key")):
        if re.search(what, entry.value):
            what = "%(NAME)s or ${NAME}" if what is INTERPOLATION else what
            yield entry.line, (f"{entry.key} holds {what}, which is read as it is written. For "
                               f"Python's configparser it stands for {meaning}: where that is "
                               f"meant, write that.{otherwise}")


def doubt_region(entry: Entry, site: Site) -> Iterator[tuple[int, str]]:
    region = region_of(site.host)
    if region and region != entry.value.strip().lower():
        yield entry.line, (f"{name_entry(entry)} is taken for the region of the buckets, and HOST "
                           f"is in {region}. Write the right one as REGION under [S3].")


def doubt_no_password(setting: Setting, entries: list[Entry], site: Site
                      ) -> Iterator[tuple[int, str]]:
    like = next(filter(setting.resembles, entries), None)
    if like and site.kind in ELSEWHERE and not site.login:
        yield like.line, (f"{setting.place} is not given, which leaves it to PGPASSWORD or ~/.pgpass. "
                          f"{name_entry(like)} looks like it: if it is, move it below "
                          f"[{setting.section}] as {setting.key}.")
