"""dwh.cfg as a Config. The door is read()."""

from .settings import LOGINS, SETTINGS, Config, Data, Limits, Server, read

__all__ = ["LOGINS", "SETTINGS", "Config", "Data", "Limits", "Server", "read"]
