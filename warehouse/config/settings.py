"""dwh.cfg -> Config. All that is wrong with the file is reported at once, each with its line.

Nothing is contacted here. SETTINGS is the list of what can be set; a new setting is a line there.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .. import ConfigError
from . import forms
from .candidates import (
    Setting,
    choose,
    explain_difference,
    find_unknown_names,
    leave_out,
    name_entry,
)
from .contradictions import LOGINS, find_contradictions
from .doubts import INTERPOLATION, find_dangers, find_doubts
from .file import Entry, Mistake, parse, read_file
from .forms import Site
from .hosts import ON_THIS_MACHINE, endpoint, kind, region_of

MAX_PROBLEMS = 50
HIDDEN = "a value that may hold a secret, so not shown"
MOST_BYTES = 999_999_999_999_999
LONGEST_TIMEOUT = 2_147_483  # seconds; the servers count milliseconds in 32 bits

AN_ENDPOINT = "dwh.abc123xyz789.us-west-2.redshift.amazonaws.com"
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


SETTINGS = (
    Setting("host", "CLUSTER", "HOST", forms.a_host, lambda site: "" if site.login else None,
            example="local", words="HOST(?:_?NAME)?|DBHOST|ENDPOINT",
            shape=r"\.redshift(?:-serverless)?\.amazonaws\.com(?:\.cn)?(?![\w.-])"),
    Setting("port", "CLUSTER", "DB_PORT", forms.whole(1, 65535),
            lambda site: 0 if site.login else 5439, ("PORT", "DBPORT"),
            words="PORT|DBPORT", beside="host"),
    Setting("database", "CLUSTER", "DB_NAME", forms.anything,
            lambda site: {"local": "dwh"}.get(site.kind, "" if site.login == "secret" else None),
            ("DBNAME", "DB"), "dwh",
            words="(?:DB|DATABASE)(?:_?NAME)?"),
    Setting("user", "CLUSTER", "DB_USER", forms.anything,
            lambda site: "" if site.login or site.kind in ("local", "socket") else None,
            ("USER", "DBUSER"), "dwhuser",
            words="(?:DB|MASTER_?)?USER(?:_?NAME)?"),
    Setting("password", "CLUSTER", "DB_PASSWORD", forms.anything, "", ("PASSWORD", "DBPASSWORD"),
            words="(?:DB|MASTER_?(?:USER_?)?)?(?:PASS(?:WORD)?|PWD)", beside="user"),
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
            ("ROLE_ARN", "DWH_ARN", "DWH_ROLE_ARN"), "default",
            words="(?:(?:IAM|AWS|S3)_)*(?:(?:ROLE_?)?ARN|ARN_ROLE|ROLE)", shape=":role/"),
    Setting("log_data", "S3", "LOG_DATA", forms.a_place, example="s3://bucket/log_data",
            words="(?:S3_)?LOGS?_DATA"),
    Setting("song_data", "S3", "SONG_DATA", forms.a_place, example="s3://bucket/song_data",
            words="(?:S3_)?SONGS?_DATA"),
    Setting("log_jsonpath", "S3", "LOG_JSONPATH", forms.a_jsonpath, "auto ignorecase",
            ("LOG_JSON_PATH", "LOG_JSON_FORMAT"), words="(?:S3_)?LOG_JSON_?PATHS?", beside="log_data"),
    Setting("region", "S3", "REGION", forms.a_region, default_region,
            ("S3_REGION",), "us-west-2",
            words="(?:(?:AWS|S3|BUCKET|DATA|DEFAULT)_)*REGION(?:_NAME)?"),
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
JUDGED = {"", *(setting.section for setting in SETTINGS)}  # "" is before the first section


def read(path: Path) -> Config:
    """Raises ConfigError, whose message has one line per problem."""
    path = Path(path)
    data, mode = read_file(path)
    entries, sections, mistakes = parse(data.decode("utf-8-sig", "surrogateescape"), is_name)
    problems = [(line, what) for line, what, where in mistakes if where & JUDGED]
    entries = refuse_repeats(entries, problems)
    candidates = choose(SETTINGS, entries)
    drop_leftovers(candidates)
    site = read_site(path, candidates)
    leave_out(SETTINGS, candidates, site)
    warnings: list[tuple[int, str]] = []
    chosen = {s: settle(s, candidates[s.name], site, problems, warnings) for s in SETTINGS}
    by_field = {setting.name: entry for setting, entry in chosen.items()}
    # A password wins; DWH_CLUSTER_IDENTIFIER may be left over from a notebook.
    unset = [s for s in SETTINGS if not candidates[s.name]
             and not (s.name in LOGINS and by_field["password"])]
    used = {entry.line for found in candidates.values() for entry in found}
    ignored, misspelt = find_unknown_names(entries, sections, SETTINGS, unset, used)
    values = {setting.name: check_value(setting, entry, site, problems) if entry
              else setting.find_default(site) for setting, entry in chosen.items()}
    problems += find_contradictions(by_field, values, site)
    problems += [(line, what) for line, (what, _) in misspelt.items()]
    meant = [setting for _, setting in misspelt.values()]
    missing = [s for s in unset if values[s.name] is None and s not in meant]
    problems += explain_missing(missing, entries, site)
    if problems:
        raise ConfigError(format_problems(path, problems))
    values["fallback_region"] = values["region"]
    server, data, limits = (part(**{each.name: values[each.name] for each in fields(part)})
                            for part in (Server, Data, Limits))
    warnings += [*find_dangers(path, mode, values, site), *find_doubts(entries, chosen, site)]
    return Config(path, server, data, limits, ignored, tuple(format_lines(path, warnings)))


def is_name(key: str) -> bool:
    return any(key in setting.keys or setting.is_meant_by(key) for setting in SETTINGS)


def refuse_repeats(entries: list[Entry], problems: list) -> list[Entry]:
    """The entries that can be read, without those that say a setting again in its own section."""
    known = {(setting.section, key) for setting in SETTINGS for key in setting.keys}
    first: dict[tuple[str, str], Entry] = {}
    kept = []
    for entry in entries:
        if entry.value is None and not entry.problem and entry.section not in JUDGED:
            continue  # a bare line of an ignored section
        before = first.setdefault((entry.section, entry.key), entry)
        if before is not entry and (entry.section, entry.key) in known:
            problems.append((entry.line, f"{name_entry(entry)} is already on line {before.line}. "
                             "Keep one."))
        else:
            kept.append(entry)
    return kept


def drop_leftovers(candidates: dict[str, list[Entry]]) -> None:
    """Beside a whole login by password, the name of the cluster is left over from a notebook."""
    if all(candidates[name] for name in ("host", "user", "password")):
        candidates.update(cluster_identifier=[], workgroup=[])


def settle(setting: Setting, candidates: list[Entry], site: Site, problems: list, warnings: list
           ) -> Entry | None:
    problems += [(entry.line, entry.problem) for entry in candidates if entry.problem]
    if difference := explain_difference(setting, candidates):
        default, line = setting.find_default(site), candidates[-1].line
        if setting.name == "region" and default and candidates[0].section != setting.section:
            warnings.append((line, f"{difference} Until then it is {default}."))
            return None
        problems.append((line, difference))
        return candidates[0]._replace(value=None)
    return candidates[0] if candidates else None


def read_site(path: Path, found: dict[str, list[Entry]]) -> Site:
    host, *data = ((found[name] and found[name][0].value or "").strip()
                   for name in ("host", "log_data", "song_data"))
    if not host and found["host"]:
        host = "local"  # its line is wrong, and said so: ask for nothing that depends on it
    host = endpoint(host)[0]
    login = next((name for name in LOGINS if found[name]), "")
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
        if not secret and INTERPOLATION.search(text):
            raise Mistake("the whole value: nothing is put in the place of %(NAME)s or ${NAME}")
        if not re.fullmatch("<[^<>]*>", text):
            return setting.form(text, site)
        example = "" if secret else f" {text[:80]!r}"
        what = f"still holds the placeholder{example}. Write your own value."
    except Mistake as wanted:
        # A password is easily written as SECRET, whose value is a name.
        what = f"is {HIDDEN if setting.name == 'secret' else format_value(text)}; write {wanted}"
    problems.append((entry.line, f"{entry.key} {what}"))
    return None


def explain_missing(missing: list[Setting], entries: list[Entry], site: Site
                    ) -> Iterator[tuple[int, str]]:
    """The lines that look like what is missing, and the names of the rest."""
    names, first = [], None
    for setting in missing:
        empty = next((e.line for e in entries
                      if (e.section, e.key) == (setting.section, setting.key)), 0)
        if like := next(filter(setting.resembles, entries), None):
            what = f"(line {empty}) is empty" if empty else "is missing"
            yield 0, (f"{setting.place} {what}; line {like.line}, {name_entry(like)}, looks like "
                      f"it: move it below [{setting.section}] as {setting.key}.")
        else:
            names.append(setting.place + (f" (line {empty} is empty)" if empty else ""))
            first = first or setting
    if names:
        what = (f"{names[0]} is missing" if len(names) == 1
                else f"{len(names)} settings are missing: {', '.join(names)}")
        example = AN_ENDPOINT if first.name == "host" and site.uses_s3 else first.example
        yield 0, (f"{what}. Write, for example, {first.key} = {example} under "
                  f"[{first.section}].")


def format_problems(path: Path, problems: list[tuple[int, str]]) -> str:
    problems = sorted(set(problems), key=lambda problem: (not problem[0], problem))
    lines = format_lines(path, problems)
    if len(lines) > MAX_PROBLEMS:
        lines[MAX_PROBLEMS:] = [f"{path}: and {len(lines) - MAX_PROBLEMS} more problems"]
    return "\n".join(lines)


def format_lines(path: Path, told: Iterable[tuple[int, str]]) -> list[str]:
    return [f"{path}:{line}: {what}" if line else f"{path}: {what}" for line, what in told]


def format_value(text: str) -> str:
    if LOOKS_SECRET.search(text):
        return HIDDEN
    return repr(text if len(text) <= 80 else text[:77] + "...")
