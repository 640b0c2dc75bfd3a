"""Parse the text of a dwh.cfg into entries. What an entry means is decided in settings.

Each line is a [SECTION], a KEY = value or a comment. Quotes are optional; # and ; begin a comment.
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
QUOTED = re.compile(r"""(['"])(.*?)\1(?:\s+[#;].*|\s*)""")  # the shortest body, so a comment may follow
CURLY = tuple("“”„‟‘’‚‛")
NAME = r"[\w .-]{1,100}"
INVISIBLE = "[\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
JOINER = "[\u200c\u200d]"  # invisible too, but needed inside words of some scripts
VALUE_START = r"(?i)arn:|[a-z0-9]+:/|['\"]"  # no KEY = value line begins like this


class Mistake(Exception):
    """A problem with one line or one value. read() adds the file and line."""


class Entry(NamedTuple):
    """One `KEY = value`. The value is None if it cannot be read."""

    section: str
    key: str
    line: int
    value: str | None
    is_quoted: bool = False
    comment: str = ""  # the first two characters of a comment after the value
    problem: str = ""  # why the value cannot be read; empty if that is already reported


def read_file(path: Path) -> tuple[bytes, int]:
    """Return the bytes of the file and its mode. Raise ConfigError if it cannot be read."""
    # O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(f"{path}: is not a regular file. Put one there. {OTHER_FILE}")
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = UNREADABLE.get(type(error)) or f"cannot be read: {getattr(error, 'strerror', error)}"
        raise ConfigError(f"{path}: {reason}. {OTHER_FILE}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than 1 MB. Is it the right one? {OTHER_FILE}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:2]:
        raise ConfigError(f"{path}:1: is written in UTF-16. Save the file as UTF-8.")
    return data, mode


def parse(text: str, is_name: Callable[[str], bool]
          ) -> tuple[list[Entry], dict[str, int], list[tuple[int, str, set[str]]]]:
    """Return the entries, the first line of each section, and the problems of other lines.

    Each problem is (line, message, sections). It matters only if one of these sections is read.
    is_name recognises the name of a setting.
    """
    entries, sections, problems, section, indent = [], {}, [], "", 0
    for number, raw in enumerate(re.split("\r\n|\r|\n", text), 1):
        line = re.sub(rf"\A(?:\s|{INVISIBLE})+", "", raw).rstrip()
        if not line or line[0] in "#;":
            continue
        above = entries[-1] if entries and entries[-1].line == number - 1 else None
        is_open = above and above.value == "" and not above.is_quoted and not above.comment
        is_indented, indent = len(raw) - len(raw.lstrip()) > indent, len(raw) - len(raw.lstrip())
        old_section = section
        try:
            if line.startswith("["):
                name = line[1:].partition("]")[0].strip()
                section = re.sub(INVISIBLE, "", name).upper()
                section = section if re.fullmatch(NAME, section) else "?"  # it may be a secret
                validate_line(line, name, r"\[[^\[\]]*\](?:\s+[#;].*)?")
                old_section = section
                if (first := sections.setdefault(section, number)) != number:
                    raise Mistake(f"[{section}] already begins on line {first}. Merge the two.")
            elif (is_indented and not is_entry(line, is_name) and (is_open or above and is_name(above.key)
                                                                   and re.search("PASS|PWD", above.key))):
                entries[-1] = continue_entry(above, line, is_open)
            else:
                entries.append(read_entry(section, number, line))
                validate_line(line, re.split("[=:]", line)[0].strip(), ".*[=:].*")
                if not section:
                    raise Mistake(f"{entries[-1].key} comes before the first [SECTION]. Move it "
                                  "below one.")
        except Mistake as mistake:
            problems.append((number, str(mistake), {old_section, section}))
    return entries, sections, problems


def read_entry(section: str, number: int, line: str) -> Entry:
    name, separator, rest = re.match("([^=:]*)([=:]?)(.*)", line, re.DOTALL).groups()
    key = re.sub(f"{INVISIBLE}|{JOINER}", "", name if separator else name.split()[0]).strip().upper()
    if not separator or not re.fullmatch(NAME, name.strip()):
        return Entry(section, key, number, None)
    try:
        return Entry(section, key, number, *unquote(key, rest))
    except Mistake as mistake:
        return Entry(section, key, number, None, problem=str(mistake))


def is_entry(line: str, is_name: Callable[[str], bool]) -> bool:
    """Return True if an indented line is an entry of its own, not the value of the key above."""
    name, separator, _ = re.match("([^=:]*)([=:]?)(.*)", line, re.DOTALL).groups()
    return bool(separator) and is_name(name.strip().upper()) and not re.match(VALUE_START, line)


def continue_entry(entry: Entry, line: str, is_open: bool) -> Entry:
    """Return the entry with the value from the next line, or with a problem if that is ambiguous.

    An entry that is not open has a value already, which the line may continue.
    """
    try:
        if not is_open:
            raise Mistake(entry.problem or (
                f"line {entry.line + 1} is indented below {entry.key}, as if it continued the value. "
                "Write the whole value on one line, or begin that line at the margin."))
        if re.search("[=:]", line) and not re.match(VALUE_START, line):
            raise Mistake(f"{entry.key} has no value on its line; line {entry.line + 1} may be the "
                          "value. Write both on one line.")
        value, is_quoted, comment = unquote(entry.key, line)
        return entry._replace(value=value, is_quoted=is_quoted, comment=comment)
    except Mistake as mistake:
        return entry._replace(value=None, problem=str(mistake))


def validate_line(line: str, name: str, pattern: str) -> None:
    """Raise Mistake if the line does not have this form.

    The message does not show the line: it may be a secret that slipped to a line of its own.
    """
    validate_text(name, "the name")
    if not (re.fullmatch(pattern, line, re.DOTALL) and re.fullmatch(NAME, name)):
        raise Mistake("this is neither [SECTION] nor KEY = value nor a comment. Write one of them; "
                      "a name has letters, digits and _, and a comment begins with #.")


def validate_text(text: str, subject: str) -> None:
    """Raise Mistake, naming the subject, if the text is not UTF-8 or has invisible characters."""
    if match := re.search("[\udc80-\udcff]", text):
        byte = ord(match[0]) - 0xDC00
        raise Mistake(f"the byte 0x{byte:02X} is not UTF-8. Save the file as UTF-8.")
    if match := re.search(rf"{INVISIBLE}|\A{JOINER}|{JOINER}\Z", text):
        raise Mistake(f"{subject} contains U+{ord(match[0]):04X}, which is invisible. Delete it, or "
                      "type the line again.")


def unquote(key: str, text: str) -> tuple[str, bool, str]:
    """Return the value, whether it was quoted, and the first two characters of its comment."""
    if match := re.search("[\0\v\f\x1c-\x1e\x85\u2028\u2029]", text):
        raise Mistake(f"{key} contains U+{ord(match[0]):04X}, a NUL or line break. Type it again.")
    if text.lstrip().startswith(("'", '"')):
        if not (quoted := QUOTED.fullmatch(text.lstrip())):
            validate_text(text, key)
            raise Mistake(f"{key} has a quote that is not closed, or text after the closing quote. Put "
                          "a quote at both ends, and a space before a comment.")
        validate_text(quoted[2], key)
        return quoted[2], True, ""
    bare, _, comment = re.match(r"(.*?)(\s(?=[#;])|\Z)(.*)", text, re.DOTALL).groups()
    bare = bare.strip()
    validate_text(bare, key)
    if bare.startswith(CURLY) or bare.endswith(CURLY):
        raise Mistake(f"{key} is in curly quotes. Use straight ones, ' or \", or none.")
    return bare, False, comment[:2]
