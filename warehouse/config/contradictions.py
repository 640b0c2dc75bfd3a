"""What cannot be meant together in one dwh.cfg."""

from collections.abc import Iterator
from typing import Any

from .file import Entry
from .forms import Site

LOGINS = ("cluster_identifier", "workgroup", "secret")  # each in place of DB_PASSWORD


def find_contradictions(chosen: dict[str, Entry | None], values: dict[str, Any], site: Site
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
    yield from find_overlaps(chosen, values)
    certificate, mode = values["sslrootcert"], values["sslmode"]
    if certificate and mode in ("disable", "allow", "prefer"):
        yield (chosen["sslrootcert"].line, f"SSLROOTCERT and SSLMODE = {mode} contradict: {mode} "
               "checks no certificate. Write SSLMODE = verify-full.")
    elif certificate == "system" and mode not in ("", "verify-full"):
        yield (chosen["sslrootcert"].line, f"SSLROOTCERT = system and SSLMODE = {mode} "
               "contradict: these authorities sign for anybody, so the name must be checked. "
               "Write SSLMODE = verify-full.")


def find_overlaps(chosen: dict[str, Entry | None], values: dict[str, Any]
             ) -> Iterator[tuple[int, str]]:
    """The files of one setting must not be those of another: every key under a prefix is data."""
    for outer in ("log_data", "song_data"):
        for inner in ("log_data", "song_data", "log_jsonpath", "manifests"):
            if inner != outer and values[outer] and str(values[inner]).startswith(values[outer]):
                yield (chosen[inner].line, f"{chosen[inner].key} lies under {chosen[outer].key}, "
                       "whose COPY would read it as data. Give each a place of its own, with / at "
                       "the end of a prefix.")
