"""Read dwh.cfg into a Config. Other packages call read()."""

from .settings import AWS_LOGINS, SETTINGS, Config, Data, Limits, Server, read

__all__ = ["AWS_LOGINS", "SETTINGS", "Config", "Data", "Limits", "Server", "read"]
