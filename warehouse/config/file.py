"""The text of a dwh.cfg -> its entries; what they mean is config's business.

One [SECTION] or KEY = value a line, quotes optional, # or ; before a comment.
"""

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from .. import ConfigError

MAX_BYTES = 1_000_000
OTHER_FILE = "Or name another file with --config FILE."
UNREADABLE = {
    FileNotFoundError: "there is no such file. Copy the dwh.cfg that came with the scripts there",
    IsADirectoryError: "is a folder. Name the file in it",
    PermissionError: "this user may not read it. Run as its owner, or allow it with chmod u+r",
}
QUOTED = re.compile(r"""(['"])(.*?)\1(?:\s+[#;].*|\s*)""")  # shortest body that leaves a comment
CURLY = tuple("“”„‟‘’‚‛")


class Mistake(Exception):
    """What is wrong with one line or one value; read() adds where."""


class Entry(NamedTuple):
    """One `KEY = value`; the value is None where the line is wrong, which is reported already."""

    section: str
    key: str
    line: int
    value: str | None


def read_file(path: Path) -> tuple[bytes, int]:
    """The bytes of the file and its mode."""
    # O_NONBLOCK: opening a FIFO would wait for its writer
    try:
        with open(path, "rb", opener=lambda name, how: os.open(name, how | os.O_NONBLOCK)) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(f"{path}: is not a regular file. Put one there. {OTHER_FILE}")
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = UNREADABLE.get(type(error)) or f"cannot be read: {getattr(error, 'strerror', error)}"
        raise ConfigError(f"{path}: {why}. {OTHER_FILE}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than 1 MB. Is it the right one? {OTHER_FILE}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{path}:1: is written in UTF-16. Save the file as UTF-8.")
    return data, mode


def parse(text: str) -> tuple[dict[tuple[str, str], Entry], dict[str, int], list[tuple[int, str]]]:
    """Return the entries, the line of every section, and the problems as (line, what)."""
    entries, sections, problems, section = {}, {}, [], ""
    for number, line in enumerate(map(str.strip, re.split("\r\n|\r|\n", text)), 1):
        key, value = "", None
        try:
            if line.startswith("["):
                section = line[1:].partition("]")[0].strip().upper()
                first = sections.setdefault(section, number)
                check_line(line, section, r"\[[^\[\]]*\](?:\s+[#;].*)?")
                if first != number:
                    raise Mistake(f"[{section}] was opened on line {first}. Join the two.")
            elif line and line[0] not in "#;":
                name, separator, rest = re.match("([^=:]*)([=:]?)(.*)", line, re.DOTALL).groups()
                key = (name.strip() if separator else name.split()[0]).upper()
                check_line(line, key, ".*[=:].*")
                if not section:
                    raise Mistake(f"{key} stands before the first [SECTION]. Move it below one.")
                if first := entries.get((section, key)):
                    raise Mistake(f"[{section}] {key} is already on line {first.line}. Keep one.")
                value = unquote(key, rest)
            else:
                check_line(line, "comment", ".*")
        except Mistake as mistake:
            problems.append((number, str(mistake)))
        if key:
            entries.setdefault((section, key), Entry(section, key, number, value))
    return entries, sections, problems


def check_line(line: str, name: str, shape: str) -> None:
    # the text of the line is not shown: it may be a secret that slipped to a line of its own
    if found := re.search("[\udc80-\udcff]", line):
        byte = ord(found[0]) - 0xDC00
        raise Mistake(f"the byte 0x{byte:02X} is not UTF-8. Save the file as UTF-8.")
    if not (re.fullmatch(shape, line, re.DOTALL) and re.fullmatch(r"[\w .-]{1,100}", name)):
        raise Mistake("this is neither [SECTION] nor KEY = value nor a comment. Write one of them; "
                      "a name has letters, digits and _, and a comment begins with #.")


def unquote(key: str, text: str) -> str:
    """The value without its quotes and without the comment behind it."""
    if found := re.search("[\0\v\f\x1c-\x1e\x85\u2028\u2029]", text):
        raise Mistake(f"{key} holds U+{ord(found[0]):04X}, a NUL or line break. Type it again.")
    if text.lstrip().startswith(("'", '"')):
        if not (quoted := QUOTED.fullmatch(text.lstrip())):
            raise Mistake(f"{key} opens a quote that is not closed, or text follows it. Write it "
                          "at both ends, and a blank before a comment.")
        return quoted[2]
    bare = re.split(r"\s[#;]", text, maxsplit=1)[0].strip()
    if bare.startswith(CURLY) or bare.endswith(CURLY):
        raise Mistake(f"{key} stands in curly quotes. Use straight ones, ' or \", or none.")
    return bare
