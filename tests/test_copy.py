"""COPY end to end, on PostgreSQL and on S3 over HTTP."""

import bz2
import gzip
import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2
import pytest
from support.loading import document, numbers

from warehouse import objects

CATEGORY = "catid INT, catgroup VARCHAR(10), catname VARCHAR(10), catdesc VARCHAR(50)"
CATEGORIES = [
    (1, "Sports", "MLB", "Major League Baseball"),
    (2, "Sports", "NHL", "National Hockey League"),
    (3, "Sports", "NFL", "National Football League"),
    (4, "Sports", "NBA", "National Basketball Association"),
    (5, "Shows", "Musicals", "All symphony, concerto, and choir concerts"),
]


def make_manifest(*entries, **options) -> str:
    """Return a manifest of URLs, or of pairs (url, mandatory)."""
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
    put({"m": make_manifest(root + "b", root + "a", root + "b")})
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
def test_an_object_of_a_manifest_may_be_missing_unless_it_is_mandatory(
    copies, put, names, mandatory, loaded
):
    root = put({"a": document(1), "b": document(2)})
    put({"m": make_manifest(*(root + n if mandatory is None else (root + n, mandatory) for n in names))})
    copies.create("i INT")
    if loaded is None:
        with pytest.raises(psycopg2.errors.InternalError_, match="manifest"):
            copies.copy(root + "m", "JSON 'auto' MANIFEST")
    else:
        copies.copy(root + "m", "JSON 'auto' MANIFEST")
    assert numbers(copies) == (loaded or [])


@pytest.mark.parametrize("mandatory", [True, False])
def test_an_empty_object_of_a_manifest_is_refused_and_under_a_prefix_it_is_no_rows(
    copies, put, mandatory
):
    root = put({"d/": "", "d/a": document(1), "d/empty": ""})
    put({"m": make_manifest((root + "d/a", True), (root + "d/empty", mandatory))})
    copies.create("i INT")
    with pytest.raises(psycopg2.errors.FeatureNotSupported) as caught:
        copies.copy(root + "m", "MANIFEST JSON 'auto'")
    assert str(caught.value).startswith(
        f"the stand-in does not load empty objects of a manifest ({root}d/empty): what Redshift does"
        " is not documented")
    assert numbers(copies) == []
    copies.copy(root + "d/")
    assert numbers(copies) == [1]


@pytest.mark.parametrize("text", [
    "no json", "[]", "{}", '{"entries": [{"key": "x"}]}', '{"entries": ["x"]}', '{"entries": 5}',
    '{"entries": [{"url": 5}]}', b"\xff", '{"entries": [{"url": "s3://b/\\ud800"}]}',
    '{"entries": [{"url": "\\u0000", "mandatory": true}]}',
], ids=lambda text: f"L9 {text!a}"[:40])
def test_a_file_that_is_no_manifest_fails(copies, text):
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
        put({"m": make_manifest(root + "a", f"s3://{other.name}/b")})
        copies.create("i INT")
        copies.copy(root + "m", "MANIFEST JSON 'auto'")
        assert numbers(copies) == [1, 2]
    finally:
        other.objects.delete()
        other.delete()


def test_l11_other_keys_of_a_manifest_are_ignored(copies, put):
    root = put({"a": document(1)})
    put({"m": make_manifest(root + "a", meta={"content_length": 5_000}, comment="x")})
    copies.create("i INT")
    copies.copy(root + "m", "MANIFEST JSON 'auto'")
    assert numbers(copies) == [1]


def test_l12_a_manifest_and_jsonpaths_go_together_in_any_order(copies, put):
    root = put({"a": '{"x":{"y":7}}', "paths": '{"jsonpaths":["$.x.y"]}'})
    put({"m": make_manifest(root + "a")})
    for options in (f"MANIFEST JSON '{root}paths'", f"FORMAT JSON AS '{root}paths' MANIFEST"):
        copies.create("i INT")
        copies.copy(root + "m", options)
        assert numbers(copies) == [7]


@pytest.mark.parametrize("source", ["fold", "m"])
def test_l13_neither_a_manifest_nor_its_urls_may_be_prefixes(copies, put, source):
    root = put({"folder/a": document(1)})
    put({"m": make_manifest((root + "folder/", True))})
    copies.create("i INT")
    with pytest.raises(psycopg2.Error, match="COPY with MANIFEST parameter requires full path"):
        copies.copy(root + source, "MANIFEST JSON 'auto'")


def test_without_the_word_a_manifest_is_read_as_data(copies):
    path = copies.write("m", make_manifest("s3://b/a"))
    copies.create("i INT NOT NULL")
    with pytest.raises(psycopg2.Error, match="load_error"):
        copies.copy(path)
    assert copies.errors() == [(1, "i", 1213)]


class DenyingS3(BaseHTTPRequestHandler):
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
    server = ThreadingHTTPServer(("127.0.0.1", 0), DenyingS3)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    copies.create("i INT")
    with monkeypatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        objects.s3.cache_clear()
        with pytest.raises(psycopg2.Error, match="S3ServiceException.*AccessDenied"):
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
    for content, options in (
        (packed, ""), (packed[:-5], option), (b'{"i":1}', option), (packed, other),
    ):
        with pytest.raises(psycopg2.errors.InternalError_):  # L15: only the option counts
            copies.load("i INT", content, options)
        assert copies.rows() == []


# JSON.


def make_documents(*names) -> str:
    """Return the documents of §1.9, example 1: keys in any order, an extra key, two objects joined."""
    chance = random.Random(5)
    texts = []
    for row in CATEGORIES:
        pairs = list(zip(names, row, strict=True))
        chance.shuffle(pairs)
        texts.append(json.dumps(dict(pairs), indent=chance.choice((None, 4))))
    texts[3] = texts[3].replace("{", '{"bogus": "x", ', 1)
    return texts[0] + "\n" + texts[1] + texts[2] + " \n\n" + "\n".join(texts[3:])


def test_19_1_auto_takes_keys_in_any_order(copies):  # J3, J4, J10
    content = make_documents("catid", "catgroup", "catname", "catdesc")
    assert copies.load(CATEGORY, content) == CATEGORIES


def test_19_2_auto_knows_lower_case_only_and_ignorecase_any(copies):  # J1, J2
    content = make_documents("CatID", "CatGroup", "CatName", "CatDesc")
    assert copies.load(CATEGORY, content, json="'auto ignorecase'") == CATEGORIES
    assert copies.load(CATEGORY, content) == [(None,) * 4] * 5
    for key in ("Id", "ID", "id"):
        assert copies.load("id INT", f'{{"{key}":7}}', json="'auto ignorecase'") == [(7,)]


def load_with_paths(copies, columns, content, paths, **options):
    path = copies.write("paths.json", json.dumps({"jsonpaths": paths}))
    return copies.load(columns, content, json=f"'{path}'", **options)


def test_19_3_jsonpaths_name_the_keys(copies):
    content = make_documents("one", "two", "three", "four")
    paths = ["$['one']", "$['two']", "$['three']", "$['four']"]
    assert load_with_paths(copies, CATEGORY, content, paths) == CATEGORIES


def test_19_4_jsonpaths_read_arrays(copies):  # J11
    content = "".join(json.dumps(row) for row in CATEGORIES)
    paths = ["$[0]", "$[1]", "$[2]", "$[3]"]
    assert load_with_paths(copies, CATEGORY, content, paths) == CATEGORIES
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.load(CATEGORY, content)
    assert copies.errors("TRIM(error_message)") == [
        ("Invalid JSONPath format: Member is not an object.",)]


def test_19_6_a_path_to_an_array_or_object_gives_its_text(copies):  # J9, J15
    content = json.dumps({"id": 0, "isActive": True, "tags": ["nisi", "culpa"],
                          "location": [7.5, 8],
                          "friends": [{"id": 0, "name": "A"}, {"id": 1, "name": "Renaldo"}]})
    for paths in (["$['tags']", "$['friends'][1]", "$['location'][0]", "$['isActive']"],
                  ["$.tags", "$.friends[1]", "$.location[0]", "$.isActive"]):
        (tags, friend, place, active), = load_with_paths(
            copies, "a VARCHAR(99), b VARCHAR(99), c FLOAT, d BOOLEAN", content, paths)
        assert json.loads(tags) == ["nisi", "culpa"] and place == 7.5 and active is True
        assert json.loads(friend) == {"id": 1, "name": "Renaldo"}


def test_j14_paths_go_by_the_order_of_the_columns_or_of_the_list(copies):
    content = '{"a":42.001,"b":true,"nested":{"c":"hello"}}'
    paths = ["$['b']", "$['a']", "$['nested']['c']"]
    columns = "x VARCHAR(9), y VARCHAR(9), z VARCHAR(9)"
    assert load_with_paths(copies, columns, content, paths) == [("true", "42.001", "hello")]
    assert load_with_paths(copies, columns, content, paths, listed="(z, y, x)") == [
        ("hello", "42.001", "true")]


def test_j16_an_element_that_is_missing_rejects_its_row(copies):
    content = '{"a":[1,2]}\n{"a":[1]}\n{"b":0}\n{"a":[3,4]}'
    assert load_with_paths(copies, "v INT", content, ["$.a[1]"], options="MAXERROR 5") == [(2,), (4,)]
    assert copies.errors("line_number, TRIM(error_message)") == [
        (n, "Invalid JSONPath format: Not an array or index out of range.") for n in (2, 3)]


@pytest.mark.parametrize("text, problem", [
    pytest.param('{"jsonpaths": ["$.i"', "not a JSONPaths file", id="J18"),
    pytest.param('{"jsonpaths": ["$.i"]} {}', "not a JSONPaths file", id="J18-two"),
    pytest.param('{"jsonpaths": [""]}', "Invalid JSONPath format", id="J18-empty"),
    pytest.param('{"jsonpaths": [1]}', "Invalid JSONPath format", id="J18-number"),
    pytest.param('{"jsonpaths": ["$.*"]}', "Invalid JSONPath format", id="J15"),
    pytest.param(
        '{"jsonpaths": ["$.i", "$.i"]}',
        "Number of jsonpaths and the number of columns should match. JSONPath size: 2, Number of"
        " columns in table or column list: 1", id="§1.3"),
])
def test_a_wrong_jsonpaths_file_fails_at_any_maxerror(copies, text, problem):
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


def test_a_copy_into_a_view_or_an_unsupported_type_is_refused(copies):
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


def test_many_small_objects_are_fetched_ahead_and_loaded_in_the_order_of_their_keys(copies, put, bucket):
    root = put({f"{nth:04}": f'{{"i":{nth}}}' for nth in range(150)})
    copies.create("i INT")
    copies.copy(root)
    assert numbers(copies) == list(range(150))
