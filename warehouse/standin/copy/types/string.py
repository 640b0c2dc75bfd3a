"""Converters of VARCHAR and CHAR, whose lengths count bytes of UTF-8 (guide: r_Character_types)."""

import re

from ..values import WHITE, Converter, as_text, field

UNSUPPORTED = "String contains invalid or unsupported UTF-8 codepoints. Bad UTF-8 hex sequence: "
# Bytes that are no UTF-8 arrive as U+DC80..U+DCFF (PEP 383); other lone surrogates are \ud800
# escapes. The rest are the code points that no character has.
INVALID = re.compile(
    "[\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane * 0x10000 + 0xFFFE) + chr(plane * 0x10000 + 0xFFFF) for plane in range(17))
    + "]"
)


class Text(Converter):
    """VARCHAR(n)."""

    too_long = "String length exceeds DDL length"

    def text(self, value):
        text = as_text(value)
        if self.options.emptyasnull and not text:
            return None
        if self.options.blanksasnull and text and not text.strip(WHITE):
            return None
        text = self.mended(text)
        return field(self.fitted(text, self.encoded(text)))

    def replaces(self, value):
        return value is not None and bool(INVALID.search(as_text(value)))

    def mended(self, text: str) -> str:
        """The text as ACCEPTINVCHARS and TRIMBLANKS change it."""
        if self.options.acceptinvchars:
            filler = self.options.acceptinvchars
            text = INVALID.sub(lambda found: filler * len(in_file(found[0])), text)
        return text.rstrip(WHITE) if self.options.trimblanks else text

    def encoded(self, text: str) -> bytes:
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            sequence, kind = bad_sequence(text, error.start)
            reason = f"{UNSUPPORTED}{sequence.hex(' ')} (error {kind})"
            raise self.reject(1220, reason, text, error.start) from None
        if b"\0" in data:
            reason = f"{UNSUPPORTED}00 (error 9)"
            raise self.reject(1220, reason, text, text.index("\0"))
        return data

    def fitted(self, text: str, data: bytes) -> str:
        """As much of the text as the column takes; raises Rejected where that is not all."""
        if len(data) <= self.column.size:
            return text
        if self.options.truncatecolumns:
            return data[: self.column.size].decode("utf-8", "ignore")
        raise self.reject(1204, self.too_long, text)


class Char(Text):
    """CHAR(n): single-byte characters only; blanks beyond n are cut."""

    too_long = "Char length exceeds DDL length"

    def mended(self, text):
        return text  # ACCEPTINVCHARS and TRIMBLANKS are for VARCHAR only

    def encoded(self, text):
        data = super().encoded(text)
        if not text.isascii():
            at = next(i for i, character in enumerate(text) if ord(character) > 127)
            reason = "Multibyte character not supported for CHAR (Hint: Try using VARCHAR). "
            reason += f"Invalid char: {text[at].encode().hex(' ')}"
            raise self.reject(1220, reason, text, at)
        return data

    def fitted(self, text, data):
        if len(data) > self.column.size:
            text, data = text.rstrip(" "), data.rstrip(b" ")
        return super().fitted(text, data)


def in_file(character: str) -> bytes:
    """The bytes that a character stands for, which may be one byte that is no UTF-8."""
    code = ord(character)
    is_byte = 0xDC80 <= code <= 0xDCFF
    return bytes([code - 0xDC00]) if is_byte else character.encode(errors="surrogatepass")


def bad_sequence(text: str, at: int) -> tuple[bytes, int]:
    """The bytes that are no UTF-8, and why (guide: multi-byte-character-load-errors)."""
    if len(in_file(text[at])) > 1:
        return in_file(text[at]), 5
    rest = b"".join(map(in_file, text[at : at + 4]))[:4]
    first = rest[0]
    if first < 0xC0 or first > 0xFD:
        return rest[:1], 3
    if first >= 0xF8:
        return rest[:1], 1
    needed = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    sequence = rest[:needed]
    for i, byte in enumerate(sequence[1:], 1):
        if not 0x80 <= byte < 0xC0:
            return sequence[: i + 1], 4
    if len(sequence) < needed:
        return sequence, 2
    if first == 0xED:
        return sequence, 5
    return sequence, 8 if first >= 0xF4 else 9
