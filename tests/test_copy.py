"""COPY end to end, on PostgreSQL and on S3 over HTTP (facts/standins.md §8: L, J, E)."""

import bz2
import gzip
import io
import json
import random
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2
import pytest

from loading import copies_on
from warehouse import objects
from warehouse.standin import rows

CATEGORY = "catid INT, catgroup VARCHAR(10), catname VARCHAR(10), catdesc VARCHAR(50)"
CATEGORIES = [
    (1, "Sports", "MLB", "Major League Baseball"),
    (2, "Sports", "NHL", "National Hockey League"),
    (3, "Sports", "NFL", "National Football League"),
    (4, "Sports", "NBA", "National Basketball Association"),
    (5, "Shows", "Musicals", "All symphony, concerto, and choir concerts"),
]


@pytest.fixture(scope="module")
def module_copies(server, tmp_path_factory):
    with copies_on(server, tmp_path_factory.mktemp("copies")) as copies:
        yield copies


@pytest.fixture
def copies(module_copies, tmp_path):
    copies = module_copies
    copies.folder = tmp_path
    copies.on_progress = lambda done, total: None
    yield copies
    if not copies.connection.closed:
        copies.connection.rollback()
        copies.connection.autocommit = True


@pytest.fixture
def put(bucket):
    """Write objects, given as key=content; returns s3://bucket/."""

    def put(objects_: dict[str, str | bytes]) -> str:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda item: bucket.put_object(Key=item[0], Body=item[1]), objects_.items()))
        return f"s3://{bucket.name}/"

    return put


def document(i: int) -> str:
    return f'{{"i":{i}}}\n'


def numbers(copies) -> list[int]:
    return [i for i, in copies.rows()]


def manifest(*entries, **options) -> str:
    """A manifest of urls, or of (url, mandatory)."""
    made = [{"url": entry} if isinstance(entry, str) else {"url": entry[0], "mandatory": entry[1]}
            for entry in entries]
    return json.dumps({"entries": [{**entry, **options} for entry in made]})


# Finding the data.


@pytest.mark.parametrize("prefix, loaded", [
    pytest.param("d/", [1, 2, 3], id="L1"),
    pytest.param("d/a", [1], id="L1-one"),
    pytest.param("d", [1, 2, 3, 4], id="L3-no-folder"),
    pytest.param("custdata.txt", [5, 6, 7], id="L3"),
    pytest.param("", [5, 6, 7, 1, 2, 3, 4], id="L6"),
])
def test_a_prefix_is_a_string_and_not_a_folder(copies, put, prefix, loaded):
    root = put({"d/a": document(1), "d/b": document(2), "d/sub/.hidden": document(3),
                "d2/a": document(4), "custdata.txt": document(5), "custdata.txt.1": document(6),
                "custdata.txt.bak": document(7), "d/": ""})
    copies.create("i INT")
    copies.copy(root + prefix)
    assert numbers(copies) == loaded  # L4: in the order of the keys


def test_l6_a_bucket_alone_is_the_empty_prefix(copies, put):
    root = put({"a": document(1)})
    copies.create("i INT")
    copies.copy(root.rstrip("/"))
    assert numbers(copies) == [1]


def test_l2_a_listing_of_several_pages_is_loaded_whole(copies, put, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "4")
    root = put({f"p/{i:02}": document(i) for i in range(15)})
    assert objects.s3().list_objects_v2(Bucket=root[5:-1])["IsTruncated"]
    copies.create("i INT")
    copies.copy(root + "p/")
    assert numbers(copies) == list(range(15))


@pytest.mark.parametrize("prefix", ["nothing/", "d/ab"])
def test_l5_a_prefix_without_objects_fails(copies, put, prefix):
    root = put({"d/a": document(1)})
    copies.create("i INT")
    with pytest.raises(psycopg2.errors.InternalError_) as caught:
        copies.copy(root + prefix)
    assert f"The specified S3 prefix '{prefix}' does not exist" in str(caught.value)
    assert numbers(copies) == []


def test_l7_a_manifest_loads_each_url_as_often_as_it_says(copies, put):
    root = put({"a": document(1), "b": document(2), "bc": document(3)})
    put({"m": manifest(root + "b", root + "a", root + "b")})
    copies.create("i INT")
    copies.copy(root + "m", "MANIFEST JSON 'auto'")
    assert numbers(copies) == [2, 1, 2]


@pytest.mark.parametrize("names, mandatory, loaded", [
    pytest.param("abc", True, None, id="L8 §1.9-12-mandatory"),
    pytest.param("abc", False, [1, 2], id="L8 §1.9-12-optional"),
    pytest.param("abc", None, [1, 2], id="L8-unsaid"),
    pytest.param("cd", False, None, id="L8 §1.9-12-none-exists"),
    pytest.param("", True, None, id="L8-no-entries"),
])
def test_an_object_of_a_manifest_may_lack_unless_it_is_mandatory(copies, put, names, mandatory, loaded):
    root = put({"a": document(1), "b": document(2)})
    put({"m": manifest(*(root + n if mandatory is None else (root + n, mandatory) for n in names))})
    copies.create("i INT")
    if loaded is None:
        with pytest.raises(psycopg2.errors.InternalError_, match="manifest"):
            copies.copy(root + "m", "JSON 'auto' MANIFEST")
    else:
        copies.copy(root + "m", "JSON 'auto' MANIFEST")
    assert numbers(copies) == (loaded or [])


@pytest.mark.parametrize("text", [
    "no json", "[]", "{}", '{"entries": [{"key": "x"}]}', '{"entries": ["x"]}', '{"entries": 5}',
    '{"entries": [{"url": 5}]}', b"\xff", '{"entries": [{"url": "s3://b/\\ud800"}]}',
    '{"entries": [{"url": "\\u0000", "mandatory": true}]}',
], ids=lambda text: f"L9 {text!a}"[:40])
def test_what_is_no_manifest_fails(copies, text):
    path = copies.write("manifest", text)
    copies.create("i INT")
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.copy(path, "MANIFEST JSON 'auto'")


def test_l10_a_manifest_may_name_several_buckets(copies, put, bucket):
    import boto3

    root = put({"a": document(1)})
    other = boto3.resource("s3").Bucket(bucket.name + "-2")
    other.create(CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    try:
        other.put_object(Key="b", Body=document(2))
        put({"m": manifest(root + "a", f"s3://{other.name}/b")})
        copies.create("i INT")
        copies.copy(root + "m", "MANIFEST JSON 'auto'")
        assert numbers(copies) == [1, 2]
    finally:
        other.objects.delete()
        other.delete()


def test_l11_other_keys_of_a_manifest_are_ignored(copies, put):
    root = put({"a": document(1)})
    put({"m": manifest(root + "a", meta={"content_length": 5_000}, comment="x")})
    copies.create("i INT")
    copies.copy(root + "m", "MANIFEST JSON 'auto'")
    assert numbers(copies) == [1]


def test_l12_a_manifest_and_jsonpaths_go_together_in_any_order(copies, put):
    root = put({"a": '{"x":{"y":7}}', "paths": '{"jsonpaths":["$.x.y"]}'})
    put({"m": manifest(root + "a")})
    for options in (f"MANIFEST JSON '{root}paths'", f"FORMAT JSON AS '{root}paths' MANIFEST"):
        copies.create("i INT")
        copies.copy(root + "m", options)
        assert numbers(copies) == [7]


@pytest.mark.parametrize("source", ["fold", "m"])
def test_l13_neither_a_manifest_nor_its_urls_may_be_prefixes(copies, put, source):
    root = put({"folder/a": document(1)})
    put({"m": manifest((root + "folder/", True))})
    copies.create("i INT")
    with pytest.raises(psycopg2.Error, match="COPY with MANIFEST parameter requires full path"):
        copies.copy(root + source, "MANIFEST JSON 'auto'")


def test_without_the_word_a_manifest_is_read_as_data(copies):
    path = copies.write("m", manifest("s3://b/a"))
    copies.create("i INT NOT NULL")
    with pytest.raises(psycopg2.Error, match="load_error"):
        copies.copy(path)
    assert copies.errors() == [(1, "i", 1213)]


class Denied(BaseHTTPRequestHandler):
    """An S3 that allows nothing."""

    def do_GET(self):
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_l14_access_denied_is_an_error_and_the_connection_is_usable(copies, bucket, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Denied)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    copies.create("i INT")
    with monkeypatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        objects.s3.cache_clear()
        with pytest.raises(psycopg2.errors.InternalError_, match="S3ServiceException.*AccessDenied"):
            copies.copy("s3://bucket/x")
    objects.s3.cache_clear()
    server.shutdown()
    server.server_close()
    assert numbers(copies) == []


@pytest.mark.parametrize("pack, option", [(gzip.compress, "GZIP"), (bz2.compress, "BZIP2")],
                         ids=["L16 J27 GZIP", "L16 BZIP2"])
def test_a_packed_file_loads_with_its_option_only(copies, pack, option):
    packed = pack(document(1).encode()) + pack(document(2).encode())
    assert copies.load("i INT", packed, option) == [(1,), (2,)]
    other = {"GZIP": "BZIP2", "BZIP2": "GZIP"}[option]
    for content, options in ((packed, ""), (packed[:-5], option), (b'{"i":1}', option), (packed, other)):
        with pytest.raises(psycopg2.errors.InternalError_):  # L15: nothing tells but the option
            copies.load("i INT", content, options)
        assert copies.rows() == []


# JSON.


def objects_of(*names) -> str:
    """Example 1 of §1.9: keys in any order, one key too many, two objects joined."""
    chance = random.Random(5)
    texts = []
    for row in CATEGORIES:
        pairs = list(zip(names, row))
        chance.shuffle(pairs)
        texts.append(json.dumps(dict(pairs), indent=chance.choice((None, 4))))
    texts[3] = texts[3].replace("{", '{"bogus": "x", ', 1)
    return texts[0] + "\n" + texts[1] + texts[2] + " \n\n" + "\n".join(texts[3:])


def test_19_1_auto_takes_keys_in_any_order(copies):  # J3, J4, J10
    assert copies.load(CATEGORY, objects_of("catid", "catgroup", "catname", "catdesc")) == CATEGORIES


def test_19_2_auto_knows_lower_case_only_and_ignorecase_any(copies):  # J1, J2
    content = objects_of("CatID", "CatGroup", "CatName", "CatDesc")
    assert copies.load(CATEGORY, content, json="'auto ignorecase'") == CATEGORIES
    assert copies.load(CATEGORY, content) == [(None,) * 4] * 5
    for key in ("Id", "ID", "id"):
        assert copies.load("id INT", f'{{"{key}":7}}', json="'auto ignorecase'") == [(7,)]


def with_paths(copies, columns, content, paths, **options):
    path = copies.write("paths.json", json.dumps({"jsonpaths": paths}))
    return copies.load(columns, content, json=f"'{path}'", **options)


def test_19_3_jsonpaths_name_the_keys(copies):
    content = objects_of("one", "two", "three", "four")
    paths = ["$['one']", "$['two']", "$['three']", "$['four']"]
    assert with_paths(copies, CATEGORY, content, paths) == CATEGORIES


def test_19_4_jsonpaths_read_arrays(copies):  # J11
    content = "".join(json.dumps(row) for row in CATEGORIES)
    paths = ["$[0]", "$[1]", "$[2]", "$[3]"]
    assert with_paths(copies, CATEGORY, content, paths) == CATEGORIES
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.load(CATEGORY, content)
    assert copies.errors("TRIM(error_message)") == [
        ("Invalid JSONPath format: Member is not an object.",)]


def test_19_6_a_path_to_an_array_or_object_gives_its_text(copies):  # J9, J15
    content = json.dumps({"id": 0, "isActive": True, "tags": ["nisi", "culpa"], "location": [7.5, 8],
                          "friends": [{"id": 0, "name": "A"}, {"id": 1, "name": "Renaldo"}]})
    for paths in (["$['tags']", "$['friends'][1]", "$['location'][0]", "$['isActive']"],
                  ["$.tags", "$.friends[1]", "$.location[0]", "$.isActive"]):
        (tags, friend, place, active), = with_paths(
            copies, "a VARCHAR(99), b VARCHAR(99), c FLOAT, d BOOLEAN", content, paths)
        assert json.loads(tags) == ["nisi", "culpa"] and place == 7.5 and active is True
        assert json.loads(friend) == {"id": 1, "name": "Renaldo"}


def test_j14_paths_go_by_the_order_of_the_columns_or_of_the_list(copies):
    content = '{"a":42.001,"b":true,"nested":{"c":"hello"}}'
    paths = ["$['b']", "$['a']", "$['nested']['c']"]
    columns = "x VARCHAR(9), y VARCHAR(9), z VARCHAR(9)"
    assert with_paths(copies, columns, content, paths) == [("true", "42.001", "hello")]
    assert with_paths(copies, columns, content, paths, listed="(z, y, x)") == [
        ("hello", "42.001", "true")]


def test_j16_an_element_that_is_missing_rejects_its_row(copies):
    content = '{"a":[1,2]}\n{"a":[1]}\n{"b":0}\n{"a":[3,4]}'
    assert with_paths(copies, "v INT", content, ["$.a[1]"], options="MAXERROR 5") == [(2,), (4,)]
    assert copies.errors("line_number, TRIM(error_message)") == [
        (n, "Invalid JSONPath format: Not an array or index out of range.") for n in (2, 3)]


@pytest.mark.parametrize("text, problem", [
    pytest.param('{"jsonpaths": ["$.i"', "not a JSONPaths file", id="J18"),
    pytest.param('{"jsonpaths": ["$.i"]} {}', "not a JSONPaths file", id="J18-two"),
    pytest.param('{"jsonpaths": [""]}', "Invalid JSONPath format", id="J18-empty"),
    pytest.param('{"jsonpaths": [1]}', "Invalid JSONPath format", id="J18-number"),
    pytest.param('{"jsonpaths": ["$.*"]}', "Invalid JSONPath format", id="J15"),
    pytest.param('{"jsonpaths": ["$.i", "$.i"]}', "Number of jsonpaths and the number of columns should"
                 " match. JSONPath size: 2, Number of columns in table or column list: 1", id="§1.3"),
])
def test_a_wrong_jsonpaths_file_fails_whatever_maxerror_says(copies, text, problem):
    path = copies.write("paths", text)
    with pytest.raises(psycopg2.errors.InternalError_) as caught:
        copies.load("i INT", document(1), "MAXERROR 100000", f"'{path}'")
    assert problem in str(caught.value)


def test_19_14_a_jsonpaths_file_with_another_key_means_auto(copies):  # J17
    path = copies.write("paths", '{"paths": ["$.other"]}')
    assert copies.load("i INT", document(1), json=f"'{path}'") == [(1,)]


def test_j19_a_jsonpaths_file_under_the_prefix_fails(copies, put):
    root = put({"log_data": document(1), "log_data_path.json": '{"jsonpaths":["$.i"]}'})
    copies.create("i INT")
    with pytest.raises(psycopg2.errors.InternalError_, match="would be read as data"):
        copies.copy(root + "log_data", f"JSON '{root}log_data_path.json'")


def test_j5_a_missing_key_is_null_and_a_column_not_listed_its_default(copies):
    columns = "a INT DEFAULT 5, b INT DEFAULT 6, c INT"
    assert copies.load(columns, '{"c":1}{"a":null,"c":2}') == [(None, None, 1), (None, None, 2)]
    assert copies.load(columns, '{"a":1,"b":9}', listed="(a)") == [(1, 6, None)]


def test_19_10_a_column_not_listed_needs_a_default_if_it_is_not_null(copies):
    columns = ("venueid SMALLINT NOT NULL, venuename VARCHAR(100) NOT NULL, venuecity VARCHAR(30),"
               " venuestate CHAR(2), venueseats INT NOT NULL DEFAULT '1000'")
    content = '{"venueid":1,"venuename":"x","venuecity":"y","venuestate":"NY","venueseats":7}'
    listed = "(venueid, venuename, venuecity, venuestate)"
    assert copies.load(columns, content, listed=listed) == [(1, "x", "y", "NY", 1000)]
    with pytest.raises(psycopg2.errors.NotNullViolation, match='"venuename"'):
        copies.load(columns, content, listed="(venueid, venuecity)", options="NOLOAD")
    assert copies.rows() == []


@pytest.mark.parametrize("identity, listed, options, loaded", [
    pytest.param("IDENTITY(1,1)", "(id, v)", "EXPLICIT_IDS", [(9, "x")], id="§1.9-11"),
    pytest.param("IDENTITY(1,1)", "(v)", "EXPLICIT_IDS", None, id="§1.9-11-not-listed"),
    pytest.param("IDENTITY(1,1)", "(id, v)", "", None, id="§1.9-11-not-said"),
    pytest.param("IDENTITY(5,2)", "", "", [(5, "x")], id="D12"),
    pytest.param("IDENTITY(5,2)", "(v)", "", [(5, "x")], id="D12-listed"),
    pytest.param("IDENTITY(1,1)", "", "EXPLICIT_IDS", [(9, "x")], id="§1.3-no-list"),
    pytest.param("GENERATED BY DEFAULT AS IDENTITY(1,1)", "(id, v)", "", [(9, "x")], id="D11"),
    pytest.param("GENERATED BY DEFAULT AS IDENTITY(1,1)", "", "", [(1, "x")], id="D11-no-list"),
    pytest.param("", "", "EXPLICIT_IDS", None, id="§1.3-no-identity"),
])
def test_identity_columns_are_filled_by_the_rules(copies, identity, listed, options, loaded):
    load = (f"id INT {identity}, v VARCHAR(9)", '{"id":9,"v":"x"}', options)
    if loaded is None:
        with pytest.raises(psycopg2.Error, match="Redshift"):
            copies.load(*load, listed=listed)
    else:
        assert copies.load(*load, listed=listed) == loaded


def test_j25_a_quoted_list_names_the_keys(copies):
    content = '{"col one":1,"id":2}'
    assert copies.load('"col one" INT, id INT', content, listed='("col one", Id)') == [(1, 2)]


@pytest.mark.parametrize("listed, error", [
    ("(i, nope)", psycopg2.errors.UndefinedColumn), ("(i, i)", psycopg2.errors.DuplicateColumn),
])
def test_t7_a_wrong_column_list_is_refused(copies, listed, error):
    for options in ("", "NOLOAD"):
        with pytest.raises(error):
            copies.load("i INT", document(1), options, listed=listed)


def test_j23_a_header_is_skipped_in_every_file(copies):  # T5
    for name in "ab":
        copies.write(f"d/{name}", "a header\n" + document(1))
    copies.create("i INT")
    copies.copy(f"{copies.folder}/d/", "JSON IGNOREHEADER AS 1")
    assert numbers(copies) == [1, 1]


def test_copy_appends(copies):
    copies.load("i INT", document(1))
    copies.copy(copies.write("more", document(2)))
    assert numbers(copies) == [1, 2]


def test_the_default_of_a_column_is_one_value_for_the_whole_copy(copies):
    copies.load("i INT, at TIMESTAMP DEFAULT SYSDATE", document(1) * 5000, listed="(i)")
    assert copies.query(f"SELECT COUNT(DISTINCT at) FROM {copies.table}") == [(1,)]


def test_the_sort_of_target_decides(copies):
    copies.execute("CREATE TEMP TABLE #temporary (i INT)")
    copies.execute('CREATE SCHEMA IF NOT EXISTS "My Schema"')
    copies.execute('CREATE TABLE "My Schema"."Tab le" (i INT)')
    copies.execute("CREATE VIEW seen AS SELECT 1 AS i")
    path = copies.write("a", document(1))
    for table in ("#temporary", '"my schema"."Tab LE"'):
        copies.table = table
        copies.copy(path)
        assert numbers(copies) == [1]
    for options in ("JSON", "JSON NOLOAD"):
        with pytest.raises(psycopg2.errors.WrongObjectType):
            copies.execute(f"COPY seen FROM '{path}' IAM_ROLE default {options}")
    with pytest.raises(psycopg2.errors.FeatureNotSupported, match='Redshift.*"at" of type time'):
        copies.load("at TIME", '{"at":"10:00"}')


# Errors and transactions.


def test_e1_a_row_that_cannot_be_loaded_fails_them_all(copies):
    with pytest.raises(psycopg2.errors.InternalError_) as caught:
        copies.load("i INT", document(1) + '{"i":"x"}\n' + document(3))
    assert caught.value.diag.message_primary == (
        f"Load into table '{copies.table}' failed.  "
        "Check 'sys_load_error_detail' system table for details.")
    assert copies.rows() == []


def test_e2_a_copy_is_undone_by_rollback(copies):
    copies.create("i INT")
    copies.connection.autocommit = False
    copies.copy(copies.write("a", document(1)))
    copies.connection.rollback()
    assert numbers(copies) == []


@pytest.mark.parametrize("statement", [
    pytest.param("COPY {t} FROM '{bad}' IAM_ROLE default JSON", id="E3-data"),
    pytest.param("COPY {t} FROM '{bad}' IAM_ROLE default JSON NOLOAD", id="E7-noload"),
    pytest.param("COPY {t} FROM '{bad}' IAM_ROLE default JSON GZIPP", id="E3-syntax"),
    pytest.param("COPY {t} FROM '{bad}' IAM_ROLE default CSV", id="E3-format"),
    pytest.param("COPY {t} FROM '{bad}x' IAM_ROLE default JSON", id="E3-file"),
    pytest.param("COPY {t} (j) FROM '{bad}' IAM_ROLE default JSON", id="E3-column"),
    pytest.param("COPY nowhere FROM '{bad}' IAM_ROLE default JSON", id="E4"),
])
@pytest.mark.parametrize("how", ["autocommit", "block", "BEGIN"])
def test_a_failed_copy_fails_its_transaction_and_nothing_else(copies, statement, how):
    copies.create("i INT")
    sql = statement.format(t=copies.table, bad=copies.write("bad", '{"i":"x"}'))
    if how == "block":
        copies.connection.autocommit = False
    elif how == "BEGIN":
        copies.execute("BEGIN")
    copies.execute(f"INSERT INTO {copies.table} VALUES (0)")
    with pytest.raises(psycopg2.Error):
        copies.execute(sql)
    if how != "autocommit":
        with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
            copies.query("SELECT 1")
        with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
            copies.execute(sql.replace("GZIPP", "").replace(" CSV", " JSON"))
        copies.execute("ROLLBACK")
    assert numbers(copies) == ([0] if how == "autocommit" else [])


def test_e4_a_table_that_is_missing_has_its_own_code(copies):
    with pytest.raises(psycopg2.errors.UndefinedTable):
        copies.execute(f"COPY nowhere FROM '{copies.write('a', '')}' IAM_ROLE default JSON")


def test_a_copy_in_a_block_leaves_the_block_as_it_was(copies):
    copies.create("i INT")
    copies.connection.autocommit = False
    copies.execute(f"INSERT INTO {copies.table} VALUES (0)")
    copies.copy(copies.write("a", document(1)))
    copies.connection.commit()
    assert numbers(copies) == [0, 1]


def test_e5_a_file_that_vanishes_half_way_fails_the_load_once(copies, put, bucket):
    root = put({"a": document(1), "b": document(2)})
    copies.on_progress = lambda done, total: bucket.Object("b").delete()
    copies.create("i INT")
    with pytest.raises(psycopg2.errors.InternalError_, match="S3ServiceException.*/b.*NoSuchKey"):
        copies.copy(root)
    assert numbers(copies) == []
    assert copies.query(
        "SELECT status, loaded_rows, error_count FROM sys_load_history"
        " WHERE query_id = pg_last_copy_id()") == [("aborted", 0, 0)]


class Interrupted(BaseException):
    """What a signal handler raises."""


@pytest.mark.parametrize("options", ["JSON", "JSON NOLOAD"])
@pytest.mark.parametrize("autocommit", [True, False])
def test_an_interrupt_passes_through_unchanged(copies, options, autocommit):
    interrupt = Interrupted("now")

    def on_progress(done, total):
        raise interrupt

    copies.on_progress = on_progress
    copies.create("i INT")
    copies.connection.autocommit = autocommit
    with pytest.raises(Interrupted) as caught:
        copies.copy(copies.write("a", document(1)), options)
    assert caught.value is interrupt
    copies.connection.rollback()
    assert numbers(copies) == []


def test_progress_is_told_in_bytes(copies):
    told = []
    copies.on_progress = lambda done, total: told.append((done, total))
    copies.load("i INT", document(1) * 100_000)
    assert told[-1] == (800_000, 800_000) and len(told) > 3


@pytest.mark.parametrize("maxerror, wrong, fails", [
    (None, 1, True), (0, 1, True), (1, 1, True), (2, 1, False), (2, 2, True), (3, 2, False),
    (100_000, 50, False),
], ids=lambda value: f"E6 {value}")
def test_a_load_fails_at_maxerror_errors(copies, maxerror, wrong, fails):
    content = "".join(document(i) if i >= wrong else '{"i":"x"}\n' for i in range(wrong + 3))
    options = "" if maxerror is None else f"MAXERROR {maxerror}"
    if fails:
        with pytest.raises(psycopg2.errors.InternalError_):
            copies.load("i INT", content, options)
        assert len(copies.errors()) == max(1, maxerror or 0)
    else:
        assert copies.load("i INT", content, options) == [(i,) for i in range(wrong, wrong + 3)]
        assert copies.errors() == [(i + 1, "i", 1207) for i in range(wrong)]


def test_e6_errors_are_counted_over_all_files_and_listed_in_their_order(copies):
    for name in "abc":
        copies.write(f"d/{name}", '{"i":"x"}\n{"i":}\n' + document(7))
    copies.create("i INT")
    copies.copy(f"{copies.folder}/d/", "JSON MAXERROR 7")
    assert numbers(copies) == [7, 7, 7]
    assert copies.errors("TRIM(file_name), line_number") == [
        (f"{copies.folder}/d/{name}", line) for name in "abc" for line in (1, 2)]
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.copy(f"{copies.folder}/d/", "JSON MAXERROR 6")


def test_e7_ignoreallerrors_has_no_limit(copies):
    assert copies.load("i INT", '{"i":"x"}\n' * 100_001 + document(1), "IGNOREALLERRORS") == [(1,)]
    assert copies.query("SELECT error_count FROM sys_load_history"
                        " WHERE query_id = pg_last_copy_id()") == [(100_001,)]


def test_e7_noload_checks_and_loads_nothing(copies):
    assert copies.load("i INT", document(1), "NOLOAD") == []
    assert copies.query("SELECT pg_last_copy_count()") == [(0,)]


def test_rejected_rows_take_no_memory(copies):
    content = ('{"i":"' + "x" * 900 + '"}\n') * 12_000
    path = copies.write("a", content)
    del content
    copies.create("i INT")
    tracemalloc.start()
    try:
        copies.copy(path, "JSON MAXERROR 100000")
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert copies.query("SELECT COUNT(*) FROM sys_load_error_detail"
                        " WHERE query_id = pg_last_copy_id()") == [(12_000,)]


# What the system tables and the session know afterwards.


def test_stl_load_errors_has_the_columns_of_redshift(copies):
    content = '{"i":1}\n{"i":"1é","x":\n[1]}\n'
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.load("i INT, t VARCHAR(20)", content)
    copies.cursor.execute("SELECT * FROM stl_load_errors WHERE query = pg_last_copy_id()")
    names = [column.name for column in copies.cursor.description]
    assert names == (
        "userid slice tbl starttime session query filename line_number colname type col_length"
        " position raw_line raw_field_value err_code err_reason is_partial start_offset copy_job_id"
    ).split()
    found = {name: value.rstrip() if isinstance(value, str) else value
             for name, value in zip(names, copies.cursor.fetchone())}
    oid, = copies.query(f"SELECT CAST(CAST('{copies.table}' AS regclass) AS oid)")
    assert (found["tbl"],) == oid and found["session"] == copies.connection.info.backend_pid
    expected = dict(line_number=3, colname="i", type="int4", col_length="", position=1, err_code=1207,
                    raw_line='{"i":"1.","x":\n[1]}', raw_field_value="1é",
                    err_reason="Invalid digit, Value 'é', Pos 1, Type: Integer")
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("kind, value, length", [
    ("VARCHAR(3)", '"long"', "3"), ("CHAR(2)", '"long"', "2"), ("DECIMAL(8,2)", '"x"', "8,2"),
    ("BIGINT", '"x"', ""),
])
def test_the_type_and_length_of_the_column_are_told(copies, kind, value, length):
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.load(f"v {kind}", f'{{"v":{value}}}')
    name = {"VARCHAR(3)": "varchar", "CHAR(2)": "char", "BIGINT": "int8"}.get(kind, "numeric")
    assert copies.errors("TRIM(column_type), TRIM(column_length)") == [(name, length)]


def test_text_that_no_column_can_hold_is_shown_escaped(copies):
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.load("v VARCHAR(9)", b'{"v":"a\\u0000\xff\\\\t\\ud800"}')
    assert copies.query("SELECT TRIM(raw_field_value) FROM stl_load_errors"
                        " WHERE query = pg_last_copy_id()") == [(r"a\x00\udcff\t\ud800",)]


def test_errors_are_there_after_rollback_and_seen_by_others(copies):
    copies.create("i INT")
    copies.connection.autocommit = False
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.copy(copies.write("a", '{"i":"x"}'))
    copies.connection.rollback()
    assert copies.errors() == [(1, "i", 1207)]
    other = copies.connect()
    with other.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM standin.load_error")
        assert cursor.fetchone() > (0,)
        cursor.execute("SELECT standin.pg_last_copy_id(), standin.pg_last_copy_count()")
        assert cursor.fetchone() == (-1, 0)  # the other session made no COPY
    other.close()


def test_the_history_has_a_row_for_each_copy_and_each_file(copies):
    for name, content in (("a", document(1)), ("b", '{"i":"x"}\n' + document(2) + "\n")):
        copies.write(f"d/{name}", content)
    copies.create("i INT")
    copies.copy(f"{copies.folder}/d/", "JSON MAXERROR 2")
    where = "WHERE query_id = pg_last_copy_id()"
    assert copies.query(
        "SELECT status, table_name, data_source, file_format, loaded_rows, source_file_count,"
        f" source_file_bytes, error_count, end_time >= start_time FROM sys_load_history {where}"
    ) == [("completed", copies.table, f"{copies.folder}/d/", "JSON", 2, 2, 27, 1, True)]
    view = "standin.sys_load_detail"
    files = [(f"{copies.folder}/d/a", 8, 1), (f"{copies.folder}/d/b", 19, 3)]
    with copies.connect() as other, other.cursor() as cursor:
        cursor.execute(f"SELECT TRIM(file_name), bytes_scanned, lines_scanned FROM {view}"
                       " WHERE query_id = (SELECT MAX(query_id) FROM standin.load) ORDER BY 1")
        assert cursor.fetchall() == files
        cursor.execute("SELECT TRIM(filename), lines_scanned, errors FROM standin.stl_load_commits"
                       " WHERE query = (SELECT MAX(query_id) FROM standin.load) ORDER BY 1")
        assert cursor.fetchall() == [(files[0][0], 1, 0), (files[1][0], 3, 1)]
    other.close()


def test_the_session_knows_its_last_copy(copies):
    last = "SELECT pg_last_copy_id(), pg_last_copy_count()"
    copies.load("i INT", document(1) * 3)
    first, count = copies.query(last)[0]
    assert count == 3
    with pytest.raises(psycopg2.Error):
        copies.copy("/nowhere")
    assert copies.query(last) == [(first, 3)]  # it failed before the load began
    copies.connection.autocommit = False
    with pytest.raises(psycopg2.Error):
        copies.copy(copies.write("bad", '{"i":"x"}'))
    copies.connection.rollback()
    (failed, count), = copies.query(last)
    assert failed > first and count == 0
    copies.copy(copies.write("good", document(1)))
    assert copies.query(last)[0][1] == 1
    copies.connection.rollback()
    assert copies.query(last) == [(failed, 0)]  # a COPY that is rolled back does not count


def test_redshifts_notices_are_the_connections(copies):
    del copies.connection.notices[:]
    copies.load("i INT", document(1) * 2 + '{"i":"x"}\n', "MAXERROR 2")
    assert copies.connection.notices == [
        f"INFO:  Load into table '{copies.table}' completed, 2 record(s) loaded successfully.\n",
        f"INFO:  Load into table '{copies.table}' completed, 1 record(s) could not be loaded.  "
        "Check 'sys_load_error_detail' system table for details.\n",
    ]


def test_p14_a_plain_connection_is_not_affected(copies):
    copies.create("i INT")
    other = copies.connect()
    with other.cursor() as cursor:
        with pytest.raises(psycopg2.errors.SyntaxError):
            cursor.execute(f"COPY {copies.table} FROM 's3://b/k' IAM_ROLE default JSON")
        other.rollback()
        cursor.copy_expert(f"COPY {copies.table} FROM STDIN", io.StringIO("7\n"))
    other.commit()
    other.close()
    assert numbers(copies) == [7]


def test_secrets_are_nowhere_in_the_database(copies):
    copies.create("i INT")
    path = copies.write("a", document(1))
    for text in ("JSON 'auto'", "CSV", "JSON MAXERROR x"):
        sql = (f"COPY {copies.table} FROM '{path}'"
               f" CREDENTIALS 'aws_access_key_id=AKIA;aws_secret_access_key=hush' {text}")
        try:
            copies.execute(sql)
        except psycopg2.Error as error:
            assert "hush" not in str(error)
    other = copies.connect()
    with other.cursor() as cursor:
        cursor.execute("SELECT STRING_AGG(CAST(l.* AS text), ' ') FROM standin.load l")
        assert "hush" not in cursor.fetchone()[0]
        cursor.execute("SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE '%%hush%%' AND pid <> %s",
                       (other.info.backend_pid,))
        assert cursor.fetchone() == (0,)
    other.close()


# Fuzz.

FIELDS = "artist VARCHAR(60), n INT, length DECIMAL(9,5), ts BIGINT, at TIMESTAMP, ok BOOLEAN"


def log_line(i: int) -> str:
    return json.dumps({"artist": f"Ärtist {i}", "n": i, "length": i + 0.12345, "ts": 1541030415796 + i,
                       "at": "2018-11-01 10:00:00", "ok": bool(i % 2), "more": {"list": [i, None]}})


@pytest.mark.parametrize("seed", range(25))
def test_bytes_at_random_cost_only_the_lines_they_hit(copies, seed, monkeypatch):
    chance = random.Random(seed)
    monkeypatch.setattr(rows, "CHUNK", chance.choice((50, 1000, 128 * 1024)))
    good = [log_line(i).encode() + b"\n" for i in range(300)]
    data, lost = list(good), set()
    for _ in range(chance.randrange(1, 40)):
        i = chance.randrange(300)
        line = bytearray(data[i])
        at = chance.randrange(len(line))
        line[at : at + chance.randrange(2)] = bytes(chance.choices(range(256), k=chance.randrange(3)))
        data[i] = bytes(line)
        lost |= {i} if line.endswith(b"\n") else {i, i + 1}
    try:
        copies.load(FIELDS, b"".join(data), "ROUNDEC MAXERROR 100000")
    except psycopg2.Error:
        pytest.fail("fewer than 100000 errors failed the load")
    loaded = copies.rows()
    assert {i for i in range(300) if i not in lost} <= {row[1] for row in loaded}
    assert len(loaded) <= 300 + len(lost)
    untouched = [row for row in loaded if row[1] in set(range(300)) - lost]
    assert {row[0] for row in untouched} >= {f"Ärtist {i}" for i in set(range(300)) - lost}


@pytest.mark.parametrize("seed", range(15))
def test_noise_raises_nothing_but_errors_of_psycopg2(copies, seed):
    chance = random.Random(seed)
    alphabet = b'{}[]",:\\ue0 \n\x00\xff\xc3-.tnfalse'
    for _ in range(4):
        data = bytes(chance.choices(alphabet, k=chance.randrange(4000)))
        how = chance.choice(("", "GZIP", "BZIP2", "IGNOREALLERRORS", "MAXERROR 100000 TRIMBLANKS",
                             "ACCEPTINVCHARS IGNOREALLERRORS IGNOREHEADER 3"))
        try:
            copies.load(FIELDS, data, how)
        except psycopg2.Error:
            pass
        assert copies.query(f"SELECT COUNT(*) <= {data.count(b'}') + data.count(b']')}"
                            f" FROM {copies.table}") == [(True,)]
