#!/bin/sh
# Make ready to run on this machine: PostgreSQL for the stand-in, where there is none, and .venv with
# the packages of requirements.txt. Safe to run again. Uses sudo only to install PostgreSQL.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "setup: $*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

has_postgresql() {
    for initdb in "$(command -v initdb || true)" /usr/lib/postgresql/*/bin/initdb \
        /usr/pgsql-*/bin/initdb /opt/homebrew/opt/postgresql@*/bin/initdb \
        /usr/local/opt/postgresql@*/bin/initdb \
        /Applications/Postgres.app/Contents/Versions/*/bin/initdb; do
        [ -x "$initdb" ] && [ "$("$initdb" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')" -ge 15 ] &&
            return 0
    done
    return 1
}

install_postgresql() {
    say "installing PostgreSQL"
    if command -v apt-get >/dev/null; then
        as_root apt-get update -q >&2
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -q --no-install-recommends postgresql >&2
    elif command -v dnf >/dev/null; then
        as_root dnf install -y -q postgresql15-server >&2 || as_root dnf install -y -q postgresql-server >&2
    elif command -v brew >/dev/null; then
        brew install postgresql@16 >&2
    else
        say "install PostgreSQL 15 or newer, then run this again"
        return 1
    fi
}

find_python() {
    for python in python3 python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return 0
        fi
    done
    say "Python 3.11 or newer is needed: on Amazon Linux 'sudo dnf install python3.11', on Debian or" \
        "Ubuntu 'sudo apt-get install python3 python3-venv', on macOS 'brew install python@3.12'"
    return 1
}

has_postgresql || install_postgresql
python=$(find_python)
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/pip install -q --disable-pip-version-check -r requirements.txt
