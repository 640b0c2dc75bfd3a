"""Objects in S3 and files in a folder: a prefix means the same, and nothing is truncated or overwritten."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from warehouse import ConfigError, objects
from warehouse.objects import ObjectError


class Folder:
    """Files of a folder, by the keys that they would have in S3."""

    def __init__(self, path):
        self.path = path
        self.root = f"{path}/"

    def put(self, key: str, content: bytes = b"x") -> None:
        file = self.path / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


class Bucket:
    """Objects of a bucket."""

    def __init__(self, bucket):
        self.bucket = bucket
        self.root = f"s3://{bucket.name}/"

    def put(self, key: str, content: bytes = b"x") -> None:
        self.bucket.put_object(Key=key, Body=content)


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    """A place for objects. Each of its tests runs once in a folder and once in S3."""
    return Folder(tmp_path) if request.param == "folder" else Bucket(request.getfixturevalue("bucket"))


def keys(place, prefix: str) -> list[str]:
    return [file.url.removeprefix(place.root) for file in objects.list_objects(place.root + prefix)]


# ---------------------------------------------------------------------------------------- listing

KEYS = ("log", "log_data/1.json", "log_data/2018/11/2.json", "log_data-2/3.json", "log_data.json",
        "log_data2/a/4.json", "logs/5.json", "other/log_data/6.json")


@pytest.mark.parametrize("prefix, found", [
    ("log_data/", ["log_data/1.json", "log_data/2018/11/2.json"]),
    ("log_data", ["log_data-2/3.json", "log_data.json", "log_data/1.json", "log_data/2018/11/2.json",
                  "log_data2/a/4.json"]),
    ("log_data/2018", ["log_data/2018/11/2.json"]),
    ("log_data/20", ["log_data/2018/11/2.json"]),
    ("log_data/1.json", ["log_data/1.json"]),
    ("log_data/1.json/", []),
    ("log_data/3", []),
    ("log_data2/a/4", ["log_data2/a/4.json"]),
    ("no_such/folder/", []),
    ("LOG", []),
])
def test_a_prefix_is_text_and_no_folder(place, prefix, found):
    for key in KEYS:
        if not (key == "log" and isinstance(place, Folder)):
            place.put(key)
    assert keys(place, prefix) == found


def test_objects_at_any_depth_are_in_the_order_of_their_keys(place):
    names = ["a/z/1", "a-b/1", "a/b", "a/B", "a0/1", "a/é", "a/z.json", "a/10", "a/9"]
    for name in names:
        place.put(name)
    assert keys(place, "a") == sorted(names)


ODD = ("two  blanks", "plus+and%20percent", "100%", "quote'd \"twice\"", "tab\there",
       "Zoë – 音楽", "a&b<c>d", "back\\slash", "q?x=1#y", "*[a]", "~$@,;=")


def test_odd_keys_are_listed_and_read(place):
    for name in ODD:
        place.put(f"odd/{name}", name.encode())
    assert keys(place, "odd/") == sorted(f"odd/{name}" for name in ODD)
    for name in ODD:
        assert keys(place, f"odd/{name}") == [f"odd/{name}"]
        assert objects.read(f"{place.root}odd/{name}") == name.encode()


def test_a_file_with_a_line_break_in_its_name_is_listed_and_read(tmp_path):
    place = Folder(tmp_path)  # moto takes no such key
    place.put("new\nline", b"x")
    assert keys(place, "new\n") == ["new\nline"]
    assert objects.read(f"{place.root}new\nline") == b"x"


def test_a_listing_gives_sizes_and_etags_that_change_with_the_content(place):
    place.put("a", b"12345")
    place.put("empty", b"")
    file, empty = objects.list_objects(place.root)
    assert (file.size, empty.size) == (5, 0)
    assert objects.list_objects(f"{place.root}a") == [file]
    place.put("a", b"123456")
    changed, = objects.list_objects(f"{place.root}a")
    assert changed.size == 6 and changed.etag != file.etag


def test_more_objects_than_a_page_holds_are_all_listed(bucket, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    place = Bucket(bucket)
    names = [f"many/{number:04}" for number in range(25)]
    for name in names:
        place.put(name)
    assert objects.s3().list_objects_v2(Bucket=bucket.name)["IsTruncated"]
    assert keys(place, "many/") == names


def test_links_to_folders_are_followed_at_any_depth(tmp_path):
    away = Folder(tmp_path / "away")
    away.put("2.json")
    here = Folder(tmp_path / "here")
    here.put("log_data/2018/1.json")
    (tmp_path / "here/log_data/2018/11").symlink_to(tmp_path / "away")
    assert keys(here, "log_data/") == ["log_data/2018/1.json", "log_data/2018/11/2.json"]


@pytest.mark.parametrize("links", [1, 2])
def test_a_link_that_leads_in_a_circle_is_named(tmp_path, links):
    place = Folder(tmp_path)
    place.put("log_data/2018/1.json")
    for number in range(links):  # two of them would give an endless list of names
        (tmp_path / f"log_data/2018/up{number}").symlink_to("..")
    with pytest.raises(ObjectError, match="log_data/2018/up[01] leads back to a folder"):
        keys(place, "log_data/")


def test_two_links_to_one_folder_are_no_circle(tmp_path):
    place = Folder(tmp_path)
    place.put("away/1.json")
    for name in ("a", "b"):
        place.put(f"log_data/{name}.json")
        (tmp_path / f"log_data/{name}").symlink_to("../away")
    assert keys(place, "log_data/") == [
        "log_data/a.json", "log_data/a/1.json", "log_data/b.json", "log_data/b/1.json"]


def test_a_name_that_is_not_utf_8_is_shown_and_refused(tmp_path):
    (tmp_path / "bad\udcff.json").write_bytes(b"x")
    with pytest.raises(ObjectError, match=r"bad\\udcff.json': the name is not UTF-8"):
        objects.list_objects(f"{tmp_path}/")


# ---------------------------------------------------------------------------------------- failures

def test_a_missing_object_is_named(place):
    with pytest.raises(ObjectError, match="nothing.json.*(No such file|It does not exist)"):
        objects.read(f"{place.root}nothing.json")


def test_a_missing_bucket_is_named(bucket):
    for act in (objects.list_objects, objects.read):
        with pytest.raises(ObjectError, match="s3://no-such-bucket/x.*Is the bucket's name right"):
            act("s3://no-such-bucket/x")


def test_a_url_without_a_bucket_is_refused():
    with pytest.raises(ObjectError, match="not of the form s3://bucket/key"):
        objects.list_objects("s3:///key")


@pytest.fixture
def no_credentials(monkeypatch, tmp_path):
    import boto3

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it has cached those of other tests
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
                 "AWS_ENDPOINT_URL_S3", "AWS_WEB_IDENTITY_TOKEN_FILE",
                 "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    objects.s3.cache_clear()
    yield
    objects.s3.cache_clear()


def test_no_credentials_says_how_to_get_some(no_credentials):
    for act in (objects.list_objects, objects.read):
        with pytest.raises(ObjectError, match="no AWS credentials were found.*aws configure"):
            act("s3://bucket/x")


def test_an_endpoint_that_is_no_url_says_how_one_begins(no_credentials, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "localhost:9000")
    with pytest.raises(ConfigError, match="localhost:9000.*begins with http:// or https://"):
        objects.list_objects("s3://bucket/x")


@contextmanager
def serving(monkeypatch, answer):
    """Let this process use an S3 that answers every GET and HEAD by answer(handler)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    for key, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                       "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{server.server_port}"}.items():
        monkeypatch.setenv(key, value)
    objects.s3.cache_clear()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        objects.s3.cache_clear()


def send_half(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b'{"a": 1}\n')


@pytest.mark.parametrize("size", [-1, 1, 4, 1 << 16])
def test_a_body_that_is_cut_short_is_never_taken_for_whole(monkeypatch, size):
    def read_all():
        with objects.opening("s3://bucket/key.json") as stream:
            if size < 0:
                stream.read()
            while stream.read(size):
                pass

    with serving(monkeypatch, send_half):
        with pytest.raises(ObjectError, match="s3://bucket/key.json"):
            read_all()


def test_an_answer_of_access_denied_names_the_rights_to_give(monkeypatch):
    def deny(handler):
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        handler.send_response(403)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with serving(monkeypatch, deny):
        for act in (objects.list_objects, objects.read):
            with pytest.raises(ObjectError, match="AccessDenied.*s3:ListBucket.*s3:GetObject"):
                act("s3://bucket/key")


def test_an_archived_object_whose_restore_is_under_way_is_refused(monkeypatch):
    def answer_restoring(handler):
        handler.send_response(200)
        handler.send_header("x-amz-restore", 'ongoing-request="true"')
        handler.end_headers()

    with serving(monkeypatch, answer_restoring):
        with pytest.raises(ObjectError, match="s3://bucket/key is archived in GLACIER"):
            objects.refuse_archived([objects.Object("s3://bucket/key", 1, "e", "GLACIER")])


# ----------------------------------------------------------------------------------------- writing

def test_a_new_object_is_written_and_never_overwritten(place):
    url = f"{place.root}manifests/a b.manifest"
    objects.write_new(url, b"first")
    with pytest.raises(ObjectError, match="a b.manifest"):
        objects.write_new(url, b"second")
    assert objects.read(url) == b"first"


def test_a_manifest_names_exactly_its_objects_as_mandatory():
    files = [objects.Object("s3://b/é \"1\"", 7, "e"), objects.Object("s3://b/2", 0, "f")]
    assert objects.json.loads(objects.format_manifest(files)) == {"entries": [
        {"url": "s3://b/é \"1\"", "mandatory": True, "meta": {"content_length": 7}},
        {"url": "s3://b/2", "mandatory": True, "meta": {"content_length": 0}},
    ]}
