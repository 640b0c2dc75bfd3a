"""Which entry counts for a setting: the one in its place, else the only one that can be meant."""

import difflib
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .file import Entry
from .forms import Site

OWNERS = "(?:(?:DWH|DB|REDSHIFT|RS|CLUSTER|SPARKIFY)_)*"  # before a name, they add nothing
EVERY = "DEFAULT"  # its keys count in every section
LISTED = (EVERY, "AWS", "GENERAL")  # of these what is ignored is listed by key
SONG_PATHS = "SONGS?_?JSON_?PATHS?"  # no setting, and close to LOG_JSONPATH


class Setting(NamedTuple):
    """One thing to set. `default` may depend on the site; None means that it must be given."""

    name: str  # of the field of Server, Data or Limits
    section: str
    key: str
    form: Callable[[str, Site], Any]
    default: Any = None
    aliases: tuple[str, ...] = ()
    example: str = ""
    words: str = ""  # a pattern: how its name ends in any section
    shape: str = ""  # a pattern in the values that are read from other sections
    beside: str = ""  # read from another section only where that gives this setting as well

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key, *self.aliases)

    @property
    def place(self) -> str:
        return f"[{self.section}] {self.key}"

    def is_meant_by(self, key: str) -> bool:
        return bool(self.words and re.fullmatch(f"{OWNERS}(?:{self.words})", key))

    def fits(self, entry: Entry) -> bool:
        return bool(re.search(self.shape, entry.value or "", re.IGNORECASE))

    def resembles(self, entry: Entry) -> bool:
        if not (entry.value and self.words):
            return False
        return self.is_meant_by(entry.key) or (
            self.fits(entry) if self.shape
            else bool(re.search(f"(?:^|_)(?:{self.words})$", entry.key)))

    def find_default(self, site: Site) -> Any:
        return self.default(site) if callable(self.default) else self.default


def name_entry(entry: Entry) -> str:
    return f"[{entry.section}] {entry.key}"


def is_written(entry: Entry) -> bool:
    return entry.value is None or bool(entry.value.strip())


def choose(settings: tuple[Setting, ...], entries: list[Entry]) -> dict[str, list[Entry]]:
    """The entries that may count for each setting, by its name: none, one, or several."""
    found: dict[str, list[Entry]] = {}
    # a login by AWS that is whole is not to be mixed with another elsewhere
    own = {setting.name for setting in settings for entry in entries if is_written(entry)
           and entry.section == setting.section and entry.key in setting.keys}
    is_whole = "secret" in own or "database" in own and own & {"cluster_identifier", "workgroup"}
    known = {(setting.section, key) for setting in settings for key in setting.keys}
    for setting in settings:
        places = list(find_places(setting, entries, found, known))
        empty = bool(places[0]) and not any(map(is_written, places[0]))
        if setting.section == "CLUSTER" and (empty or is_whole):
            del places[2:]
        written = ([entry for entry in place if is_written(entry)] for place in places)
        found[setting.name] = next(filter(None, written), [])
    return found


def find_places(setting: Setting, entries: list[Entry], found: dict[str, list[Entry]],
                known: set[tuple[str, str]]) -> Iterator[list[Entry]]:
    """The entries that mean a setting: its own names, others in its section, [DEFAULT], other
    sections, and last what is a setting of its own there, such as [CLUSTER] REGION."""
    own = [entry for entry in entries if entry.section == setting.section]
    yield [entry for key in setting.keys for entry in own if entry.key == key]
    yield [entry for entry in own if setting.is_meant_by(entry.key)]
    if setting.name == "secret":
        return  # [DEFAULT] SECRET is as a rule that of AWS
    yield [entry for entry in entries if entry.section == EVERY
           and (entry.key in setting.keys or setting.is_meant_by(entry.key))]
    beside = {entry.section for entry in found.get(setting.beside, ())}
    others = [entry for entry in entries
              if entry.section not in (setting.section, EVERY) and setting.is_meant_by(entry.key)
              and (not setting.beside or entry.section in beside) and setting.fits(entry)]
    yield [entry for entry in others if (entry.section, entry.key) not in known]
    yield [entry for entry in others if (entry.section, entry.key) in known]


def leave_out(settings: tuple[Setting, ...], found: dict[str, list[Entry]], site: Site) -> None:
    """Let go of what other sections say of the server where it is not needed."""
    for setting in settings:
        entries = found[setting.name]
        if (not entries or setting.section == "S3" and not setting.beside
                or entries[0].section in (setting.section, EVERY)):
            continue
        beside = {entry.section for entry in found.get(setting.beside, ())}
        if not (entries[0].section in beside if setting.beside
                else setting.find_default(site) is None):
            found[setting.name] = []


def explain_difference(setting: Setting, candidates: list[Entry]) -> str:
    """Empty where all of them say the same."""
    if len({entry.value for entry in candidates} - {None}) < 2:
        return ""
    both = " and ".join(f"{name_entry(entry)} (line {entry.line})" for entry in candidates)
    return f"{both} mean the same but differ. Keep one value, as {setting.place}."


def find_unknown_names(entries: list[Entry], sections: dict[str, int], settings: tuple[Setting, ...],
                       unset: list[Setting], used: set[int]
                       ) -> tuple[tuple[str, ...], dict[int, tuple[str, Setting]]]:
    """The names to ignore, and by line the misspelt ones: what is said and the setting meant."""
    own = {setting.section for setting in settings}
    known = {(setting.section, key) for setting in settings for key in setting.keys}
    listed = own.union(LISTED, (entry.section for entry in entries if entry.line in used))
    ignored = [(line, f"[{name}]") for name, line in sections.items() if name not in listed]
    misspelt = {}
    for entry in entries:
        is_known = (entry.section, entry.key) in known
        if (entry.line in used or entry.section not in listed or is_known and not is_written(entry)
                or not (entry.value is not None or entry.problem)):
            continue
        names = {key: s for s in unset if s.section == entry.section for key in s.keys}
        if not is_known and (meant := find_closest(entry.key, list(names))):
            misspelt[entry.line] = (f"{name_entry(entry)} is no setting; did you mean {meant}? "
                                    "Rename it, or delete the line."), names[meant]
        else:
            is_paths = re.fullmatch(SONG_PATHS, entry.key)
            note = " (songs are matched by key)" if is_paths else ""
            ignored.append((entry.line, name_entry(entry) + note))
    return tuple(dict.fromkeys(name for _, name in sorted(ignored))), misspelt


def find_closest(name: str, names: list[str]) -> str | None:
    # what is said of songs is not meant for logs; 0.72 tells DB_HOST from DB_PORT
    names = sorted(other for other in names if ("SONG" in other) == ("SONG" in name))
    return next(iter(difflib.get_close_matches(name, names, 1, 0.72)), None)
