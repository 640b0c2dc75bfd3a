"""What a HOST is: the text of the setting, or the address that AWS names. Nothing is looked up."""
import ipaddress
import re

REGION = r"[a-z]{2,5}(?:-[a-z]+){1,3}-[0-9]{1,2}"
REDSHIFT = re.compile(
    rf".+?\.(?:({REGION})\.)?redshift(?:-serverless)?\.amazonaws\.com(?:\.cn)?", re.I | re.A)
ON_THIS_MACHINE = ("local", "socket", "loopback")  # kinds, see kind()
ELSEWHERE = ("redshift", "remote")


def kind(host: str) -> str:
    """One of local, socket, loopback, redshift, remote, or unknown for no host at all."""
    if host.lower() in ("", "local"):
        return host.lower() or "unknown"
    if host.startswith("/"):
        return "socket"
    if REDSHIFT.fullmatch(host):
        return "redshift"
    found = address(host)
    return "loopback" if host.lower() == "localhost" or found and found.is_loopback else "remote"


def region_of(host: str) -> str | None:
    """The region in the name of a Redshift endpoint."""
    found = REDSHIFT.fullmatch(host.lower())
    return found and found[1]


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def endpoint(text: str) -> tuple[str, str, str]:
    """(host, port, database) of a HOST copied from the AWS console, or blanks. Never a secret."""
    if address(text) or re.fullmatch("/[^,]*", text):
        return text, "", ""
    rest = re.sub(r"^(?:jdbc:)?[a-z]+(?::iam)?://", "", text, flags=re.IGNORECASE)
    server, _, tail = rest.partition("/")
    name, _, port = server.rpartition("@")[2].partition(":")
    if "@" in tail or not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        return "", "", ""
    return name, port if re.fullmatch("[0-9]{1,5}", port) else "", re.match(r"\w*", tail)[0]
