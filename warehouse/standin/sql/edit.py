"""One statement under translation: an outline to match, and a text to change."""

from psycopg2 import errors

from .refusals import RESERVED, length_refusal, reserved_word_refusal
from .tokens import SILENT, Token, decode_name, fold_case

# After these words an expression may begin, so they are not names of functions.
_BEFORE_OPERANDS = frozenset("""
    all and any between by case distinct else from having ilike in is join like limit not offset on
    or select set similar some then to using values when where
""".split())
_CLAUSES = frozenset("""
    except from group having intersect into limit minus offset order select set union using values
    where with
""".split())
MAX_NAME_BYTES = 63  # PostgreSQL cuts longer names
MAX_STATEMENT_BYTES = 16 << 20  # r_INSERT_30


class Edit:
    """One statement, read and changed by the positions of its significant tokens.

    A position counts tokens other than blanks and comments. `words` is the outline that refusals.py
    describes; it stays as it was read. Changes show in `text` and str() only, and leave the other
    blanks and comments in place.

    `inside[pos]` is the position of the parenthesis that encloses `pos`, or -1. `partner` maps the
    position of each parenthesis to that of its counterpart.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self.texts = [token.text for token in tokens]
        self.indexes = [i for i, token in enumerate(tokens) if token.kind not in SILENT]
        self.tokens = [tokens[i] for i in self.indexes]
        self.words = [_outline_token(token) for token in self.tokens]
        self.inside, self.partner = _match_parentheses(self.words)
        self._quote_aliases()

    def outline(self) -> str:
        return f" {' '.join(self.words)} "

    def top_outline(self) -> str:
        """Return the outline without the contents of parentheses."""
        top = (word for word, i in zip(self.words, self.inside, strict=True) if i < 0)
        return f" {' '.join(top)} "

    def word(self, pos: int) -> str:
        """Return the word at a position, or '' outside of the statement."""
        return self.words[pos] if 0 <= pos < len(self.words) else ""

    def has_words(self, pos: int, words: str) -> bool:
        """Return whether these words, separated by blanks, begin at a position."""
        expected = words.split()
        return self.words[pos : pos + len(expected)] == expected

    def text(self, start: int, end: int) -> str:
        """Return the text from start up to end, with the changes made so far."""
        if start >= min(end, len(self.indexes)):
            return ""
        return "".join(self.texts[self.indexes[start] : self.indexes[end - 1] + 1])

    def replace(self, start: int, end: int, text: str) -> None:
        if len(text) > MAX_STATEMENT_BYTES:  # translating nested calls may multiply it
            raise errors.StatementTooComplex("Redshift takes statements of up to 16 MB")
        first, last = self.indexes[start], self.indexes[end - 1]
        self.texts[first : last + 1] = [text] + [""] * (last - first)

    def append(self, pos: int, text: str) -> None:
        self.texts[self.indexes[pos]] += text

    def drop(self, start: int, end: int) -> None:
        """Remove tokens and the blanks before them."""
        self.replace(start, end, "")
        before = self.indexes[start] - 1
        if before > 0 and self.texts[before].strip(" ") == "":
            self.texts[before] = ""

    def split(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the ranges between the commas of the list from start up to end."""
        if start >= end:
            return []
        level = self.inside[start]
        commas = [i for i in range(start, end) if self.words[i] == "," and self.inside[i] == level]
        return list(zip([start] + [comma + 1 for comma in commas], commas + [end], strict=True))

    def arguments(self, opened: int) -> list[str]:
        """Return the text of each item in the parentheses that open at this position."""
        return [self.text(*item) for item in self.split(opened + 1, self.partner[opened])]

    def find(self, start: int, end: int, *words: str) -> int:
        """Return the first position of one of the words from start up to end, or end.

        Words in parentheses that open in between do not count.
        """
        level = self.inside[start] if start < end else -1
        found = (i for i in range(start, end) if self.words[i] in words and self.inside[i] == level)
        return next(found, end)

    def find_clause(self, pos: int) -> str:
        """Return the first word of the query's clause that contains a position, or ''."""
        level = self.inside[pos]
        found = (self.words[i] for i in range(pos - 1, level, -1)
                 if self.inside[i] == level and self.words[i] in _CLAUSES
                 and self.word(i - 1) != "within")  # WITHIN GROUP belongs to a call
        return next(found, "")

    def _quote_aliases(self) -> None:
        """Treat a reserved word after AS in a SELECT list as a quoted name, as an example of r_CANCEL does.

        Raises if it would become the column of a table or view.
        """
        verb = self.word(0)
        creates = verb == "create" or verb in ("select", "with") and any(
            word == "into" and (self.word(pos - 1) != "as" or self.word(pos - 2) == "as")
            for pos, word in enumerate(self.words))
        for pos, word in enumerate(self.words):
            if word in RESERVED and self.word(pos - 1) == "as" and self.find_clause(pos) == "select":
                if creates:
                    raise reserved_word_refusal(word)
                self.words[pos] = '"'

    def find_operand(self, pos: int) -> int:
        """Return the start of the operand of a `::` cast, which binds tighter than any operator."""
        while True:
            pos -= 1
            if self.word(pos) == "end":
                pos = self._find_case(pos)
            elif self.word(pos) in (")", "]") and pos in self.partner:
                pos = self.partner[pos]
                if pos and self.tokens[pos - 1].kind in ("word", "name") and self._is_call_name(pos - 1):
                    # The parenthesis of a call, or of the OVER or WITHIN GROUP that follows one.
                    pos -= 1
                    if self.word(pos) == "over":
                        continue
                    if self.has_words(pos - 1, "within group"):
                        pos -= 1
                        continue
            elif self.word(pos) == "'" and pos and self.tokens[pos - 1].kind == "word" and (
                    self._is_call_name(pos - 1)):
                pos -= 1
            while self.word(pos - 1) == ".":
                pos -= 2
            if self.word(pos) in ("precision", "varying", "zone"):
                pos = next((i for i in range(pos, max(pos - 4, 0), -1) if self.word(i - 1) == "::"), pos)
            if self.word(pos - 1) != "::":
                return max(pos, 0)
            pos -= 1

    def _is_call_name(self, pos: int) -> bool:
        """Return whether a word belongs to the parenthesis or string after it.

        The name of a function or type does, a keyword does not.
        """
        return self.words[pos] not in _BEFORE_OPERANDS

    def _find_case(self, pos: int) -> int:
        """Return the position of the CASE whose END is at `pos`."""
        depth = 0
        for i in range(pos, -1, -1):
            depth += (self.words[i] == "end") - (self.words[i] == "case")
            if depth == 0:
                return i
        raise self.syntax_error(pos, "CASE before END")

    def read_name(self, pos: int) -> str:
        """Return the name at a position in lower case; raises if it is missing, reserved or too long."""
        if pos >= len(self.tokens) or self.tokens[pos].kind not in ("word", "name"):
            raise self.syntax_error(pos, "a name")
        if self.words[pos] in RESERVED:
            raise reserved_word_refusal(self.words[pos])
        name = decode_name(self.tokens[pos])
        if (size := len(name.encode(errors="replace"))) > MAX_NAME_BYTES:
            raise length_refusal(size)
        return name

    def skip_name(self, pos: int) -> int:
        """Return the position after a name, which may be qualified by a schema."""
        self.read_name(pos)
        while self.word(pos + 1) == ".":
            pos += 2
            self.read_name(pos)
        return pos + 1

    def read_names(self, pos: int) -> list[str]:
        """Return the names in the parentheses that open at `pos`, each once."""
        if self.word(pos) != "(":
            raise self.syntax_error(pos, "a list in parentheses")
        items = self.split(pos + 1, self.partner[pos])
        if any(end - start != 1 for start, end in items) or not items:
            raise self.syntax_error(pos + 1, "a list of columns")
        return list(dict.fromkeys(self.read_name(start) for start, _ in items))

    def syntax_error(self, pos: int, expected: str) -> Exception:
        found = self.tokens[pos].text if pos < len(self.tokens) else "the end of the statement"
        return errors.SyntaxError(f"Redshift expects {expected} here, not {found}")

    def arguments_error(self, pos: int, expected: str) -> Exception:
        message = f"Redshift's {self.words[pos].upper()} takes {expected} arguments"
        return errors.UndefinedFunction(message)

    def __str__(self) -> str:
        return "".join(self.texts)


def _outline_token(token: Token) -> str:
    kind, text = token
    if kind == "string":
        return "$$" if text[0] == "$" else text[: text.index("'") + 1].lower()
    if kind == "name":
        return "u&\"" if text[0] in "uU" else '"'
    return "0" if kind == "number" else fold_case(text)


def _match_parentheses(words: list[str]) -> tuple[list[int], dict[int, int]]:
    """Return Edit's `inside` and `partner`; a parenthesis is not inside itself."""
    inside, partner, opened = [], {}, [-1]
    for pos, word in enumerate(words):
        if word == ")":
            if len(opened) == 1:
                raise errors.SyntaxError("Redshift finds a ) without its (")
            opening = opened.pop()
            partner[opening], partner[pos] = pos, opening
        inside.append(opened[-1])
        if word == "(":
            opened.append(pos)
    if len(opened) > 1:
        raise errors.SyntaxError("Redshift finds a ( without its )")
    return inside, partner
