"""Find settings in one dwh.cfg that contradict each other."""

from collections.abc import Iterator
from typing import Any

from .file import Entry
from .parsers import Site

AWS_LOGINS = ("cluster_identifier", "workgroup", "secret")  # each replaces DB_PASSWORD


def find_contradictions(chosen: dict[str, Entry | None], values: dict[str, Any], site: Site
                   ) -> Iterator[tuple[int, str]]:
    """Yield (line, message) for each contradiction."""
    logins = [chosen[name] for name in AWS_LOGINS if chosen[name]]
    if len(logins) > 1:
        yield (logins[-1].line,
               f"{' and '.join(e.key for e in logins)} each say how to log in. Keep one of them.")
    for entry in logins:
        supplied = ("password",) if entry.key == "CLUSTER_IDENTIFIER" else ("user", "password")
        if clashing := " and ".join(chosen[name].key for name in supplied if chosen[name]):
            yield (entry.line, f"{entry.key} and {clashing} contradict each other: with {entry.key}, AWS "
                   f"supplies {clashing}. Delete one or the other.")
        if site.kind in ("local", "socket"):
            yield (entry.line, f"{entry.key} and HOST = {site.host} contradict each other: AWS has no "
                   "login for a server on this machine. Delete one of the two.")
        serverless = ".redshift-serverless." in site.host.lower()
        if site.kind == "redshift" and site.host and entry.key != "SECRET" and (
                serverless != (entry.key == "WORKGROUP")):
            yield (entry.line, f"{entry.key} and HOST contradict each other: HOST is the endpoint of a "
                   f"{'workgroup' if serverless else 'cluster'}. Write "
                   f"{'WORKGROUP' if serverless else 'CLUSTER_IDENTIFIER'} instead of {entry.key}.")
        if entry.key != "SECRET" and values["sslmode"] == "disable":
            yield (chosen["sslmode"].line, f"SSLMODE = disable and {entry.key} contradict each other: "
                   "Redshift accepts temporary credentials only over TLS. Write verify-full.")
    yield from find_overlaps(chosen, values)
    certificate, mode = values["sslrootcert"], values["sslmode"]
    if certificate and mode in ("disable", "allow", "prefer"):
        yield (chosen["sslrootcert"].line, f"SSLROOTCERT and SSLMODE = {mode} contradict each other: "
               f"{mode} checks no certificate. Write SSLMODE = verify-full.")
    elif certificate == "system" and mode not in ("", "verify-full"):
        yield (chosen["sslrootcert"].line, f"SSLROOTCERT = system and SSLMODE = {mode} contradict each "
               "other: the system's authorities sign certificates for anybody, so the host name must be "
               "checked. Write SSLMODE = verify-full.")


def find_overlaps(chosen: dict[str, Entry | None], values: dict[str, Any]
             ) -> Iterator[tuple[int, str]]:
    """Yield (line, message) for each location under LOG_DATA or SONG_DATA, where COPY reads every key."""
    for outer in ("log_data", "song_data"):
        for inner in ("log_data", "song_data", "log_jsonpath", "manifests"):
            if inner != outer and values[outer] and str(values[inner]).startswith(values[outer]):
                yield (chosen[inner].line, f"{chosen[inner].key} is under {chosen[outer].key}, so the COPY "
                       f"of {chosen[outer].key} would read it as data. Give each its own location, and "
                       "end every prefix with /.")
