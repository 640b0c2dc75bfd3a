"""Read a dwh.cfg into a Config. All problems are reported at once, each with its line.

SETTINGS lists every setting. To add one, add a line there and a field to Server, Data or Limits.
Nothing here contacts a server.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .. import ConfigError
from . import parsers
from .candidates import (
    Setting,
    drop_unneeded,
    explain_difference,
    find_candidates,
    find_unknown_names,
    name_entry,
)
from .contradictions import AWS_LOGINS, find_contradictions
from .doubts import INTERPOLATION, find_doubts, find_risks
from .file import Entry, Mistake, parse, read_file
from .hosts import ON_THIS_MACHINE, classify, region_of, split_endpoint
from .parsers import Site

MAX_PROBLEMS = 50
HIDDEN = "a value that may contain a secret, so it is not shown"
MAX_BYTES = 999_999_999_999_999
MAX_TIMEOUT = 2_147_483  # seconds; the servers count milliseconds in 32 bits

EXAMPLE_ENDPOINT = "dwh.abc123xyz789.us-west-2.redshift.amazonaws.com"
LOOKS_SECRET = re.compile(
    r"(?i)secret|passw|pwd|token|credential|signature|@|\b[a-z0-9/+]{40}(?![a-z0-9/+])")


@dataclass(frozen=True)
class Server:
    """The section CLUSTER: the address of the database and the login.

    An empty string, or a port of 0, means that AWS supplies the value; see database.logins.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)  # '': libpq takes it from PGPASSWORD or ~/.pgpass
    cluster_identifier: str
    workgroup: str
    secret: str  # a name or ARN
    cluster_region: str
    fallback_region: str  # the region of the buckets
    schema: str
    sslmode: str  # '' if the file has none
    sslrootcert: str  # a path, system, or ''

    @property
    def is_local(self) -> bool:
        return classify(self.host) == "local"

    @property
    def is_on_this_machine(self) -> bool:
        return classify(self.host) in ON_THIS_MACHINE


@dataclass(frozen=True)
class Data:
    """The sections IAM_ROLE and S3: the locations of the files, and how COPY reads them."""

    iam_role: str
    log_data: str
    log_jsonpath: str
    song_data: str
    region: str
    manifests: str


@dataclass(frozen=True)
class Limits:
    """The section LOAD. Times are in seconds unless a comment says otherwise."""

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
    """A valid dwh.cfg. `ignored` lists unknown names; `warnings` are messages for the log."""

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
    Setting("host", "CLUSTER", "HOST", parsers.parse_host, lambda site: "" if site.login else None,
            example="local", name_pattern="HOST(?:_?NAME)?|DBHOST|ENDPOINT",
            value_pattern=r"\.redshift(?:-serverless)?\.amazonaws\.com(?:\.cn)?(?![\w.-])"),
    Setting("port", "CLUSTER", "DB_PORT", parsers.make_integer_parser(1, 65535),
            lambda site: 0 if site.login else 5439, ("PORT", "DBPORT"),
            name_pattern="PORT|DBPORT", goes_with="host"),
    Setting("database", "CLUSTER", "DB_NAME", parsers.parse_text,
            lambda site: {"local": "dwh"}.get(site.kind, "" if site.login == "secret" else None),
            ("DBNAME", "DB"), "dwh",
            name_pattern="(?:DB|DATABASE)(?:_?NAME)?"),
    Setting("user", "CLUSTER", "DB_USER", parsers.parse_text,
            lambda site: "" if site.login or site.kind in ("local", "socket") else None,
            ("USER", "DBUSER"), "dwhuser",
            name_pattern="(?:DB|MASTER_?)?USER(?:_?NAME)?"),
    Setting("password", "CLUSTER", "DB_PASSWORD", parsers.parse_text, "", ("PASSWORD", "DBPASSWORD"),
            name_pattern="(?:DB|MASTER_?(?:USER_?)?)?(?:PASS(?:WORD)?|PWD)", goes_with="user"),
    Setting("cluster_identifier", "CLUSTER", "CLUSTER_IDENTIFIER",
            parsers.make_pattern_parser("[a-z][a-z0-9-]{0,62}", parsers.IDENTIFIER_HINT), ""),
    Setting("workgroup", "CLUSTER", "WORKGROUP",
            parsers.make_pattern_parser("[a-z0-9-]{3,64}", parsers.IDENTIFIER_HINT), ""),
    Setting("secret", "CLUSTER", "SECRET", parsers.parse_secret, ""),
    Setting("cluster_region", "CLUSTER", "REGION", parsers.parse_region, ""),
    Setting("schema", "CLUSTER", "SCHEMA",
            parsers.make_pattern_parser("[a-z_][a-z0-9_]*", "a plain name of letters, digits and _"),
            "public"),
    Setting("sslmode", "CLUSTER", "SSLMODE", parsers.parse_sslmode, ""),
    Setting("sslrootcert", "CLUSTER", "SSLROOTCERT", parsers.parse_root_certificate, ""),
    Setting("iam_role", "IAM_ROLE", "ARN", parsers.parse_role,
            lambda site: None if site.kind == "redshift" else "default",
            ("ROLE_ARN", "DWH_ARN", "DWH_ROLE_ARN"), "default",
            name_pattern="(?:(?:IAM|AWS|S3)_)*(?:(?:ROLE_?)?ARN|ARN_ROLE|ROLE)", value_pattern=":role/"),
    Setting("log_data", "S3", "LOG_DATA", parsers.parse_location, example="s3://bucket/log_data",
            name_pattern="(?:S3_)?LOGS?_DATA"),
    Setting("song_data", "S3", "SONG_DATA", parsers.parse_location, example="s3://bucket/song_data",
            name_pattern="(?:S3_)?SONGS?_DATA"),
    Setting("log_jsonpath", "S3", "LOG_JSONPATH", parsers.parse_log_jsonpath, "auto ignorecase",
            ("LOG_JSON_PATH", "LOG_JSON_FORMAT"), name_pattern="(?:S3_)?LOG_JSON_?PATHS?",
            goes_with="log_data"),
    Setting("region", "S3", "REGION", parsers.parse_region, default_region,
            ("S3_REGION",), "us-west-2",
            name_pattern="(?:(?:AWS|S3|BUCKET|DATA|DEFAULT)_)*REGION(?:_NAME)?"),
    Setting("manifests", "S3", "MANIFESTS", parsers.parse_location, ""),
    Setting("max_errors", "LOAD", "MAX_ERRORS", parsers.make_integer_parser(0, 99_999), 0),
    Setting("connect_timeout", "LOAD", "CONNECT_TIMEOUT", parsers.make_integer_parser(1, MAX_TIMEOUT), 120),
    Setting("lock_timeout", "LOAD", "LOCK_TIMEOUT", parsers.make_integer_parser(0, MAX_TIMEOUT), 60),
    Setting("stale_after", "LOAD", "STALE_AFTER", parsers.make_integer_parser(1, 99_999), 36),
    Setting("statement_timeout", "LOAD", "STATEMENT_TIMEOUT", parsers.make_integer_parser(0, MAX_TIMEOUT), 0),
    Setting("retries", "LOAD", "RETRIES", parsers.make_integer_parser(0, 99), 3),
    Setting("retry_timeout", "LOAD", "RETRY_TIMEOUT", parsers.make_integer_parser(0, MAX_TIMEOUT), 3600),
    Setting("max_reload", "LOAD", "MAX_RELOAD", parsers.make_integer_parser(0, MAX_BYTES), 10_000_000_000),
)
READ_SECTIONS = {"", *(setting.section for setting in SETTINGS)}  # "" is before the first section


def read(path: Path) -> Config:
    """Return the Config. Raise ConfigError, whose message has one line for each problem."""
    path = Path(path)
    data, mode = read_file(path)
    entries, sections, mistakes = parse(data.decode("utf-8-sig", "surrogateescape"), is_setting_name)
    problems = [(line, message) for line, message, inside in mistakes if inside & READ_SECTIONS]
    entries = drop_repeats(entries, problems)
    candidates = find_candidates(SETTINGS, entries)
    drop_leftovers(candidates)
    site = read_site(path, candidates)
    drop_unneeded(SETTINGS, candidates, site)
    warnings: list[tuple[int, str]] = []
    chosen = {s: choose_entry(s, candidates[s.name], site, problems, warnings) for s in SETTINGS}
    by_field = {setting.name: entry for setting, entry in chosen.items()}
    # A password wins; DWH_CLUSTER_IDENTIFIER may be left over from a notebook.
    unset = [s for s in SETTINGS if not candidates[s.name]
             and not (s.name in AWS_LOGINS and by_field["password"])]
    used = {entry.line for group in candidates.values() for entry in group}
    ignored, misspelt = find_unknown_names(entries, sections, SETTINGS, unset, used)
    values = {setting.name: parse_value(setting, entry, site, problems) if entry
              else setting.find_default(site) for setting, entry in chosen.items()}
    problems += find_contradictions(by_field, values, site)
    problems += [(line, message) for line, (message, _) in misspelt.items()]
    meant = [setting for _, setting in misspelt.values()]
    missing = [s for s in unset if values[s.name] is None and s not in meant]
    problems += explain_missing(missing, entries, site)
    if problems:
        raise ConfigError(format_problems(path, problems))
    values["fallback_region"] = values["region"]
    server, data, limits = (part(**{each.name: values[each.name] for each in fields(part)})
                            for part in (Server, Data, Limits))
    warnings += [*find_risks(path, mode, values, site), *find_doubts(entries, chosen, site)]
    return Config(path, server, data, limits, ignored, tuple(format_lines(path, warnings)))


def is_setting_name(key: str) -> bool:
    return any(key in setting.keys or setting.is_name_match(key) for setting in SETTINGS)


def drop_repeats(entries: list[Entry], problems: list) -> list[Entry]:
    """Return the entries without repeated settings, which are added to problems.

    Lines of ignored sections that are not entries are dropped too.
    """
    setting_keys = {(setting.section, key) for setting in SETTINGS for key in setting.keys}
    first: dict[tuple[str, str], Entry] = {}
    kept = []
    for entry in entries:
        if entry.value is None and not entry.problem and entry.section not in READ_SECTIONS:
            continue
        earlier = first.setdefault((entry.section, entry.key), entry)
        if earlier is not entry and (entry.section, entry.key) in setting_keys:
            problems.append((entry.line, f"{name_entry(entry)} is already set on line {earlier.line}. "
                             "Keep one."))
        else:
            kept.append(entry)
    return kept


def drop_leftovers(candidates: dict[str, list[Entry]]) -> None:
    """Drop CLUSTER_IDENTIFIER and WORKGROUP if there is a complete login by password.

    They are then left over from the notebook that created the cluster.
    """
    if all(candidates[name] for name in ("host", "user", "password")):
        candidates.update(cluster_identifier=[], workgroup=[])


def choose_entry(setting: Setting, candidates: list[Entry], site: Site, problems: list, warnings: list
                 ) -> Entry | None:
    """Return the entry that counts. Its value is None if candidates differ, which is a problem.

    A region is the exception: if it is only set in other sections and differs there, the default
    is used, with a warning.
    """
    problems += [(entry.line, entry.problem) for entry in candidates if entry.problem]
    if difference := explain_difference(setting, candidates):
        default, line = setting.find_default(site), candidates[-1].line
        if setting.name == "region" and default and candidates[0].section != setting.section:
            warnings.append((line, f"{difference} Until then {default} is used."))
            return None
        problems.append((line, difference))
        return candidates[0]._replace(value=None)
    return candidates[0] if candidates else None


def read_site(path: Path, candidates: dict[str, list[Entry]]) -> Site:
    """Return the facts on which other settings depend. No host means a login through AWS."""
    host, *data = ((candidates[name] and candidates[name][0].value or "").strip()
                   for name in ("host", "log_data", "song_data"))
    if not host and candidates["host"]:
        host = "local"  # its problem is reported already; local causes no further ones
    host = split_endpoint(host)[0]
    login = next((name for name in AWS_LOGINS if candidates[name]), "")
    kind = classify(host)
    if not host and login:
        kind = "remote" if login == "secret" else "redshift"
    uses_s3 = any(location.startswith("s3://") for location in data)
    return Site(kind, host, path.absolute().parent, uses_s3, login)


def parse_value(setting: Setting, entry: Entry, site: Site, problems: list) -> Any:
    """Return the value of the setting, or None after adding to problems why there is none."""
    if entry.value is None:
        return None
    is_password = setting.name == "password"
    text = entry.value if is_password else entry.value.strip()
    try:
        if not is_password and INTERPOLATION.search(text):
            raise Mistake("the whole value: %(NAME)s and ${NAME} are not expanded")
        if not re.fullmatch("<[^<>]*>", text):
            return setting.parser(text, site)
        example = "" if is_password else f" {text[:80]!r}"
        problem = f"still has the placeholder{example}. Write your own value."
    except Mistake as mistake:
        # People write a password as SECRET, which takes only a name.
        text_or_hidden = HIDDEN if setting.name == "secret" else format_value(text)
        problem = f"is {text_or_hidden}; write {mistake}"
    problems.append((entry.line, f"{entry.key} {problem}"))
    return None


def explain_missing(missing: list[Setting], entries: list[Entry], site: Site
                    ) -> Iterator[tuple[int, str]]:
    """Yield (0, message) for each setting with a similar line elsewhere, then one for all the rest."""
    names, first = [], None
    for setting in missing:
        empty = next((e.line for e in entries
                      if (e.section, e.key) == (setting.section, setting.key)), 0)
        if similar := next(filter(setting.is_similar_to, entries), None):
            state = f"(line {empty}) is empty" if empty else "is missing"
            yield 0, (f"{setting.label} {state}; line {similar.line}, {name_entry(similar)}, looks like "
                      f"it: move it under [{setting.section}] as {setting.key}.")
        else:
            names.append(setting.label + (f" (line {empty} is empty)" if empty else ""))
            first = first or setting
    if names:
        problem = (f"{names[0]} is missing" if len(names) == 1
                   else f"{len(names)} settings are missing: {', '.join(names)}")
        example = EXAMPLE_ENDPOINT if first.name == "host" and site.uses_s3 else first.example
        yield 0, (f"{problem}. Write, for example, {first.key} = {example} under "
                  f"[{first.section}].")


def format_problems(path: Path, problems: list[tuple[int, str]]) -> str:
    problems = sorted(set(problems), key=lambda problem: (not problem[0], problem))
    lines = format_lines(path, problems)
    if len(lines) > MAX_PROBLEMS:
        lines[MAX_PROBLEMS:] = [f"{path}: and {len(lines) - MAX_PROBLEMS} more problems"]
    return "\n".join(lines)


def format_lines(path: Path, messages: Iterable[tuple[int, str]]) -> list[str]:
    return [f"{path}:{line}: {message}" if line else f"{path}: {message}" for line, message in messages]


def format_value(text: str) -> str:
    if LOOKS_SECRET.search(text):
        return HIDDEN
    return repr(text if len(text) <= 80 else text[:77] + "...")
