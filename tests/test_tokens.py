"""SQL text is cut into tokens by Redshift's rules."""

import random

import pytest
from psycopg2 import errors

from warehouse.standin.sql.tokens import (
    Token,
    decode_name,
    decode_string,
    first_word,
    quote_string,
    split_statements,
    tokenize,
)


def test_a_script_is_cut_at_its_semicolons():
    found = split_statements("SELECT ';'; -- a;b\n; /* c;d */ SELECT $$;$$;;")
    assert ["".join(t.text for t in s).strip() for s in found] == [
        "SELECT ';'", "/* c;d */ SELECT $$;$$"
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [
    ("'it''s'", "it's"), (r"'a\\b\n\'\101\.'", "a\\b\n'A."), (r"E'\t'", "\t"),
    ("$$a'b$$", "a'b"), ("$tag$a$$b$tag$", "a$$b"),
])  # fmt: skip
def test_literals_have_values(text, expected):
    (token,) = tokenize(text)
    assert token.kind == "string"
    assert decode_string(token) == expected


@pytest.mark.parametrize("value", ["it's", "a\\", "\\'", "\n"])
def test_a_string_is_its_literal_again(value):
    (token,) = tokenize(quote_string(value))
    assert decode_string(token) == value


def test_a_nul_is_refused():
    with pytest.raises(errors.SyntaxError, match="Redshift takes no character NUL"):
        tokenize("SELECT 1\0; DROP TABLE t")


@pytest.mark.parametrize("quote", ["'", '"', "e'", "/*", "$$", "$tag$"])
def test_a_quote_without_an_end_is_refused_in_time_that_grows_with_its_length(quote):
    with pytest.raises(errors.SyntaxError, match="at character|begins at character 8"):
        tokenize("SELECT " + quote + "a\\x" * 100_000)


@pytest.mark.parametrize(("text", "expected"), [
    ("Users", "users"), ('"firstName"', "firstname"), ('"a""B"', 'a"b'), ("#Tmp", "#tmp"),
])  # fmt: skip
def test_names_fold_to_lower_case_even_when_quoted(text, expected):
    (token,) = tokenize(text)
    assert decode_name(token) == expected


def test_tokens_have_kinds():
    assert tokenize('a."b"::int>=1.5e3--x') == [
        Token("word", "a"), Token("op", "."), Token("name", '"b"'), Token("op", "::"),
        Token("word", "int"), Token("op", ">="), Token("number", "1.5e3"), Token("comment", "--x"),
    ]  # fmt: skip


def test_any_text_is_cut_into_tokens_that_give_it_again():
    dice = random.Random(1)
    alphabet = "ab_E1.'\"$-/*\\;:|(),<>#%u&\n é\0\ud800"
    for _ in range(5000):
        text = "".join(dice.choices(alphabet, k=dice.randrange(40)))
        try:
            assert "".join(t.text for t in tokenize(text)) == text
        except errors.SyntaxError:
            pass


def test_the_verb_of_a_statement_is_its_first_word():
    assert first_word(tokenize("/* x */ Copy t")) == "copy"
    assert first_word(tokenize("(SELECT 1)")) == ""
