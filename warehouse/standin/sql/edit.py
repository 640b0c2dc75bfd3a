"""One statement under translation: its outline to read, its text to change."""

from psycopg2 import errors

from .refused import RESERVED, refuse_length, refuse_reserved
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
        self.out = [t.text for t in tokens]
        self.at = [i for i, t in enumerate(tokens) if t.kind not in SILENT]
        self.tokens = [tokens[i] for i in self.at]
        self.words = [_outline(t) for t in self.tokens]
        self.inside, self.partner = _nesting(self.words)
        self._quote_labels()

    def outline(self) -> str:
        return f" {' '.join(self.words)} "

    def outline_of_top(self) -> str:
        """The outline without what stands in parentheses."""
        return f" {' '.join(w for w, i in zip(self.words, self.inside, strict=True) if i < 0)} "

    def word(self, p: int) -> str:
        """The word at a position, empty outside of the statement."""
        return self.words[p] if 0 <= p < len(self.words) else ""

    def says(self, p: int, words: str) -> bool:
        """Whether these words, blanks between them, stand at a position."""
        expected = words.split()
        return self.words[p : p + len(expected)] == expected

    def text(self, p: int, q: int) -> str:
        """The text from p up to q as it is by now."""
        if p >= min(q, len(self.at)):
            return ""
        return "".join(self.out[self.at[p] : self.at[q - 1] + 1])

    def put(self, p: int, q: int, text: str) -> None:
        if len(text) > MOST_BYTES:  # a function within a function within …
            raise errors.StatementTooComplex("Redshift takes statements of up to 16 MB")
        first, last = self.at[p], self.at[q - 1]
        self.out[first : last + 1] = [text] + [""] * (last - first)

    def add(self, p: int, text: str) -> None:
        self.out[self.at[p]] += text

    def drop(self, p: int, q: int) -> None:
        """Take tokens out, and the blanks before them."""
        self.put(p, q, "")
        before = self.at[p] - 1
        if before > 0 and self.out[before].strip(" ") == "":
            self.out[before] = ""

    def split(self, p: int, q: int) -> list[tuple[int, int]]:
        """The ranges between the commas of a list, which begins at p and ends before q."""
        if p >= q:
            return []
        level = self.inside[p]
        commas = [i for i in range(p, q) if self.words[i] == "," and self.inside[i] == level]
        return list(zip([p] + [c + 1 for c in commas], commas + [q], strict=True))

    def arguments(self, opened: int) -> list[str]:
        """The text of each item in the parentheses that open here."""
        return [self.text(*item) for item in self.split(opened + 1, self.partner[opened])]

    def find(self, p: int, q: int, *words: str) -> int:
        """The first position of one of the words at the level of p, or q."""
        level = self.inside[p] if p < q else -1
        found = (i for i in range(p, q) if self.words[i] in words and self.inside[i] == level)
        return next(found, q)

    def clause(self, p: int) -> str:
        """The word that begins the clause of a query in which a position stands."""
        level = self.inside[p]
        found = (self.words[q] for q in range(p - 1, level, -1)
                 if self.inside[q] == level and self.words[q] in _CLAUSES
                 and self.word(q - 1) != "within")  # WITHIN GROUP belongs to a call
        return next(found, "")

    def _quote_labels(self) -> None:
        """Read a reserved word after AS in the list of a SELECT as the name it is (r_CANCEL).

        Not where it would be the column of a table or a view.
        """
        verb = self.word(0)
        makes = verb == "create" or verb in ("select", "with") and any(
            word == "into" and (self.word(p - 1) != "as" or self.word(p - 2) == "as")
            for p, word in enumerate(self.words))
        for p, word in enumerate(self.words):
            if word in RESERVED and self.word(p - 1) == "as" and self.clause(p) == "select":
                if makes:
                    raise refuse_reserved(word)
                self.words[p] = '"'

    def operand(self, p: int) -> int:
        """Where the expression begins that a cast at p is about, which binds tighter than all."""
        while True:
            p -= 1
            if self.word(p) == "end":
                p = self._case(p)
            elif self.word(p) in (")", "]") and p in self.partner:
                p = self.partner[p]
                if p and self.tokens[p - 1].kind in ("word", "name") and self._joins(p - 1):
                    # A call; what stands before OVER and WITHIN GROUP is a call, too.
                    p -= 1
                    if self.word(p) == "over":
                        continue
                    if self.says(p - 1, "within group"):
                        p -= 1
                        continue
            elif self.word(p) == "'" and p and self.tokens[p - 1].kind == "word" and (
                    self._joins(p - 1)):
                p -= 1
            while self.word(p - 1) == ".":
                p -= 2
            if self.word(p) in ("precision", "varying", "zone"):
                p = next((q for q in range(p, max(p - 4, 0), -1) if self.word(q - 1) == "::"), p)
            if self.word(p - 1) != "::":
                return max(p, 0)
            p -= 1

    def _joins(self, p: int) -> bool:
        """Whether a word is one with the parenthesis or string after it, and no keyword."""
        return self.words[p] not in _BEFORE_OPERANDS

    def _case(self, p: int) -> int:
        """Where the CASE begins whose END stands at p."""
        depth = 0
        for q in range(p, -1, -1):
            depth += (self.words[q] == "end") - (self.words[q] == "case")
            if depth == 0:
                return q
        raise self.unexpected(p, "CASE before END")

    def name(self, p: int) -> str:
        """The name that stands at a position, as Redshift folds it."""
        if p >= len(self.tokens) or self.tokens[p].kind not in ("word", "name"):
            raise self.unexpected(p, "a name")
        if self.words[p] in RESERVED:
            raise refuse_reserved(self.words[p])
        name = decode_name(self.tokens[p])
        if (size := len(name.encode(errors="replace"))) > MOST_NAME_BYTES:
            raise refuse_length(size)
        return name

    def qualified(self, p: int) -> int:
        """The position after a name that may have a schema before it."""
        self.name(p)
        while self.word(p + 1) == ".":
            p += 2
            self.name(p)
        return p + 1

    def names(self, p: int) -> list[str]:
        """The names in the parentheses that open at p."""
        if self.word(p) != "(":
            raise self.unexpected(p, "a list in parentheses")
        items = self.split(p + 1, self.partner[p])
        if any(q - s != 1 for s, q in items) or not items:
            raise self.unexpected(p + 1, "a list of columns")
        return list(dict.fromkeys(self.name(s) for s, _ in items))

    def unexpected(self, p: int, wanted: str) -> Exception:
        got = self.tokens[p].text if p < len(self.tokens) else "the end of the statement"
        return errors.SyntaxError(f"Redshift expects {wanted} here, not {got}")

    def wrong_arguments(self, p: int, wanted: str) -> Exception:
        message = f"Redshift's {self.words[p].upper()} takes {wanted} arguments"
        return errors.UndefinedFunction(message)

    def __str__(self) -> str:
        return "".join(self.out)


def _outline(token: Token) -> str:
    kind, text = token
    if kind == "string":
        return "$$" if text[0] == "$" else text[: text.index("'") + 1].lower()
    if kind == "name":
        return "u&\"" if text[0] in "uU" else '"'
    return "0" if kind == "number" else fold_case(text)


def _nesting(words: list[str]) -> tuple[list[int], dict[int, int]]:
    """What Edit calls inside and partner; a parenthesis is not inside itself."""
    inside, partner, opened = [], {}, [-1]
    for p, word in enumerate(words):
        if word == ")":
            if len(opened) == 1:
                raise errors.SyntaxError("Redshift finds a ) without its (")
            o = opened.pop()
            partner[o], partner[p] = p, o
        inside.append(opened[-1])
        if word == "(":
            opened.append(p)
    if len(opened) > 1:
        raise errors.SyntaxError("Redshift finds a ( without its )")
    return inside, partner
