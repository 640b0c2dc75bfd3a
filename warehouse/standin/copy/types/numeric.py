"""Converters of the numeric types and of BOOLEAN."""

import re
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal

from ..values import BlankIsNull, Number, Rejected

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
EXACT = Context(prec=400)  # digits enough to quantize any double without rounding it first


class Integer(BlankIsNull):
    """SMALLINT, INTEGER, BIGINT. Only digits load: a decimal point or an exponent is rejected."""

    names = {"int2": ("Short", 15), "int4": ("Integer", 31), "int8": ("Long", 63)}
    digits = re.compile(r"-?[0-9]+", re.ASCII)

    def __init__(self, column, options):
        super().__init__(column, options)
        self.type_name, bits = self.names[column.type]
        self.low, self.high = -(2**bits), 2**bits - 1

    def parse(self, text, value):
        if not self.digits.fullmatch(text):
            raise self.invalid_digit(text, r"-?[0-9]*", self.type_name)
        if len(text) > 20 or not self.low <= int(text) <= self.high:
            reason = f"Overflow ({self.type_name} valid range {self.low} to {self.high})"
            raise self.rejection(1207, reason, text)
        return text


class Numeric(BlankIsNull):
    """NUMERIC(p, s). COPY reads a JSON number as a double and cuts it to the scale; ROUNDEC rounds.

    Without ROUNDEC even 0.29 loads as 0.28 into NUMERIC(8,2), because the double nearest to 0.29 is
    smaller (guide: copy-usage_notes-copy-from-json). A string is exact.
    """

    def __init__(self, column, options):
        super().__init__(column, options)
        self.step = Decimal(1).scaleb(-column.scale)
        self.integer_digits = column.size - column.scale

    def parse(self, text, value):
        if not NUMBER.fullmatch(text):
            raise self.invalid_digit(text, r"-?[0-9]*\.?[0-9]*", "Decimal")
        rounding = ROUND_HALF_UP if self.options.roundec else ROUND_DOWN
        try:
            number = Decimal(float(text)) if isinstance(value, Number) else Decimal(text)
            if number and number.adjusted() >= self.integer_digits:
                raise ArithmeticError
            number = number.quantize(self.step, rounding, EXACT)
        except ArithmeticError:
            raise self.overflow(text) from None
        if number and number.adjusted() >= self.integer_digits:  # 99.999 rounded up
            raise self.overflow(text)
        return f"{number:f}"

    def overflow(self, text: str) -> Rejected:
        """Return the error for a number with too many digits before the point."""
        reason = f"Overflow for NUMERIC({self.column.size},{self.column.scale})"
        return self.rejection(1207, reason, text)


class Float(BlankIsNull):
    """REAL and DOUBLE PRECISION. NaN, infinities and numbers that underflow to 0 are rejected."""

    limits = {
        "float4": (7.006492321624085e-46, 3.4028235677973366e38),
        "float8": (0.0, float("inf")),
    }

    def parse(self, text, value):
        if not NUMBER.fullmatch(text):
            raise self.rejection(1208, "Invalid floating point format", text)
        number = abs(float(text))
        smallest, largest = self.limits[self.column.type]
        is_zero = not re.search("[1-9]", re.split("[eE]", text)[0])
        if not is_zero and not smallest < number < largest:
            raise self.rejection(1204, "Floating point number out of range", text)
        return "0" if is_zero else text


class Boolean(BlankIsNull):
    """BOOLEAN, from JSON's true and false or from text."""

    words = ("t", "true", "y", "yes", "1", "f", "false", "n", "no", "0")

    def parse(self, text, value):
        if text.lower() not in self.words:
            raise self.rejection(1210, "Invalid boolean format", text)
        return text.lower()
