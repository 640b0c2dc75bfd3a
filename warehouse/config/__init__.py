"""dwh.cfg as a Config. The door is read()."""

from .settings import LOGINS, SETTINGS, Config, read

__all__ = ["LOGINS", "SETTINGS", "Config", "read"]
