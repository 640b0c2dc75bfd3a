"""One statement under translation: its outline to read, its text to change."""

from psycopg2 import errors

from .refused import RESERVED, length_refusal, reserved_word_refusal
from .tokens import SILENT, Token, decode_name, fold_case

# An expression may begin after these words.
_BEFORE_OPERANDS = frozenset("""
    all and any between by case distinct else from having ilike in is join like limit not offset on
    or select set similar some then to using values when where
""".split())
_CLAUSES = frozenset("""
    except from group having intersect into limit minus offset order select set union using values
    where with
""".split())
MOST_NAME_BYTES = 63  # PostgreSQL cuts a longer name
MOST_BYTES = 16 << 20  # of a statement (r_INSERT_30)


class Edit:
    """One statement, read and changed by the positions of its significant tokens.

    `words` never changes: it is the outline that refused.py describes. What is put or dropped
    shows in `text` only. Comments and layout stay wherever nothing is put over them.

    `inside` says for each position which parenthesis holds it (its position, -1 for none);
    `partner` where the parenthesis at a position closes, or opened.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self.texts = [t.text for t in tokens]
        self.indexes = [i for i, t in enumerate(tokens) if t.kind not in SILENT]
        self.tokens = [tokens[i] for i in self.indexes]
        self.words = [_outline_token(t) for t in self.tokens]
        self.inside, self.partner = _match_parentheses(self.words)
        self._quote_labels()

    def outline(self) -> str:
        return f" {' '.join(self.words)} "

    def top_outline(self) -> str:
        """The outline without what stands in parentheses."""
        return f" {' '.join(w for w, i in zip(self.words, self.inside, strict=True) if i < 0)} "

    def word(self, pos: int) -> str:
        """The word at a position, empty outside of the statement."""
        return self.words[pos] if 0 <= pos < len(self.words) else ""

    def has_words(self, pos: int, words: str) -> bool:
        """Whether these words, blanks between them, stand at a position."""
        expected = words.split()
        return self.words[pos : pos + len(expected)] == expected

    def text(self, pos: int, q: int) -> str:
        """The text from p up to q as it is by now."""
        if pos >= min(q, len(self.indexes)):
            return ""
        return "".join(self.texts[self.indexes[pos] : self.indexes[q - 1] + 1])

    def replace(self, pos: int, q: int, text: str) -> None:
        if len(text) > MOST_BYTES:  # a function within a function within …
            raise errors.StatementTooComplex("Redshift takes statements of up to 16 MB")
        first, last = self.indexes[pos], self.indexes[q - 1]
        self.texts[first : last + 1] = [text] + [""] * (last - first)

    def append(self, pos: int, text: str) -> None:
        self.texts[self.indexes[pos]] += text

    def drop(self, pos: int, q: int) -> None:
        """Take tokens out, and the blanks before them."""
        self.replace(pos, q, "")
        before = self.indexes[pos] - 1
        if before > 0 and self.texts[before].strip(" ") == "":
            self.texts[before] = ""

    def split(self, pos: int, q: int) -> list[tuple[int, int]]:
        """The ranges between the commas of a list, which begins at p and ends before q."""
        if pos >= q:
            return []
        level = self.inside[pos]
        commas = [i for i in range(pos, q) if self.words[i] == "," and self.inside[i] == level]
        return list(zip([pos] + [c + 1 for c in commas], commas + [q], strict=True))

    def arguments(self, opened: int) -> list[str]:
        """The text of each item in the parentheses that open here."""
        return [self.text(*item) for item in self.split(opened + 1, self.partner[opened])]

    def find(self, pos: int, q: int, *words: str) -> int:
        """The first position of one of the words at the level of p, or q."""
        level = self.inside[pos] if pos < q else -1
        found = (i for i in range(pos, q) if self.words[i] in words and self.inside[i] == level)
        return next(found, q)

    def find_clause(self, pos: int) -> str:
        """The word that begins the clause of a query in which a position stands."""
        level = self.inside[pos]
        found = (self.words[q] for q in range(pos - 1, level, -1)
                 if self.inside[q] == level and self.words[q] in _CLAUSES
                 and self.word(q - 1) != "within")  # WITHIN GROUP belongs to a call
        return next(found, "")

    def _quote_labels(self) -> None:
        """Read a reserved word after AS in the list of a SELECT as the name it is (r_CANCEL).

        Not where it would be the column of a table or a view.
        """
        verb = self.word(0)
        makes = verb == "create" or verb in ("select", "with") and any(
            word == "into" and (self.word(pos - 1) != "as" or self.word(pos - 2) == "as")
            for pos, word in enumerate(self.words))
        for pos, word in enumerate(self.words):
            if word in RESERVED and self.word(pos - 1) == "as" and self.find_clause(pos) == "select":
                if makes:
                    raise reserved_word_refusal(word)
                self.words[pos] = '"'

    def find_operand(self, pos: int) -> int:
        """Where the expression begins that a cast at p is about, which binds tighter than all."""
        while True:
            pos -= 1
            if self.word(pos) == "end":
                pos = self._find_case(pos)
            elif self.word(pos) in (")", "]") and pos in self.partner:
                pos = self.partner[pos]
                if pos and self.tokens[pos - 1].kind in ("word", "name") and self._is_call_name(pos - 1):
                    # A call; what stands before OVER and WITHIN GROUP is a call, too.
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
                pos = next((q for q in range(pos, max(pos - 4, 0), -1) if self.word(q - 1) == "::"), pos)
            if self.word(pos - 1) != "::":
                return max(pos, 0)
            pos -= 1

    def _is_call_name(self, pos: int) -> bool:
        """Whether a word is one with the parenthesis or string after it, and no keyword."""
        return self.words[pos] not in _BEFORE_OPERANDS

    def _find_case(self, pos: int) -> int:
        """Where the CASE begins whose END stands at p."""
        depth = 0
        for q in range(pos, -1, -1):
            depth += (self.words[q] == "end") - (self.words[q] == "case")
            if depth == 0:
                return q
        raise self.syntax_error(pos, "CASE before END")

    def read_name(self, pos: int) -> str:
        """The name that stands at a position, as Redshift folds it."""
        if pos >= len(self.tokens) or self.tokens[pos].kind not in ("word", "name"):
            raise self.syntax_error(pos, "a name")
        if self.words[pos] in RESERVED:
            raise reserved_word_refusal(self.words[pos])
        name = decode_name(self.tokens[pos])
        if (size := len(name.encode(errors="replace"))) > MOST_NAME_BYTES:
            raise length_refusal(size)
        return name

    def skip_name(self, pos: int) -> int:
        """The position after a name that may have a schema before it."""
        self.read_name(pos)
        while self.word(pos + 1) == ".":
            pos += 2
            self.read_name(pos)
        return pos + 1

    def read_names(self, pos: int) -> list[str]:
        """The names in the parentheses that open at p."""
        if self.word(pos) != "(":
            raise self.syntax_error(pos, "a list in parentheses")
        items = self.split(pos + 1, self.partner[pos])
        if any(q - s != 1 for s, q in items) or not items:
            raise self.syntax_error(pos + 1, "a list of columns")
        return list(dict.fromkeys(self.read_name(s) for s, _ in items))

    def syntax_error(self, pos: int, wanted: str) -> Exception:
        got = self.tokens[pos].text if pos < len(self.tokens) else "the end of the statement"
        return errors.SyntaxError(f"Redshift expects {wanted} here, not {got}")

    def arguments_error(self, pos: int, wanted: str) -> Exception:
        message = f"Redshift's {self.words[pos].upper()} takes {wanted} arguments"
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
    """What Edit calls inside and partner; a parenthesis is not inside itself."""
    inside, partner, opened = [], {}, [-1]
    for pos, word in enumerate(words):
        if word == ")":
            if len(opened) == 1:
                raise errors.SyntaxError("Redshift finds a ) without its (")
            o = opened.pop()
            partner[o], partner[pos] = pos, o
        inside.append(opened[-1])
        if word == "(":
            opened.append(pos)
    if len(opened) > 1:
        raise errors.SyntaxError("Redshift finds a ( without its )")
    return inside, partner
