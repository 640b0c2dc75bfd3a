"""Converters of VARCHAR and CHAR, whose lengths count bytes of UTF-8 (guide: r_Character_types)."""

import re

from ..values import WHITE, Converter, as_text, escape_field

UNSUPPORTED = "String contains invalid or unsupported UTF-8 codepoints. Bad UTF-8 hex sequence: "
# Invalid bytes arrive as U+DC80..U+DCFF (PEP 383); other lone surrogates are \ud800 escapes. The
# rest are noncharacters.
INVALID = re.compile(
    "[\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane * 0x10000 + 0xFFFE) + chr(plane * 0x10000 + 0xFFFF) for plane in range(17))
    + "]"
)


class Text(Converter):
    """VARCHAR(n)."""

    too_long = "String length exceeds DDL length"

    def convert_non_null(self, value):
        text = as_text(value)
        if self.options.emptyasnull and not text:
            return None
        if self.options.blanksasnull and text and not text.strip(WHITE):
            return None
        text = self.clean(text)
        return escape_field(self.fit(text, self.encode(text)))

    def has_invalid_characters(self, value):
        return value is not None and bool(INVALID.search(as_text(value)))

    def clean(self, text: str) -> str:
        """Apply ACCEPTINVCHARS and TRIMBLANKS."""
        if self.options.acceptinvchars:
            replacement = self.options.acceptinvchars
            text = INVALID.sub(lambda match: replacement * len(original_bytes(match[0])), text)
        return text.rstrip(WHITE) if self.options.trimblanks else text

    def encode(self, text: str) -> bytes:
        """Return the text in UTF-8; raises Rejected if it has invalid characters or a NUL."""
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            sequence, error_number = find_bad_sequence(text, error.start)
            reason = f"{UNSUPPORTED}{sequence.hex(' ')} (error {error_number})"
            raise self.rejection(1220, reason, text, error.start) from None
        if b"\0" in data:
            reason = f"{UNSUPPORTED}00 (error 9)"
            raise self.rejection(1220, reason, text, text.index("\0"))
        return data

    def fit(self, text: str, data: bytes) -> str:
        """Apply TRUNCATECOLUMNS; raises Rejected without it if the text is too long."""
        if len(data) <= self.column.size:
            return text
        if self.options.truncatecolumns:
            return data[: self.column.size].decode("utf-8", "ignore")
        raise self.rejection(1204, self.too_long, text)


class Char(Text):
    """CHAR(n): single-byte characters only; blanks beyond n are cut."""

    too_long = "Char length exceeds DDL length"

    def clean(self, text):
        return text  # ACCEPTINVCHARS and TRIMBLANKS are for VARCHAR only

    def encode(self, text):
        data = super().encode(text)
        if not text.isascii():
            index = next(i for i, character in enumerate(text) if ord(character) > 127)
            reason = "Multibyte character not supported for CHAR (Hint: Try using VARCHAR). "
            reason += f"Invalid char: {text[index].encode().hex(' ')}"
            raise self.rejection(1220, reason, text, index)
        return data

    def fit(self, text, data):
        if len(data) > self.column.size:
            text, data = text.rstrip(" "), data.rstrip(b" ")
        return super().fit(text, data)


def original_bytes(character: str) -> bytes:
    """Return the bytes in the file that became this character: one if it was an invalid byte."""
    code = ord(character)
    is_byte = 0xDC80 <= code <= 0xDCFF
    return bytes([code - 0xDC00]) if is_byte else character.encode(errors="surrogatepass")


def find_bad_sequence(text: str, index: int) -> tuple[bytes, int]:
    """Return the invalid bytes and the number of the error (guide: multi-byte-character-load-errors)."""
    if len(original_bytes(text[index])) > 1:
        return original_bytes(text[index]), 5
    rest = b"".join(map(original_bytes, text[index : index + 4]))[:4]
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
