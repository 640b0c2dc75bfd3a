"""Read dwh.cfg into a Config. Other packages call read()."""

from .settings import LOGINS, SETTINGS, Config, Data, Limits, Server, read

__all__ = ["LOGINS", "SETTINGS", "Config", "Data", "Limits", "Server", "read"]
