"""dwh.cfg -> Config. All that is wrong with the file is reported at once, each with its line.

Nothing is contacted here. SETTINGS is the list of what can be set; a new setting is a line there.
"""

import difflib
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from .. import ConfigError
from . import forms
from .contradictions import LOGINS, find_contradictions
from .file import Entry, Mistake, parse, read_file
from .forms import Site
from .hosts import ELSEWHERE, ON_THIS_MACHINE, endpoint, kind, region_of

MAX_PROBLEMS = 50
MOST_BYTES = 999_999_999_999_999
LONGEST_TIMEOUT = 2_147_483  # seconds; the servers count milliseconds in 32 bits

LOOKS_SECRET = re.compile(
    r"(?i)secret|passw|pwd|token|credential|signature|@|\b[a-z0-9/+]{40}(?![a-z0-9/+])")


@dataclass(frozen=True)
class Server:
    """Where the database is and who logs in: the section CLUSTER.

    '' (a port of 0) is left to AWS, see the module logins.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)  # '' leaves it to libpq: PGPASSWORD, ~/.pgpass
    cluster_identifier: str
    workgroup: str
    secret: str  # its name or ARN
    cluster_region: str
    fallback_region: str  # that of the buckets
    schema: str
    sslmode: str  # '' where the file says nothing
    sslrootcert: str  # a path, system, or ''

    @property
    def is_local(self) -> bool:
        return kind(self.host) == "local"

    @property
    def is_on_this_machine(self) -> bool:
        return kind(self.host) in ON_THIS_MACHINE


@dataclass(frozen=True)
class Data:
    """Where the files are and how COPY reads them: the sections IAM_ROLE and S3."""

    iam_role: str
    log_data: str
    log_jsonpath: str
    song_data: str
    region: str
    manifests: str


@dataclass(frozen=True)
class Limits:
    """How much and how long: the section LOAD. Times are in seconds."""

    max_errors: int
    connect_timeout: int
    lock_timeout: int
    stale_after: int  # hours
    statement_timeout: int
    retries: int
    retry_timeout: int
    max_reload: int  # bytes


@dataclass(frozen=True)
class Config:
    """A dwh.cfg that passed every check; `ignored` and `warnings` are for the log."""

    path: Path
    server: Server
    data: Data
    limits: Limits
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def default_region(site: Site) -> str | None:
    if site.kind == "redshift":
        return region_of(site.host)
    return None if site.kind == "remote" and site.uses_s3 else "us-east-1"


class Setting(NamedTuple):
    """One thing to set. `default` may depend on the site; None means that it must be given."""

    name: str  # of the field of Server, Data or Limits
    section: str
    key: str
    form: Callable[[str, Site], Any]
    default: Any = None
    aliases: tuple[str, ...] = ()
    example: str = ""
    elsewhere: tuple[tuple[str, str], ...] = ()  # (SECTION, KEY), asked if its section is silent

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key, *self.aliases)


SETTINGS = (
    Setting("host", "CLUSTER", "HOST", forms.a_host, lambda site: "" if site.login else None,
            example="local"),
    Setting("port", "CLUSTER", "DB_PORT", forms.whole(1, 65535),
            lambda site: 0 if site.login else 5439, ("PORT", "DBPORT")),
    Setting("database", "CLUSTER", "DB_NAME", forms.anything,
            lambda site: {"local": "dwh"}.get(site.kind, "" if site.login == "secret" else None),
            ("DBNAME", "DB"), "dwh"),
    Setting("user", "CLUSTER", "DB_USER", forms.anything,
            lambda site: "" if site.login or site.kind in ("local", "socket") else None,
            ("USER", "DBUSER"), "dwhuser"),
    Setting("password", "CLUSTER", "DB_PASSWORD", forms.anything, "", ("PASSWORD", "DBPASSWORD")),
    Setting("cluster_identifier", "CLUSTER", "CLUSTER_IDENTIFIER",
            forms.lower("[a-z][a-z0-9-]{0,62}", forms.IDENTIFIER), ""),
    Setting("workgroup", "CLUSTER", "WORKGROUP",
            forms.lower("[a-z0-9-]{3,64}", forms.IDENTIFIER), ""),
    Setting("secret", "CLUSTER", "SECRET", forms.a_secret, ""),
    Setting("cluster_region", "CLUSTER", "REGION", forms.a_region, ""),
    Setting("schema", "CLUSTER", "SCHEMA",
            forms.lower("[a-z_][a-z0-9_]*", "a plain name of letters, digits and _"), "public"),
    Setting("sslmode", "CLUSTER", "SSLMODE", forms.an_sslmode, ""),
    Setting("sslrootcert", "CLUSTER", "SSLROOTCERT", forms.a_root_certificate, ""),
    Setting("iam_role", "IAM_ROLE", "ARN", forms.a_role,
            lambda site: None if site.kind == "redshift" else "default",
            ("ROLE_ARN", "DWH_ARN", "DWH_ROLE_ARN"), "default"),
    Setting("log_data", "S3", "LOG_DATA", forms.a_place, example="s3://bucket/log_data"),
    Setting("song_data", "S3", "SONG_DATA", forms.a_place, example="s3://bucket/song_data"),
    Setting("log_jsonpath", "S3", "LOG_JSONPATH", forms.a_jsonpath, "auto ignorecase",
            ("LOG_JSON_PATH", "LOG_JSON_FORMAT")),
    Setting("region", "S3", "REGION", forms.a_region, default_region,
            ("S3_REGION",), "us-west-2",
            tuple((section, key) for section in ("CLUSTER", "AWS", "GENERAL")
                  for key in ("REGION", "S3_REGION"))),
    Setting("manifests", "S3", "MANIFESTS", forms.a_place, ""),
    Setting("max_errors", "LOAD", "MAX_ERRORS", forms.whole(0, 99_999), 0),
    Setting("connect_timeout", "LOAD", "CONNECT_TIMEOUT", forms.whole(1, LONGEST_TIMEOUT), 120),
    Setting("lock_timeout", "LOAD", "LOCK_TIMEOUT", forms.whole(0, LONGEST_TIMEOUT), 60),
    Setting("stale_after", "LOAD", "STALE_AFTER", forms.whole(1, 99_999), 36),
    Setting("statement_timeout", "LOAD", "STATEMENT_TIMEOUT", forms.whole(0, LONGEST_TIMEOUT), 0),
    Setting("retries", "LOAD", "RETRIES", forms.whole(0, 99), 3),
    Setting("retry_timeout", "LOAD", "RETRY_TIMEOUT", forms.whole(0, LONGEST_TIMEOUT), 3600),
    Setting("max_reload", "LOAD", "MAX_RELOAD", forms.whole(0, MOST_BYTES), 10_000_000_000),
)
KNOWN = {(s.section, name) for s in SETTINGS for name in s.keys}
KNOWN |= {name for s in SETTINGS for name in s.elsewhere}


def read(path: Path) -> Config:
    """Raises ConfigError, whose message has one line per problem."""
    path = Path(path)
    data, mode = read_file(path)
    entries, sections, problems = parse(data.decode("utf-8-sig", "surrogateescape"))
    chosen = {setting: choose(setting, entries, problems) for setting in SETTINGS}
    by_field = {setting.name: entry for setting, entry in chosen.items()}
    site = read_site(path, by_field)
    # A password wins; DWH_CLUSTER_IDENTIFIER may be left over from a notebook.
    unset = [setting for setting in SETTINGS if not chosen[setting]
             and not (setting.name in LOGINS and by_field["password"])]
    ignored, misspelt = find_unknown_names(entries, sections, unset, problems)
    values = {setting.name: check_value(setting, entry, site, problems) if entry
              else setting.default(site) if callable(setting.default) else setting.default
              for setting, entry in chosen.items()}
    problems += find_contradictions(by_field, values, site)
    missing = [s for s in unset if values[s.name] is None and s not in misspelt]
    if missing:
        problems.append((0, explain_missing(missing, entries)))
    if problems:
        raise ConfigError(format_problems(path, problems))
    values["fallback_region"] = values["region"]
    server, data, limits = (part(**{each.name: values[each.name] for each in fields(part)})
                            for part in (Server, Data, Limits))
    return Config(path, server, data, limits, ignored, tuple(find_warnings(path, mode, values, site)))


def find_warnings(path: Path, mode: int, values: dict[str, Any], site: Site) -> Iterator[str]:
    if values["password"] and mode & 0o044 and site.kind in ELSEWHERE:
        yield (f"{path}: other users of this machine can read DB_PASSWORD. "
               f"Run: chmod 600 {shlex.quote(str(path))}")
    if values["sslmode"] == "disable" and site.kind in ELSEWHERE:
        yield (f"{path}: SSLMODE is disable, so who is on the way to {site.host or 'the server'} "
               "can read and change everything. Write SSLMODE = verify-full if you can.")


def choose(setting: Setting, entries: dict, problems: list) -> Entry | None:
    """The entry that counts for a setting; one that is empty counts as not written."""
    for names in ([(setting.section, name) for name in setting.keys], setting.elsewhere):
        given = [entries[name] for name in names if name in entries]
        given = [entry for entry in given if entry.value is None or entry.value.strip()]
        if len({entry.value for entry in given} - {None}) > 1:
            both = " and ".join(f"[{e.section}] {e.key} (line {e.line})" for e in given)
            problems.append((given[-1].line, f"{both} mean the same but differ. "
                             f"Keep one value, as [{setting.section}] {setting.key}."))
            return given[0]._replace(value=None)
        if given:
            return given[0]
    return None


def read_site(path: Path, chosen: dict[str, Entry | None]) -> Site:
    host, *data = ((chosen[name] and chosen[name].value or "").strip()
                   for name in ("host", "log_data", "song_data"))
    if not host and chosen["host"]:
        host = "local"  # its line is wrong, and said so: ask for nothing that depends on it
    host = endpoint(host)[0]
    login = next((name for name in LOGINS if chosen[name]), "")
    what = kind(host)
    if not host and login:
        what = "remote" if login == "secret" else "redshift"
    uses_s3 = any(place.startswith("s3://") for place in data)
    return Site(what, host, path.absolute().parent, uses_s3, login)


def check_value(setting: Setting, entry: Entry, site: Site, problems: list) -> Any:
    if entry.value is None:
        return None
    secret = setting.name == "password"
    text = entry.value if secret else entry.value.strip()
    try:
        if not re.fullmatch("<[^<>]*>", text):
            return setting.form(text, site)
        example = "" if secret else f" {text[:80]!r}"
        what = f"still holds the placeholder{example}. Write your own value."
    except Mistake as wanted:
        what = f"is {format_value(text)}; write {wanted}"
    problems.append((entry.line, f"{entry.key} {what}"))
    return None


def find_unknown_names(entries: dict, sections: dict[str, int], unset: list[Setting],
              problems: list) -> tuple[tuple[str, ...], list[Setting]]:
    """The names to ignore, and the settings that a misspelt name was meant for."""
    known_sections = {section for section, _ in KNOWN}
    ignored = [(line, f"[{name}]") for name, line in sections.items() if name not in known_sections]
    misspelt = []
    for name, entry in entries.items():
        if name in KNOWN or entry.section not in known_sections or entry.value is None:
            continue
        names = {n: s for s in unset if s.section == entry.section for n in s.keys}
        if meant := find_closest(entry.key, names):
            problems.append((entry.line, f"[{entry.section}] {entry.key} is no setting; "
                             f"did you mean {meant}? Rename it, or delete the line."))
            misspelt.append(names[meant])
        else:
            ignored.append((entry.line, f"[{entry.section}] {entry.key}"))
    return tuple(name for _, name in sorted(ignored)), misspelt


def find_closest(name: str, names: Iterable[str]) -> str | None:
    # 0.72 tells DB_HOST from DB_PORT, and still finds HOST in DB_HOST
    return next(iter(difflib.get_close_matches(name, sorted(names), 1, 0.72)), None)


def explain_missing(missing: list[Setting], entries: dict) -> str:
    empty = [entries.get((s.section, s.key)) for s in missing]
    names = [f"[{s.section}] {s.key}" + (f" (line {entry.line} is empty)" if entry else "")
             for s, entry in zip(missing, empty, strict=True)]
    what = (f"{names[0]} is missing" if len(names) == 1
            else f"{len(names)} settings are missing: {', '.join(names)}")
    first = missing[0]
    return f"{what}. Write, for example, {first.key} = {first.example} under [{first.section}]."


def format_problems(path: Path, problems: list[tuple[int, str]]) -> str:
    problems = sorted(set(problems), key=lambda problem: (not problem[0], problem))
    lines = [f"{path}:{line}: {what}" if line else f"{path}: {what}" for line, what in problems]
    if len(lines) > MAX_PROBLEMS:
        lines[MAX_PROBLEMS:] = [f"{path}: and {len(lines) - MAX_PROBLEMS} more problems"]
    return "\n".join(lines)


def format_value(text: str) -> str:
    if LOOKS_SECRET.search(text):
        return "a value that may hold a secret, so not shown"
    return repr(text if len(text) <= 80 else text[:77] + "...")
