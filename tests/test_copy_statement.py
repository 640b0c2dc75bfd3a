"""The text of a COPY: options that are understood, and options that are refused by name."""

import random
import re

import psycopg2
import pytest
from support.loading import opening_copies

from warehouse.standin.copy.statement import NOT_EMULATED, NOT_WITH_JSON, OPTIONS, Statement, parse_copy
from warehouse.standin.sql.tokens import split_statements

ROLE = "arn:aws:iam::123456789012:role/dwh"


@pytest.fixture(scope="module")
def copies(server, tmp_path_factory):
    with opening_copies(server, tmp_path_factory.mktemp("statements")) as copies:
        yield copies


def statement(sql: str) -> Statement:
    return parse_copy(split_statements(sql)[0])


def options(text: str, authorization: str = "IAM_ROLE default") -> dict:
    found = statement(f"COPY t FROM 's3://b/k' {authorization} {text}").options
    return {key: value for key, value in found.items() if key not in ("iam_role", "json")}


@pytest.mark.parametrize("sql", [
    pytest.param("copy T from 's3://b/k' iam_role DEFAULT format as json 'auto' gzip", id="P1"),
    pytest.param("CoPy t FROM 's3://b/k' Iam_Role Default FORMAT As JsOn 'auto' GZip", id="P1-mix"),
    pytest.param("-- x\n/* y */ COPY\n t\tFROM 's3://b/k'  -- z\nIAM_ROLE default JSON\n'auto'"
                 " GZIP ;", id="P2"),
    pytest.param("COPY t FROM 's3://b/k' IAM_ROLE default GZIP JSON AS 'auto'", id="P6"),
    pytest.param("COPY t FROM 's3://b/k' GZIP JSON 'auto' IAM_ROLE default", id="P6-role-last"),
    pytest.param("COPY t FROM 's3://b/k' IAM_ROLE default GZIP FORMAT JSON", id="J24-bare"),
    pytest.param("COPY t FROM 's3://b/k' IAM_ROLE default GZIP FORMAT JSON AS 'auto'", id="J24-as"),
])
def test_the_same_statement_may_be_written_in_many_ways(sql):
    expected = {"iam_role": True, "json": "auto", "gzip": True}
    assert statement(sql) == Statement('"t"', (), "s3://b/k", expected)


@pytest.mark.parametrize("target, table, columns", [
    pytest.param(
        '"My Schema"."Tab" ("col one", Id)', '"my schema"."tab"', ("col one", "id"), id="P3"),
    pytest.param("public._foo_42( i ,   f )", '"public"."_foo_42"', ("i", "f"), id="P2"),
    pytest.param("#t", '"#t"', (), id="§1.1-temp"),
    pytest.param('"a""b;c::d) FROM STDIN"', '"a""b;c::d) from stdin"', (), id="P13"),
])
def test_names_are_kept_as_redshift_folds_them(target, table, columns):
    found = statement(f"COPY {target} FROM 's3://b/k' IAM_ROLE default JSON")
    assert (found.table, found.columns) == (table, columns)


@pytest.mark.parametrize("authorization", [
    f"IAM_ROLE '{ROLE}'", "IAM_ROLE default", "IAM_ROLE 'SESSION'", f"IAM_ROLE '{ROLE},{ROLE}2'",
    f"CREDENTIALS 'aws_iam_role={ROLE}'", f"WITH CREDENTIALS AS 'aws_iam_role={ROLE}'",
    "CREDENTIALS 'aws_access_key_id=AKIA;aws_secret_access_key=hush'",
    "CREDENTIALS AS 'aws_secret_access_key=hush;aws_access_key_id=AKIA'",
    "CREDENTIALS 'aws_access_key_id=AKIA;aws_secret_access_key=hush;token=hush'",
    "ACCESS_KEY_ID 'AKIA' SECRET_ACCESS_KEY 'hush'",
    "ACCESS_KEY_ID AS 'AKIA' SECRET_ACCESS_KEY AS 'hush' SESSION_TOKEN AS 'hush'",
])
def test_p4_p5_credentials_are_read_and_forgotten(authorization):
    found = statement(f"COPY t FROM 's3://b/k' {authorization} JSON")
    assert "hush" not in str(found) and "AKIA" not in str(found) and ROLE not in str(found)


@pytest.mark.parametrize("text, expected", [
    ("MAXERROR 5", {"maxerror": 5}), ("MAXERROR AS 100000", {"maxerror": 100_000}),
    ("MAXERROR 0", {"maxerror": 0}),
    ("TIMEFORMAT 'epochmillisecs'", {"timeformat": "epochmillisecs"}),
    ("TIMEFORMAT AS 'auto'", {"timeformat": "auto"}),
    ("DATEFORMAT AS 'MM/DD/YYYY'", {"dateformat": "MM/DD/YYYY"}),
    ("ACCEPTANYDATE DATEFORMAT 'auto'", {"acceptanydate": True, "dateformat": "auto"}),
    ("ACCEPTINVCHARS", {"acceptinvchars": "?"}), ("ACCEPTINVCHARS AS '^'", {"acceptinvchars": "^"}),
    ("ACCEPTINVCHARS '''' GZIP", {"acceptinvchars": "'", "gzip": True}),
    ("IGNOREHEADER 2", {"ignoreheader": 2}), ("IGNOREHEADER AS 0", {"ignoreheader": 0}),
    ("REGION 'us-west-2'", {"region": "us-west-2"}), ("REGION AS 'us-gov-west-1'",
                                                     {"region": "us-gov-west-1"}),
    ("COMPUPDATE", {"compupdate": True}), ("COMPUPDATE PRESET", {"compupdate": True}),
    ("COMPUPDATE OFF STATUPDATE FALSE", {"compupdate": False, "statupdate": False}),
    ("STATUPDATE ON COMPROWS 1000", {"statupdate": True, "comprows": 1000}),
    ("ENCODING UTF8", {"encoding": "UTF8"}), ("ENCODING AS utf8", {"encoding": "UTF8"}),
    ("MANIFEST NOLOAD EXPLICIT_IDS IGNOREALLERRORS",
     {"manifest": True, "noload": True, "explicit_ids": True, "ignoreallerrors": True}),
    ("BZIP2 ROUNDEC TRIMBLANKS TRUNCATECOLUMNS EMPTYASNULL BLANKSASNULL", dict.fromkeys(
        "bzip2 roundec trimblanks truncatecolumns emptyasnull blanksasnull".split(), True)),
])
def test_an_option_is_understood(text, expected):
    assert options(f"JSON {text}") == options(f"{text} JSON 'auto'") == expected


REFUSED = [
    pytest.param(f"JSON 'auto' {word}", word.split()[0], id=f"J22-{word.split()[0]}") for word in (
        "CSV", "DELIMITER ','", "ESCAPE", "FILLRECORD", "FIXEDWIDTH 'a:1'", "IGNOREBLANKLINES",
        "NULL AS 'x'", "READRATIO 5", "REMOVEQUOTES")
] + [
    pytest.param("NULL AS 'csv' DELIMITER ';'", "NULL", id="P7"),
    pytest.param("DELIMITER ''''", "DELIMITER", id="P8"),
    pytest.param("JSON DELIMETER ','", "DELIMETER", id="P9-misspelt"),
    pytest.param("JSON GZIPP", "GZIPP", id="P9-GZIPP"),
    pytest.param("JSON GZIP GZIP", "redundant option GZIP", id="P9-doubled"),
    pytest.param("JSON 'auto' FORMAT JSON", "redundant", id="P9-formats"),
    pytest.param("JSON HEADER", "HEADER", id="P10"),
    pytest.param("", "TEXT", id="T1-text"),
    pytest.param("CSV", "CSV", id="T4-csv"),
    pytest.param("FORMAT PARQUET", "PARQUET", id="§1.1-PARQUET"),
    pytest.param("FORMAT AS ORC", "ORC", id="§1.1-ORC"),
    pytest.param("AVRO 'auto'", "AVRO", id="§1.1-AVRO"),
    *[pytest.param(f"JSON {word}", word, id=f"§1.6-{word}") for word in ("LZOP", "ZSTD", "SSH",
                                                                       "ENCRYPTED")],
    pytest.param("JSON GZIP BZIP2", "exclude", id="§1.6-two-codecs"),
    pytest.param("JSON MAXERROR 100001", "more than 100000", id="E6-limit"),
    pytest.param("JSON MAXERROR -1", "whole number", id="E6-negative"),
    pytest.param("JSON MAXERROR 1.5", "whole number", id="E6-fraction"),
    pytest.param("JSON MAXERROR", "whole number", id="E6-nothing"),
    pytest.param("JSON MAXERROR 5 IGNOREALLERRORS", "exclude", id="E7"),
    pytest.param("JSON ACCEPTANYDATE", "DATEFORMAT", id="§1.5-anydate"),
    pytest.param("JSON TIMEFORMAT 'EpochSecs'", "TIMEFORMAT", id="T16-case"),
    *[pytest.param(f"JSON {option} '{form}'", f"does not emulate Redshift's COPY with {option}",
                   id=f"§1.5-{form}")
      for option, form in (
          ("TIMEFORMAT", "YYYY-MM-DD HH:MI:SSOF"), ("TIMEFORMAT", "YYYY-MM-DD HH12:MI:SS AM"),
          ("DATEFORMAT", "DD-MM-YY"), ("DATEFORMAT", "MON DD, YYYY"), ("DATEFORMAT", "J"),
          ("DATEFORMAT", "YYYY-MM-DD BC"), ("DATEFORMAT", "epochsecs"))],
    pytest.param("JSON TIMEFORMAT 'YYYY-MM-DD HH:MI:SSOF'",
                 "it takes 'auto', 'epochsecs', 'epochmillisecs' and formats of YYYY, MM and DD",
                 id="§1.5-what-instead"),
    pytest.param("JSON DATEFORMAT 'AUTO'", "DATEFORMAT", id="§1.5-AUTO"),
    pytest.param("JSON DATEFORMAT auto", "quotes", id="§1.5-bare"),
    pytest.param("JSON ACCEPTINVCHARS 'ab'", "one ASCII", id="T12-two"),
    pytest.param("JSON ACCEPTINVCHARS 'é'", "one ASCII", id="T12-é"),
    pytest.param("JSON ACCEPTINVCHARS ''", "one ASCII", id="T12-none"),
    pytest.param("JSON ENCODING UTF16", "ENCODING", id="§1.2-UTF16"),
    pytest.param("JSON ENCODING", "ENCODING", id="§1.2-ENCODING"),
    pytest.param("JSON REGION 'Oregon'", "REGION", id="§1.7-region"),
    pytest.param("JSON REGION us", "REGION", id="§1.7-bare"),
    pytest.param("JSON, GZIP", "near", id="§1.1-comma"),
    pytest.param("JSON WITH GZIP", "WITH", id="§1.1-with"),
    pytest.param("JSON AS", "quotes", id="J24-as-nothing"),
    pytest.param("JSON 'noshred' 'more'", "near a string", id="§1.1-string"),
    pytest.param(f"JSON CREDENTIALS 'aws_iam_role={ROLE}'", "exclude", id="§1.8-two"),
    pytest.param("JSON SESSION_TOKEN 'x'", "ACCESS_KEY_ID", id="§1.8-token"),
]


@pytest.mark.parametrize("text, named", REFUSED)
def test_an_unsupported_option_is_refused_by_name(text, named):
    with pytest.raises(psycopg2.Error, match="Redshift") as caught:
        options(text)
    assert named.lower() in str(caught.value).lower()


@pytest.mark.parametrize("word", NOT_WITH_JSON + NOT_EMULATED)
def test_no_word_is_both_refused_and_honoured(word):
    assert word not in OPTIONS


@pytest.mark.parametrize("authorization", [
    "", "IAM_ROLE ''", "IAM_ROLE 'dwh'", "IAM_ROLE 'default'", "IAM_ROLE", "CREDENTIALS ''",
    f"IAM_ROLE '{ROLE}, {ROLE}'", f"CREDENTIALS 'aws_role_arn={ROLE}'",
    "CREDENTIALS 'aws_access_key_id=hush'", "ACCESS_KEY_ID 'hush'", "SECRET_ACCESS_KEY 'hush'",
    "CREDENTIALS 'aws_access_key_id=hush;aws_access_key_id=hush'",
    "CREDENTIALS 'aws_access_key_id=a b;aws_secret_access_key=hush'",
    "IAM_ROLE default 'hush'", "IAM_ROLE default CREDENTIALS 'aws_iam_role=hush'",
])
def test_p5_a_wrong_authorization_is_refused_and_not_quoted(authorization):
    with pytest.raises(psycopg2.Error, match="Redshift") as caught:
        options("JSON", authorization)
    assert "hush" not in str(caught.value)


def test_an_unknown_source_is_refused_and_not_quoted():
    with pytest.raises(psycopg2.Error, match="Redshift's COPY from …://…, only from s3://…"):
        statement("COPY t FROM 'hush://b/k' IAM_ROLE default JSON")


@pytest.mark.parametrize("sql", [
    pytest.param("COPY t FROM STDIN", id="P12-stdin"),
    pytest.param("COPY t FROM PROGRAM 'ls'", id="P12-program"),
    pytest.param("COPY t TO 's3://b/k'", id="P12-to"),
    pytest.param("COPY (SELECT 1) TO 's3://b/k'", id="P12-select"),
    pytest.param("COPY t; FROM 's3://b/k' IAM_ROLE default JSON", id="P13-;"),
    pytest.param("COPY t::text FROM 's3://b/k' IAM_ROLE default JSON", id="P13-::"),
    pytest.param("COPY t) FROM STDIN FROM 's3://b/k' IAM_ROLE default JSON", id="P13-)"),
    pytest.param("COPY t (a, b::int) FROM 's3://b/k' IAM_ROLE default JSON", id="P13-list"),
    pytest.param("COPY t () FROM 's3://b/k' IAM_ROLE default JSON", id="§1.1-empty-list"),
    pytest.param("COPY t (a,) FROM 's3://b/k' IAM_ROLE default JSON", id="§1.1-comma"),
    pytest.param("COPY t (a FROM 's3://b/k' IAM_ROLE default JSON", id="§1.1-open"),
    pytest.param("COPY a. FROM 's3://b/k' IAM_ROLE default JSON", id="§1.1-dot"),
    pytest.param("COPY FROM 's3://b/k' IAM_ROLE default JSON", id="§1.1-no-table"),
    pytest.param("COPY t FROM s3 IAM_ROLE default JSON", id="§1.1-bare"),
    pytest.param("COPY t FROM 'dynamodb://x' IAM_ROLE default READRATIO 50", id="§1.6-dynamodb"),
    pytest.param("COPY t FROM 's3://b/k'", id="§1.8-nothing"),
    pytest.param("COPY t", id="§1.1-nothing"),
    pytest.param("COPY", id="§1.1-one-word"),
])
def test_a_statement_that_redshift_does_not_know_as_copy_is_refused(copies, sql):
    copies.create("a INT")
    with pytest.raises(psycopg2.Error, match="Redshift"):
        copies.execute(sql)
    assert copies.query("SELECT 1") == [(1,)]


def test_p11_a_statement_after_a_copy_is_one_of_its_own(copies):
    path = copies.write("p11", '{"a":1}')
    copies.execute(f"""
        CREATE TEMP TABLE p11 (a INT);
        COPY p11 FROM '{path}' IAM_ROLE default JSON 'auto';
        INSERT INTO p11 VALUES (2);
    """)
    assert copies.query("SELECT a FROM p11 ORDER BY a") == [(1,), (2,)]


WORDS = (
    "COPY", "t", "FROM", "'s3://b/k'", "IAM_ROLE", "default", "JSON", "'auto'", "FORMAT", "AS", "(",
    ")", ",", "a", '"a"', "GZIP", "MAXERROR", "5", "1e9", "'x'", "TIMEFORMAT", "DATEFORMAT",
    "WITH", "::",
    "CREDENTIALS", "REGION", "MANIFEST", "ACCEPTINVCHARS", "ENCODING", "NULL", "-- x\n", ".", "''",
    "COMPUPDATE", "OFF", "IGNOREHEADER", "0", "$$x$$", "E'\\x00'", "é", "STDIN", "NOLOAD",
)


@pytest.mark.parametrize("seed", range(60))
def test_a_soup_of_words_raises_nothing_but_errors_of_psycopg2(copies, seed):
    chance = random.Random(seed)
    copies.execute("DROP TABLE IF EXISTS t; CREATE TABLE t (a INT)")
    path = copies.write(f"soup{seed}", '{"a":1}')
    for _ in range(20):
        words = ["COPY", "t", "FROM", f"'{path}'", "IAM_ROLE", "default", "JSON", "'auto'"]
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(words) + 1)
            words[at : at + chance.randrange(2)] = [chance.choice(WORDS)]
        try:
            copies.execute(" ".join(words))
        except psycopg2.Error:
            pass
    assert copies.query("SELECT COUNT(*) <= 20 FROM t") == [(True,)]


WHOLE = (
    f"COPY s.t (a, \"B c\") FROM 's3://b/k' CREDENTIALS 'aws_iam_role={ROLE}' FORMAT AS JSON 'auto'",
    "COPY t FROM 's3://b/k' WITH CREDENTIALS AS 'aws_access_key_id=AK;aws_secret_access_key=hush'"
    " JSON 's3://b/paths' MAXERROR AS 7 TIMEFORMAT 'epochmillisecs' REGION AS 'us-west-2'",
    "COPY #t FROM 's3://b/k' ACCESS_KEY_ID 'AK' SECRET_ACCESS_KEY 'hush' SESSION_TOKEN 'hush' JSON",
    "COPY t FROM 's3://b/k' IAM_ROLE default MANIFEST JSON 'noshred' DATEFORMAT AS 'auto' NOLOAD",
)
PIECES = (*WORDS, *(word for sql in WHOLE for word in sql.split()), "'", '"', "$$", "/*", "--", "\\",
          "(", ")", ",", ".", ";", "'hush'", "'hush", "E'\\'", "\0", "\u2028", "\ud800", "%s",
          "9" * 5000, "-1", "٣", "#", "''''")


def test_any_text_is_parsed_or_refused_and_no_secret_in_it_shown(inputs):
    chance, refused = random.Random(6), 0
    for _ in range(inputs):
        text = chance.choice(WHOLE)
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(text) + 1)
            until = at + chance.choice((0, 0, 1, 5, 20))
            piece = chance.choice(PIECES)
            text = text[:at] + chance.choice(("", piece, f" {piece} ", text[at:until])) + text[until:]
        found = []
        try:
            found = split_statements(text)
            for tokens in found:
                parse_copy(tokens)
        except psycopg2.Error as error:
            refused += 1
            outside = "".join(token.text for tokens in found for token in tokens
                              if token.kind != "string")
            assert "hush" not in str(error) or "hush" in outside or re.search(
                "Redshift's COPY(:| with) (REGION|DATEFORMAT|TIMEFORMAT) ", str(error)), text
    assert inputs / 20 < refused < inputs
