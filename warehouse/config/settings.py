"""dwh.cfg -> Config. All that is wrong with the file is reported at once, each with its line.

Nothing is contacted here. SETTINGS is the list of what can be set; a new setting is a line there.
"""
import difflib
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .. import ConfigError
from .file import Entry, Mistake, contents, parse
from .hosts import ELSEWHERE, ON_THIS_MACHINE, REGION, endpoint, kind, region_of

MAX_PROBLEMS = 50
MOST_BYTES = 999_999_999_999_999
LONGEST_TIMEOUT = 2_147_483  # seconds; the servers count milliseconds in 32 bits

ROLE = r"arn:aws(?:-cn|-us-gov)?:iam::[0-9]{12}:role/[A-Za-z0-9_+=.@/-]+"
BUCKET = r"(?=[^/]{3,63}(?:/|\Z))(?![^/]*\.\.)(?![0-9.]+(?:/|\Z))[a-z0-9][a-z0-9.-]*[a-z0-9]"
S3_URI = re.compile(rf"s3://{BUCKET}(?:/[^\\\x00-\x1f\x7f-\x9f]*)?")
IDENTIFIER = "a name of small letters, digits and hyphens, as the AWS console shows it"
SECRET_ARN = rf"arn:aws(?:-cn|-us-gov)?:secretsmanager:{REGION}:[0-9]{{12}}:secret:[\w/+=.@!-]+"
LOGINS = ("cluster_identifier", "workgroup", "secret")  # each in place of DB_PASSWORD
LOOKS_SECRET = re.compile(
    r"(?i)secret|passw|pwd|token|credential|signature|@|\b[a-z0-9/+]{40}(?![a-z0-9/+])")


@dataclass(frozen=True)
class Config:
    """A dwh.cfg that passed every check; `ignored` and `warnings` are for the log."""

    path: Path
    host: str  # this and what follows: '' (0) is left to AWS, see the module logins
    port: int
    database: str
    user: str
    password: str = field(repr=False)  # '' leaves it to libpq: PGPASSWORD, ~/.pgpass
    cluster_identifier: str
    workgroup: str
    secret: str  # its name or ARN
    cluster_region: str
    schema: str
    sslmode: str  # '' where the file says nothing
    sslrootcert: str  # a path, system, or ''
    iam_role: str
    log_data: str
    log_jsonpath: str
    song_data: str
    region: str
    manifests: str
    max_errors: int
    connect_timeout: int
    lock_timeout: int
    statement_timeout: int
    retries: int
    retry_timeout: int
    max_reload: int  # bytes
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        return kind(self.host) == "local"

    @property
    def is_on_this_machine(self) -> bool:
        return kind(self.host) in ON_THIS_MACHINE


class Site(NamedTuple):
    """What the meaning of one setting may depend on."""

    kind: str
    host: str
    folder: Path
    uses_s3: bool
    login: str  # one of LOGINS, or '' for a password


# A check takes the text of a value and returns the value, or raises Mistake(what to write).

def anything(text: str, site: Site) -> str:
    return text


def whole(low: int, high: int) -> Callable[[str, Site], int]:
    def check(text: str, site: Site) -> int:
        if not re.fullmatch("[0-9]{1,15}", text) or not low <= int(text) <= high:
            raise Mistake(f"a whole number from {low} to {high}")
        return int(text)
    return check


def lower(pattern: str, wanted: str) -> Callable[[str, Site], str]:
    def check(text: str, site: Site) -> str:
        if not re.fullmatch(pattern, text, re.ASCII | re.IGNORECASE):
            raise Mistake(wanted)
        return text.lower()
    return check


def a_host(text: str, site: Site) -> str:
    name, port, database = endpoint(text)
    if not name:
        raise Mistake("the name of a host alone, the folder of a socket, or local")
    if name != text:
        also = [f"DB_PORT = {port}"] * bool(port) + [f"DB_NAME = {database}"] * bool(database)
        more = f" and, on lines of their own, {' and '.join(also)}" if also else ""
        raise Mistake(f"HOST = {name}{more}")
    return text


def an_sslmode(text: str, site: Site) -> str:
    mode = lower("disable|allow|prefer|require|verify-ca|verify-full",
                 "disable, allow, prefer, require, verify-ca or verify-full")(text, site)
    if mode in ("allow", "prefer") and site.kind in ELSEWHERE:
        raise Mistake("require or, better, verify-full: with another machine this may fall back "
                      "to plain text without a word. Where plain text is meant, write disable")
    return mode


def a_root_certificate(text: str, site: Site) -> str:
    return "system" if text.lower() == "system" else str(site.folder / text)


def a_secret(text: str, site: Site) -> str:
    if re.fullmatch("[A-Za-z0-9/+]{40}", text):
        raise Mistake("the name or ARN of a secret in Secrets Manager, and no AWS secret key")
    if not re.fullmatch(rf"{SECRET_ARN}|[\w/+=.@!-]{{1,512}}", text, re.ASCII):
        raise Mistake("the name or ARN of a secret in Secrets Manager")
    return text


def a_role(text: str, site: Site) -> str:
    if text.lower() == "default":
        return "default"
    if not re.fullmatch(f"{ROLE}(?:,{ROLE})*", text):
        raise Mistake("default or arn:aws:iam::123456789012:role/NAME; a comma alone joins several")
    return text


def a_place(text: str, site: Site) -> str:
    """An S3 URI as it is, or a path made absolute; a trailing slash means something and stays."""
    like_a_uri = re.match(r"(?i)[a-z][a-z0-9+.-]*:/|s3[an]?:", text)
    if site.kind == "redshift" and not like_a_uri:
        raise Mistake("s3://bucket/prefix: Redshift cannot read files of this machine")
    if like_a_uri and not S3_URI.fullmatch(text):
        raise Mistake("s3://bucket/prefix: the bucket has 3 to 63 small letters, digits, dots or "
                      "hyphens, and no backslash or control character follows")
    if like_a_uri:
        return text
    path = str(site.folder / text)
    return path.rstrip("/") + "/" if text.endswith("/") else path


def a_jsonpath(text: str, site: Site) -> str:
    if text.lower() in ("auto", "auto ignorecase"):
        return text.lower()
    place = a_place(text, site)
    if place.endswith("/") or re.fullmatch("s3://[^/]+", place):
        raise Mistake("the name of a JSONPaths file, auto, or auto ignorecase")
    return place


a_region = lower(REGION, "a region such as us-west-2")


def default_region(site: Site) -> str | None:
    if site.kind == "redshift":
        return region_of(site.host)
    return None if site.kind == "remote" and site.uses_s3 else "us-east-1"


class Setting(NamedTuple):
    """One thing to set. `default` may depend on the site; None means that it must be given."""

    field: str
    section: str
    key: str
    check: Callable[[str, Site], Any]
    default: Any = None
    aliases: tuple[str, ...] = ()
    example: str = ""
    elsewhere: tuple[tuple[str, str], ...] = ()  # (SECTION, KEY), asked if its section is silent

    @property
    def names(self) -> tuple[str, ...]:
        return (self.key, *self.aliases)


SETTINGS = (
    Setting("host", "CLUSTER", "HOST", a_host, lambda site: "" if site.login else None,
            example="local"),
    Setting("port", "CLUSTER", "DB_PORT", whole(1, 65535),
            lambda site: 0 if site.login else 5439, ("PORT", "DBPORT")),
    Setting("database", "CLUSTER", "DB_NAME", anything,
            lambda site: {"local": "dwh"}.get(site.kind, "" if site.login == "secret" else None),
            ("DBNAME", "DB"), "dwh"),
    Setting("user", "CLUSTER", "DB_USER", anything,
            lambda site: "" if site.login or site.kind in ("local", "socket") else None,
            ("USER", "DBUSER"), "dwhuser"),
    Setting("password", "CLUSTER", "DB_PASSWORD", anything, "", ("PASSWORD", "DBPASSWORD")),
    Setting("cluster_identifier", "CLUSTER", "CLUSTER_IDENTIFIER",
            lower("[a-z][a-z0-9-]{0,62}", IDENTIFIER), ""),
    Setting("workgroup", "CLUSTER", "WORKGROUP", lower("[a-z0-9-]{3,64}", IDENTIFIER), ""),
    Setting("secret", "CLUSTER", "SECRET", a_secret, ""),
    Setting("cluster_region", "CLUSTER", "REGION", a_region, ""),
    Setting("schema", "CLUSTER", "SCHEMA",
            lower("[a-z_][a-z0-9_]*", "a plain name of letters, digits and _"), "public"),
    Setting("sslmode", "CLUSTER", "SSLMODE", an_sslmode, ""),
    Setting("sslrootcert", "CLUSTER", "SSLROOTCERT", a_root_certificate, ""),
    Setting("iam_role", "IAM_ROLE", "ARN", a_role,
            lambda site: None if site.kind == "redshift" else "default",
            ("ROLE_ARN", "DWH_ARN", "DWH_ROLE_ARN"), "default"),
    Setting("log_data", "S3", "LOG_DATA", a_place, example="s3://bucket/log_data"),
    Setting("song_data", "S3", "SONG_DATA", a_place, example="s3://bucket/song_data"),
    Setting("log_jsonpath", "S3", "LOG_JSONPATH", a_jsonpath, "auto ignorecase",
            ("LOG_JSON_PATH", "LOG_JSON_FORMAT")),
    Setting("region", "S3", "REGION", a_region, default_region,
            ("S3_REGION",), "us-west-2",
            tuple((section, key) for section in ("CLUSTER", "AWS", "GENERAL")
                  for key in ("REGION", "S3_REGION"))),
    Setting("manifests", "S3", "MANIFESTS", a_place, ""),
    Setting("max_errors", "LOAD", "MAX_ERRORS", whole(0, 99_999), 0),
    Setting("connect_timeout", "LOAD", "CONNECT_TIMEOUT", whole(1, LONGEST_TIMEOUT), 120),
    Setting("lock_timeout", "LOAD", "LOCK_TIMEOUT", whole(0, LONGEST_TIMEOUT), 60),
    Setting("statement_timeout", "LOAD", "STATEMENT_TIMEOUT", whole(0, LONGEST_TIMEOUT), 0),
    Setting("retries", "LOAD", "RETRIES", whole(0, 99), 3),
    Setting("retry_timeout", "LOAD", "RETRY_TIMEOUT", whole(0, LONGEST_TIMEOUT), 3600),
    Setting("max_reload", "LOAD", "MAX_RELOAD", whole(0, MOST_BYTES), 10_000_000_000),
)
KNOWN = {(s.section, name) for s in SETTINGS for name in s.names}
KNOWN |= {name for s in SETTINGS for name in s.elsewhere}


def read(path: Path) -> Config:
    """Raises ConfigError, whose message has one line per problem."""
    path = Path(path)
    data, mode = contents(path)
    entries, sections, problems = parse(data.decode("utf-8-sig", "surrogateescape"))
    chosen = {setting: choose(setting, entries, problems) for setting in SETTINGS}
    by_field = {setting.field: entry for setting, entry in chosen.items()}
    site = site_of(path, by_field)
    # Who has a password means no other login, but may keep DWH_CLUSTER_IDENTIFIER for a notebook.
    unset = [setting for setting in SETTINGS if not chosen[setting]
             and not (setting.field in LOGINS and by_field["password"])]
    ignored, misspelt = strangers(entries, sections, unset, problems)
    values = {setting.field: checked(setting, entry, site, problems) if entry
              else setting.default(site) if callable(setting.default) else setting.default
              for setting, entry in chosen.items()}
    problems += contradictions(by_field, values, site)
    missing = [s for s in unset if values[s.field] is None and s not in misspelt]
    if missing:
        problems.append((0, is_missing(missing, entries)))
    if problems:
        raise ConfigError(report(path, problems))
    return Config(path=path, ignored=ignored, warnings=tuple(warnings(path, mode, values, site)),
                  **values)


def warnings(path: Path, mode: int, values: dict[str, Any], site: Site) -> Iterator[str]:
    if values["password"] and mode & 0o044 and site.kind in ELSEWHERE:
        yield (f"{path}: other users of this machine can read DB_PASSWORD. "
               f"Run: chmod 600 {shlex.quote(str(path))}")
    if values["sslmode"] == "disable" and site.kind in ELSEWHERE:
        yield (f"{path}: SSLMODE is disable, so who is on the way to {site.host or 'the server'} "
               "can read and change everything. Write SSLMODE = verify-full if you can.")


def contradictions(chosen: dict[str, Entry | None], values: dict[str, Any], site: Site
                   ) -> Iterator[tuple[int, str]]:
    """What cannot be meant together, as (line, what)."""
    logins = [chosen[name] for name in LOGINS if chosen[name]]
    if len(logins) > 1:
        yield (logins[-1].line,
               f"{' and '.join(e.key for e in logins)} each say how to log in. Keep one of them.")
    for entry in logins:
        own = ("password",) if entry.key == "CLUSTER_IDENTIFIER" else ("user", "password")
        if clashing := " and ".join(chosen[name].key for name in own if chosen[name]):
            yield (entry.line, f"{entry.key} and {clashing} contradict: AWS tells what "
                   f"{entry.key} stands for. Delete one or the other.")
        if site.kind in ("local", "socket"):
            yield (entry.line, f"{entry.key} and HOST = {site.host} contradict: AWS knows of no "
                   "server on this machine. Delete one of the two.")
        serverless = ".redshift-serverless." in site.host.lower()
        if site.kind == "redshift" and site.host and entry.key != "SECRET" and (
                serverless != (entry.key == "WORKGROUP")):
            yield (entry.line, f"{entry.key} and HOST contradict: HOST is the endpoint of a "
                   f"{'workgroup' if serverless else 'cluster'}. Write "
                   f"{'WORKGROUP' if serverless else 'CLUSTER_IDENTIFIER'} for that.")
        if entry.key != "SECRET" and values["sslmode"] == "disable":
            yield (chosen["sslmode"].line, f"SSLMODE = disable and {entry.key} contradict: "
                   "Redshift takes temporary credentials over TLS only. Write verify-full.")
    yield from overlaps(chosen, values)
    certificate, mode = values["sslrootcert"], values["sslmode"]
    if certificate and mode in ("disable", "allow", "prefer"):
        yield (chosen["sslrootcert"].line, f"SSLROOTCERT and SSLMODE = {mode} contradict: {mode} "
               "checks no certificate. Write SSLMODE = verify-full.")
    elif certificate == "system" and mode not in ("", "verify-full"):
        yield (chosen["sslrootcert"].line, f"SSLROOTCERT = system and SSLMODE = {mode} "
               "contradict: these authorities sign for anybody, so the name must be checked. "
               "Write SSLMODE = verify-full.")


def overlaps(chosen: dict[str, Entry | None], values: dict[str, Any]
             ) -> Iterator[tuple[int, str]]:
    """The files of one setting must not be those of another: every key under a prefix is data."""
    for outer in ("log_data", "song_data"):
        for inner in ("log_data", "song_data", "log_jsonpath", "manifests"):
            if inner != outer and values[outer] and str(values[inner]).startswith(values[outer]):
                yield (chosen[inner].line, f"{chosen[inner].key} lies under {chosen[outer].key}, "
                       "whose COPY would read it as data. Give each a place of its own, with / at "
                       "the end of a prefix.")


def choose(setting: Setting, entries: dict, problems: list) -> Entry | None:
    """The entry that counts for a setting; one that is empty counts as not written."""
    for names in ([(setting.section, name) for name in setting.names], setting.elsewhere):
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


def site_of(path: Path, chosen: dict[str, Entry | None]) -> Site:
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


def checked(setting: Setting, entry: Entry, site: Site, problems: list) -> Any:
    if entry.value is None:
        return None
    secret = setting.field == "password"
    text = entry.value if secret else entry.value.strip()
    try:
        if not re.fullmatch("<[^<>]*>", text):
            return setting.check(text, site)
        example = "" if secret else f" {text[:80]!r}"
        what = f"still holds the placeholder{example}. Write your own value."
    except Mistake as wanted:
        what = f"is {shown(text)}; write {wanted}"
    problems.append((entry.line, f"{entry.key} {what}"))
    return None


def strangers(entries: dict, sections: dict[str, int], unset: list[Setting],
              problems: list) -> tuple[tuple[str, ...], list[Setting]]:
    """The names to ignore, and the settings that a misspelt name was meant for."""
    known_sections = {section for section, _ in KNOWN}
    ignored = [(line, f"[{name}]") for name, line in sections.items() if name not in known_sections]
    misspelt = []
    for name, entry in entries.items():
        if name in KNOWN or entry.section not in known_sections or entry.value is None:
            continue
        names = {n: s for s in unset if s.section == entry.section for n in s.names}
        if meant := closest(entry.key, names):
            problems.append((entry.line, f"[{entry.section}] {entry.key} is no setting; "
                             f"did you mean {meant}? Rename it, or delete the line."))
            misspelt.append(names[meant])
        else:
            ignored.append((entry.line, f"[{entry.section}] {entry.key}"))
    return tuple(name for _, name in sorted(ignored)), misspelt


def closest(name: str, names: Iterable[str]) -> str | None:
    # 0.72 tells DB_HOST from DB_PORT, and still finds HOST in DB_HOST
    return next(iter(difflib.get_close_matches(name, sorted(names), 1, 0.72)), None)


def is_missing(missing: list[Setting], entries: dict) -> str:
    empty = [entries.get((s.section, s.key)) for s in missing]
    names = [f"[{s.section}] {s.key}" + (f" (line {entry.line} is empty)" if entry else "")
             for s, entry in zip(missing, empty)]
    what = (f"{names[0]} is missing" if len(names) == 1
            else f"{len(names)} settings are missing: {', '.join(names)}")
    first = missing[0]
    return f"{what}. Write, for example, {first.key} = {first.example} under [{first.section}]."


def report(path: Path, problems: list[tuple[int, str]]) -> str:
    problems = sorted(set(problems), key=lambda problem: (not problem[0], problem))
    lines = [f"{path}:{line}: {what}" if line else f"{path}: {what}" for line, what in problems]
    if len(lines) > MAX_PROBLEMS:
        lines[MAX_PROBLEMS:] = [f"{path}: and {len(lines) - MAX_PROBLEMS} more problems"]
    return "\n".join(lines)


def shown(text: str) -> str:
    if LOOKS_SECRET.search(text):
        return "a value that may hold a secret, so not shown"
    return repr(text if len(text) <= 80 else text[:77] + "...")
