"""Find the entries that may set each setting: under its section and name, else those that look like it."""

import difflib
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .file import Entry
from .parsers import Site

PREFIXES = "(?:(?:DWH|DB|REDSHIFT|RS|CLUSTER|SPARKIFY)_)*"  # they add nothing to the name of a key
DEFAULT_SECTION = "DEFAULT"  # its keys count in every section
LISTED_SECTIONS = (DEFAULT_SECTION, "AWS", "GENERAL")  # ignored keys in them are reported one by one
SONG_JSONPATH_NAMES = "SONGS?_?JSON_?PATHS?"  # not a setting, but close to LOG_JSONPATH


class Setting(NamedTuple):
    """One setting of dwh.cfg. `default` may be a function of the site; None means "required"."""

    name: str  # of the field of Server, Data or Limits
    section: str
    key: str
    parser: Callable[[str, Site], Any]
    default: Any = None
    aliases: tuple[str, ...] = ()
    example: str = ""
    name_pattern: str = ""  # what a name must match, after PREFIXES, to mean this setting in any section
    value_pattern: str = ""  # read from another section only if the value contains this
    goes_with: str = ""  # read from another section only together with this setting

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key, *self.aliases)

    @property
    def label(self) -> str:
        return f"[{self.section}] {self.key}"

    def is_name_match(self, key: str) -> bool:
        return bool(self.name_pattern and re.fullmatch(f"{PREFIXES}(?:{self.name_pattern})", key))

    def is_value_match(self, entry: Entry) -> bool:
        return bool(re.search(self.value_pattern, entry.value or "", re.IGNORECASE))

    def is_similar_to(self, entry: Entry) -> bool:
        """Return True if an error message should suggest that the entry was meant as this setting."""
        if not (entry.value and self.name_pattern):
            return False
        return self.is_name_match(entry.key) or (
            self.is_value_match(entry) if self.value_pattern
            else bool(re.search(f"(?:^|_)(?:{self.name_pattern})$", entry.key)))

    def find_default(self, site: Site) -> Any:
        return self.default(site) if callable(self.default) else self.default


def name_entry(entry: Entry) -> str:
    return f"[{entry.section}] {entry.key}"


def is_filled(entry: Entry) -> bool:
    """Return True unless the entry is empty. A value that cannot be read is not empty."""
    return entry.value is None or bool(entry.value.strip())


def find_candidates(settings: tuple[Setting, ...], entries: list[Entry]) -> dict[str, list[Entry]]:
    """Return the entries that may count for each setting, by its name: none, one, or several."""
    candidates: dict[str, list[Entry]] = {}
    # A complete login through AWS must not be mixed with parts of another login elsewhere.
    given = {setting.name for setting in settings for entry in entries if is_filled(entry)
             and entry.section == setting.section and entry.key in setting.keys}
    has_login = "secret" in given or "database" in given and given & {"cluster_identifier", "workgroup"}
    setting_keys = {(setting.section, key) for setting in settings for key in setting.keys}
    for setting in settings:
        groups = list(group_matches(setting, entries, candidates, setting_keys))
        is_empty = bool(groups[0]) and not any(map(is_filled, groups[0]))
        if setting.section == "CLUSTER" and (is_empty or has_login):
            del groups[2:]
        filled = ([entry for entry in group if is_filled(entry)] for group in groups)
        candidates[setting.name] = next(filter(None, filled), [])
    return candidates


def group_matches(setting: Setting, entries: list[Entry], candidates: dict[str, list[Entry]],
                  setting_keys: set[tuple[str, str]]) -> Iterator[list[Entry]]:
    """Yield the entries that match a setting, in groups, the best match first.

    The groups are: its own names, other names in its section, [DEFAULT], other sections. Last come
    entries that set something else in their own section, such as [CLUSTER] REGION.
    """
    own = [entry for entry in entries if entry.section == setting.section]
    yield [entry for key in setting.keys for entry in own if entry.key == key]
    yield [entry for entry in own if setting.is_name_match(entry.key)]
    if setting.name == "secret":
        return  # [DEFAULT] SECRET is usually an AWS secret key
    yield [entry for entry in entries if entry.section == DEFAULT_SECTION
           and (entry.key in setting.keys or setting.is_name_match(entry.key))]
    companions = {entry.section for entry in candidates.get(setting.goes_with, ())}
    others = [entry for entry in entries
              if entry.section not in (setting.section, DEFAULT_SECTION) and setting.is_name_match(entry.key)
              and (not setting.goes_with or entry.section in companions) and setting.is_value_match(entry)]
    yield [entry for entry in others if (entry.section, entry.key) not in setting_keys]
    yield [entry for entry in others if (entry.section, entry.key) in setting_keys]


def drop_unneeded(settings: tuple[Setting, ...], candidates: dict[str, list[Entry]], site: Site) -> None:
    """Drop the candidates from other sections if the setting does not need them.

    A setting needs them if it has no default. A setting that goes with another needs them if the other
    is read from the same section. Other settings of [S3] are always kept.
    """
    for setting in settings:
        entries = candidates[setting.name]
        if (not entries or setting.section == "S3" and not setting.goes_with
                or entries[0].section in (setting.section, DEFAULT_SECTION)):
            continue
        companions = {entry.section for entry in candidates.get(setting.goes_with, ())}
        if not (entries[0].section in companions if setting.goes_with
                else setting.find_default(site) is None):
            candidates[setting.name] = []


def explain_difference(setting: Setting, candidates: list[Entry]) -> str:
    """Return a message that names candidates with different values, or '' if they agree."""
    if len({entry.value for entry in candidates} - {None}) < 2:
        return ""
    both = " and ".join(f"{name_entry(entry)} (line {entry.line})" for entry in candidates)
    return f"{both} are the same setting but differ. Keep one value, as {setting.label}."


def find_unknown_names(entries: list[Entry], sections: dict[str, int], settings: tuple[Setting, ...],
                       unset: list[Setting], used: set[int]
                       ) -> tuple[tuple[str, ...], dict[int, tuple[str, Setting]]]:
    """Return the names to ignore, and for each line with a misspelt name (message, setting meant)."""
    own_sections = {setting.section for setting in settings}
    setting_keys = {(setting.section, key) for setting in settings for key in setting.keys}
    listed = own_sections.union(
        LISTED_SECTIONS, (entry.section for entry in entries if entry.line in used))
    ignored = [(line, f"[{name}]") for name, line in sections.items() if name not in listed]
    misspelt = {}
    for entry in entries:
        is_setting = (entry.section, entry.key) in setting_keys
        if (entry.line in used or entry.section not in listed or is_setting and not is_filled(entry)
                or not (entry.value is not None or entry.problem)):
            continue
        names = {key: s for s in unset if s.section == entry.section for key in s.keys}
        if not is_setting and (meant := find_closest(entry.key, list(names))):
            misspelt[entry.line] = (f"{name_entry(entry)} is not a setting; did you mean {meant}? "
                                    "Rename it, or delete the line."), names[meant]
        else:
            is_jsonpath = re.fullmatch(SONG_JSONPATH_NAMES, entry.key)
            note = " (songs are matched by key)" if is_jsonpath else ""
            ignored.append((entry.line, name_entry(entry) + note))
    return tuple(dict.fromkeys(name for _, name in sorted(ignored))), misspelt


def find_closest(name: str, names: list[str]) -> str | None:
    # A name with SONG never means a setting of the logs. A cutoff of 0.72 keeps DB_HOST from DB_PORT.
    names = sorted(other for other in names if ("SONG" in other) == ("SONG" in name))
    return next(iter(difflib.get_close_matches(name, names, 1, 0.72)), None)
