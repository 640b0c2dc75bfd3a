"""Values formatted for people. Text from the logs can neither control a terminal nor break a table."""

import unicodedata
from datetime import date
from decimal import Decimal

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
UNPRINTABLE = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")  # categories of Unicode
JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # used in Persian and in emoji
MOST_MARKS = 4  # combining marks on one character; more would cover its neighbours


def format_value(value: object) -> str:
    """Format a value of an answer.

    >>> format_value(6820), format_value(4.8826), format_value(None), format_value("a\\x1b[2Jb")
    ('6,820', '4.9', '', 'a\ufffd[2Jb')
    """
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float | Decimal):
        return f"{value:,.1f}"
    return value.isoformat() if isinstance(value, date) else clean(str(value))


def is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal)


def format_count(number: int, noun: str) -> str:
    """Format a number with its noun.

    >>> format_count(1, "play"), format_count(6820, "play")
    ('1 play', '6,820 plays')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def clean(text: str) -> str:
    """Return the text as one line without anything that a terminal or browser would interpret.

    That is control characters, changes of the writing direction, lone surrogates and too many
    combining marks.
    """
    kept, marks = [], 0
    for character in map(clean_character, text.replace("\N{SOFT HYPHEN}", "")):
        marks = 0 if measure_character(character) else marks + 1
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def clean_character(character: str) -> str:
    """Return the character or its replacement. Unassigned characters stay, for later versions of Unicode."""
    if character in "\t\n\r":
        return " "
    code = ord(character)
    is_noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    if is_noncharacter or (
            unicodedata.category(character) in UNPRINTABLE and character not in JOINERS):
        return REPLACEMENT
    return character


def measure_width(text: str) -> int:
    """Return the width of a clean text in terminal columns.

    >>> measure_width("Björk"), measure_width("Bjo\u0308rk"), measure_width("椎名林檎")
    (5, 5, 8)
    """
    return sum(map(measure_character, text))


def measure_character(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me") or character in JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def cut(text: str, most: int) -> str:
    """Cut the text to this many terminal columns, if it is wider."""
    if measure_width(text) <= most:
        return text
    kept, left = [], most - 1
    for character in text:
        left -= measure_character(character)
        if left < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"
