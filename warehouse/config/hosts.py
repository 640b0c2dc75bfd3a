"""Classify and split host names: those of the setting HOST, and those that AWS returns.

No function here resolves a name.
"""
import ipaddress
import re

REGION = r"[a-z]{2,5}(?:-[a-z]+){1,3}-[0-9]{1,2}"
REDSHIFT = re.compile(
    rf".+?\.(?:({REGION})\.)?redshift(?:-serverless)?\.amazonaws\.com(?:\.cn)?", re.I | re.A)
ON_THIS_MACHINE = ("local", "socket", "loopback")  # results of classify()
ELSEWHERE = ("redshift", "remote")


def classify(host: str) -> str:
    """Return local, socket, loopback, redshift, remote, or unknown for an empty host."""
    if host.lower() in ("", "local"):
        return host.lower() or "unknown"
    if host.startswith("/"):
        return "socket"
    if REDSHIFT.fullmatch(host):
        return "redshift"
    address = parse_address(host)
    return "loopback" if host.lower() == "localhost" or address and address.is_loopback else "remote"


def region_of(host: str) -> str | None:
    """Return the region in the name of a Redshift endpoint, or None."""
    match = REDSHIFT.fullmatch(host.lower())
    return match and match[1]


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def split_endpoint(text: str) -> tuple[str, str, str]:
    """Return the host, port and database of an endpoint copied from the AWS console.

    A part that is missing is ''. All three are '' if there is no host name, or if the text after it may
    contain a secret.
    """
    if parse_address(text) or re.fullmatch("/[^,]*", text):
        return text, "", ""
    rest = re.sub(r"^(?:jdbc:)?[a-z]+(?::iam)?://", "", text, flags=re.IGNORECASE)
    server, _, tail = rest.partition("/")
    name, _, port = server.rpartition("@")[2].partition(":")
    if "@" in tail or not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        return "", "", ""
    return name, port if re.fullmatch("[0-9]{1,5}", port) else "", re.match(r"\w*", tail)[0]
