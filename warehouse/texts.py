"""Values as people read them. What the logs wrote neither steers a terminal nor breaks a table."""

import unicodedata
from datetime import date
from decimal import Decimal

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
UNPRINTABLE = ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")  # categories of Unicode


def shown(value: object) -> str:
    """A value of an answer as text.

    >>> shown(6820), shown(4.8826), shown(None), shown("a\\x1b[2Jb")
    ('6,820', '4.9', '', 'a\ufffd[2Jb')
    """
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float | Decimal):
        return f"{value:,.1f}"
    return value.isoformat() if isinstance(value, date) else printable(str(value))


def is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal)


def printable(text: str) -> str:
    """The text in one line, without what a terminal or a browser obeys: control characters, those
    that turn the direction of writing, halves of characters."""
    return "".join(
        " " if character in "\t\n\r" else
        REPLACEMENT if unicodedata.category(character) in UNPRINTABLE else character
        for character in text)


def width(text: str) -> int:
    """How many columns of a terminal a printable text takes.

    >>> width("Björk"), width("Bjo\u0308rk"), width("椎名林檎")
    (5, 5, 8)
    """
    return sum(map(width_of, text))


def width_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def fitted(text: str, most: int) -> str:
    """The text, cut to so many columns where it is wider."""
    if width(text) <= most:
        return text
    kept, left = [], most - 1
    for character in text:
        left -= width_of(character)
        if left < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"
