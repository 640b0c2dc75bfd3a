"""python -m warehouse.standin status|psql|stop: inspect, query and stop the stand-in's server."""

import argparse
import logging
import os
import shutil
import sys
from contextlib import closing

import psycopg2
from psycopg2.extensions import make_dsn

from warehouse import WarehouseError
from warehouse.standin.server import Server

NOT_RUNNING = 3


def main(arguments: list[str]) -> int:
    # Arguments after `psql [database]` go to psql as they are: argparse would take its -h for --help.
    psql_has_database = arguments[1:2] and not arguments[1].startswith("-")
    is_psql = arguments[:1] == ["psql"]
    own_count = (2 if psql_has_database else 1) if is_psql else len(arguments)
    options = make_parser().parse_args(arguments[:own_count])
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        server = Server()
        if options.command == "psql":
            return run_psql(server, options.database, arguments[own_count:])
        return print_status(server) if options.command == "status" else stop(server)
    except (WarehouseError, psycopg2.OperationalError) as error:
        print(str(error).strip(), file=sys.stderr)
        return getattr(error, "exit_status", WarehouseError.exit_status)


def make_parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m warehouse.standin",
        description="Inspect, query and stop the private PostgreSQL that stands in for Redshift. "
                    "create_tables.py and etl.py start it.",
        epilog="To use another stand-in, set SPARKIFY_STANDIN to its folder.")
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("status", help="say whether it runs (exit status 0) or not (3), and where")
    shell = commands.add_parser(
        "psql", help="open psql, starting the server if need be",
        usage="%(prog)s [database] [arguments of psql ...]")
    shell.add_argument("database", nargs="?", default="dwh", help="default: %(default)s")
    commands.add_parser("stop", help="stop it; its data stays")
    return top


def print_status(server: Server) -> int:
    is_running = server.is_running()
    print("running:  ", "yes" if is_running else "no")
    if is_running:
        with closing(psycopg2.connect(**server.connect_parameters("postgres"))) as connection:
            cursor = connection.cursor()
            cursor.execute("SHOW server_version")
            print("version:  ", "PostgreSQL", cursor.fetchone()[0])
            cursor.execute("SELECT datname, pg_size_pretty(pg_database_size(datname))"
                           " FROM pg_database WHERE NOT datistemplate ORDER BY datname")
            databases = cursor.fetchall()
    print("folder:   ", server.folder)
    if not is_running:
        return NOT_RUNNING
    print("socket:   ", server.socket_folder)
    print("databases:", ", ".join(f"{name} ({size})" for name, size in databases))
    return 0


def run_psql(server: Server, database: str, extra: list[str]) -> int:
    """Replace this process with psql; raises WarehouseError if there is no stand-in or no psql."""
    if not server.data.exists():
        raise WarehouseError(f"there is no stand-in in {server.folder} yet. "
                             "Run create_tables.py first.")
    server.start()
    bundled = server.binaries().folder / "psql"
    program = str(bundled) if os.access(bundled, os.X_OK) else shutil.which("psql")
    if not program:
        raise WarehouseError(f"there is no psql in {bundled.parent} or on PATH. Install it.")
    # The log and the README name Redshift's system tables without their schema, standin.
    dsn = make_dsn(**server.connect_parameters(database),
                   options="-c search_path=\\\"$user\\\",public,standin")
    os.execv(program, ["psql", "-d", dsn, *extra])


def stop(server: Server) -> int:
    stopped = server.stop()
    print("stopped the stand-in in" if stopped else "the stand-in was not running in",
          server.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
