"""The text of a dwh.cfg -> its entries; what they mean is config's business.

One [SECTION] or KEY = value a line, quotes optional, # or ; before a comment.
"""

import os
import re
import stat
from collections.abc import Callable
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
NAME = r"[\w .-]{1,100}"
UNSEEN = "[\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
JOINER = "[\u200c\u200d]"  # inside a word it means something
VALUE = r"(?i)arn:|[a-z0-9]+:/|['\"]"  # no line with a KEY begins so


class Mistake(Exception):
    """What is wrong with one line or one value; read() adds where."""


class Entry(NamedTuple):
    """One `KEY = value`; the value is None where it cannot be read."""

    section: str
    key: str
    line: int
    value: str | None
    is_quoted: bool = False
    comment: str = ""  # how the comment behind the value begins: two characters
    wrong: str = ""  # why the value cannot be read; empty where that is reported already


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
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:2]:
        raise ConfigError(f"{path}:1: is written in UTF-16. Save the file as UTF-8.")
    return data, mode


def parse(text: str, is_name: Callable[[str], bool]
          ) -> tuple[list[Entry], dict[str, int], list[tuple[int, str, set[str]]]]:
    """Return the entries, the first line of every section, and what is wrong with other lines, as
    (line, what, the sections it is in)."""
    entries, sections, mistakes, section, indent = [], {}, [], "", 0
    for number, raw in enumerate(re.split("\r\n|\r|\n", text), 1):
        line = re.sub(rf"\A(?:\s|{UNSEEN})+", "", raw).rstrip()
        if not line or line[0] in "#;":
            continue
        above = entries[-1] if entries and entries[-1].line == number - 1 else None
        is_open = above and above.value == "" and not above.is_quoted and not above.comment
        deeper, indent = len(raw) - len(raw.lstrip()) > indent, len(raw) - len(raw.lstrip())
        before = section
        try:
            if line.startswith("["):
                name = line[1:].partition("]")[0].strip()
                section = re.sub(UNSEEN, "", name).upper()
                section = section if re.fullmatch(NAME, section) else "?"  # maybe a secret
                check_line(line, name, r"\[[^\[\]]*\](?:\s+[#;].*)?")
                before = section
                if (first := sections.setdefault(section, number)) != number:
                    raise Mistake(f"[{section}] was opened on line {first}. Join the two.")
            elif deeper and is_open and not is_entry(line, is_name):
                entries[-1] = continue_entry(above, line)
            elif deeper and above and re.search("PASS|PWD", above.key) and not is_entry(line, is_name):
                raise Mistake(f"this line is indented below {above.key}, as the rest of a value would be. "
                              "Write the whole value on one line, or begin this line at the margin.")
            else:
                entries.append(read_entry(section, number, line))
                check_line(line, re.split("[=:]", line)[0].strip(), ".*[=:].*")
                if not section:
                    raise Mistake(f"{entries[-1].key} stands before the first [SECTION]. Move it "
                                  "below one.")
        except Mistake as mistake:
            mistakes.append((number, str(mistake), {before, section}))
    return entries, sections, mistakes


def read_entry(section: str, number: int, line: str) -> Entry:
    name, separator, rest = re.match("([^=:]*)([=:]?)(.*)", line, re.DOTALL).groups()
    key = re.sub(f"{UNSEEN}|{JOINER}", "", name if separator else name.split()[0]).strip().upper()
    if not separator or not re.fullmatch(NAME, name.strip()):
        return Entry(section, key, number, None)
    try:
        return Entry(section, key, number, *unquote(key, rest))
    except Mistake as mistake:
        return Entry(section, key, number, None, wrong=str(mistake))


def is_entry(line: str, is_name: Callable[[str], bool]) -> bool:
    """Whether an indented line below a key without a value is an entry of its own."""
    name, separator, _ = re.match("([^=:]*)([=:]?)(.*)", line, re.DOTALL).groups()
    return bool(separator) and is_name(name.strip().upper()) and not re.match(VALUE, line)


def continue_entry(entry: Entry, line: str) -> Entry:
    """The entry with the value that stands on the next line, if nothing else can be meant."""
    try:
        if re.search("[=:]", line) and not re.match(VALUE, line):
            raise Mistake(f"{entry.key} has no value on its line; line {entry.line + 1} seems to "
                          "be it. Write both on one line.")
        value, is_quoted, comment = unquote(entry.key, line)
        return entry._replace(value=value, is_quoted=is_quoted, comment=comment)
    except Mistake as mistake:
        return entry._replace(value=None, wrong=str(mistake))


def check_line(line: str, name: str, shape: str) -> None:
    # the text of the line is not shown: it may be a secret that slipped to a line of its own
    check_text(name, "the name")
    if not (re.fullmatch(shape, line, re.DOTALL) and re.fullmatch(NAME, name)):
        raise Mistake("this is neither [SECTION] nor KEY = value nor a comment. Write one of them; "
                      "a name has letters, digits and _, and a comment begins with #.")


def check_text(text: str, what: str) -> None:
    if found := re.search("[\udc80-\udcff]", text):
        byte = ord(found[0]) - 0xDC00
        raise Mistake(f"the byte 0x{byte:02X} is not UTF-8. Save the file as UTF-8.")
    if found := re.search(rf"{UNSEEN}|\A{JOINER}|{JOINER}\Z", text):
        raise Mistake(f"{what} holds U+{ord(found[0]):04X}, which cannot be seen. Delete it, or "
                      "type the line again.")


def unquote(key: str, text: str) -> tuple[str, bool, str]:
    """The value, whether it stood in quotes, and how the comment behind it begins."""
    if found := re.search("[\0\v\f\x1c-\x1e\x85\u2028\u2029]", text):
        raise Mistake(f"{key} holds U+{ord(found[0]):04X}, a NUL or line break. Type it again.")
    if text.lstrip().startswith(("'", '"')):
        if not (quoted := QUOTED.fullmatch(text.lstrip())):
            check_text(text, key)
            raise Mistake(f"{key} opens a quote that is not closed, or text follows it. Write it "
                          "at both ends, and a blank before a comment.")
        check_text(quoted[2], key)
        return quoted[2], True, ""
    bare, _, comment = re.match(r"(.*?)(\s(?=[#;])|\Z)(.*)", text, re.DOTALL).groups()
    bare = bare.strip()
    check_text(bare, key)
    if bare.startswith(CURLY) or bare.endswith(CURLY):
        raise Mistake(f"{key} stands in curly quotes. Use straight ones, ' or \", or none.")
    return bare, False, comment[:2]
