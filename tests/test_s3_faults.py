"""Loads while S3 refuses, stalls, truncates or changes objects: they load everything or nothing."""

import json
import re
from contextlib import contextmanager

import botocore.config
import pytest
from support.documents import event, song
from support.faulty_s3 import LIST, Stall, answer_after, corrupt, refuse, send_half
from support.runs import NOTHING, load_here
from support.sessions import count_plays
from support.tcp_project import LOG, SONG

from warehouse import WarehouseError, objects

ALWAYS = 99


@contextmanager
def limiting_waits(seconds: float):
    true_config = botocore.config.Config
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.config.Config",
                      lambda **options: true_config(**options | {"read_timeout": seconds}))
        objects.s3.cache_clear()
        yield
    objects.s3.cache_clear()


REFUSED = {
    "403 on the list": (LIST, refuse(403, "AccessDenied"), ("AccessDenied", "s3:ListBucket")),
    "403 on one object": (LOG, refuse(403, "AccessDenied"), (LOG, "AccessDenied", "s3:GetObject")),
    "an expired token": (LIST, refuse(400, "ExpiredToken"), ("ExpiredToken", "get new ones")),
    "a token that expires during the load": (
        SONG, refuse(400, "ExpiredToken"), (SONG, "ExpiredToken", "get new ones")),
    "a clock that is wrong": (
        LIST, refuse(403, "RequestTimeTooSkewed"), ("RequestTimeTooSkewed", "The clock of this")),
    "keys that are unknown": (
        LIST, refuse(403, "InvalidAccessKeyId"), (
            "InvalidAccessKeyId", "AWS does not know these credentials.")),
    "another region": (
        LIST, refuse(301, "PermanentRedirect"), ("PermanentRedirect", "set REGION and AWS_REGION")),
    "throttling that does not end": (LIST, refuse(503, "SlowDown"), ("log_data/", "SlowDown")),
    "500 for ever on one object": (LOG, refuse(500, "InternalError"), (LOG, "InternalError")),
    "a body that is short": (LOG, send_half, (LOG,)),
    "a body that is corrupt": (LOG, corrupt, (LOG, "checksum")),
    "a list that is short": (LIST, send_half, ("log_data/",)),
    "a body that stalls": (LOG, Stall(), (LOG, "Read timeout")),
    "a list that stalls": (LIST, Stall(), ("log_data/", "timeout")),
}


def test_a_fault_of_s3_is_one_message_and_nothing_is_loaded(stored, s3, undisturbed):
    before = stored.snapshot()
    for fault, (text, action, parts) in REFUSED.items():
        s3.asked.clear()
        s3.on(text, action, ALWAYS)
        with (limiting_waits(0.5 if isinstance(action, Stall) else 30),
              pytest.raises(WarehouseError) as raised):
            load_here(stored)
        said = str(raised.value)
        assert all(part in said for part in parts), f"{fault}: {said}"
        assert NOTHING in raised.value.__notes__ and raised.value.exit_status == 1, fault
        assert len(s3.asked) < 50, fault
        assert stored.snapshot() == before, fault
        s3.forget()
    load_here(stored)
    assert stored.snapshot() == undisturbed


def chain(error: BaseException | None) -> str:
    """Return the texts of an error, of its notes, and of its causes."""
    if error is None:
        return ""
    notes = getattr(error, "__notes__", [])
    return "\n".join([repr(error), str(error), *notes, chain(error.__cause__ or error.__context__)])


def test_no_fault_of_s3_shows_a_secret(stored, s3, monkeypatch, caplog):
    secrets = {"AWS_ACCESS_KEY_ID": "AKIACANARY", "AWS_SECRET_ACCESS_KEY": "canary/secret+key",
               "AWS_SESSION_TOKEN": "canary//session+token=="}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    objects.s3.cache_clear()
    stored.settings["AWS"] = {"KEY": "AKIACANARY", "SECRET": "canary/secret+key"}
    said = []
    for fault in ("403 on the list", "an expired token", "keys that are unknown",
                  "a body that is corrupt"):
        text, action, _ = REFUSED[fault]
        s3.on(text, action, ALWAYS)
        with caplog.at_level("DEBUG", "warehouse"), pytest.raises(WarehouseError) as raised:
            load_here(stored)
        said.append(chain(raised.value))
        s3.forget()
    stored.environment = {**secrets, "AWS_ENDPOINT_URL_S3": s3.url}
    done = stored.load("--verbose")
    said += [caplog.text, done.stdout, done.stderr]
    assert "AccessDenied" in "".join(said) and "copied staging_events" in done.stderr
    assert not re.search("(?i)canary", "".join(said))


def test_a_request_whose_failure_passes_is_repeated(stored, s3, undisturbed):
    for text in (LIST, LOG, SONG):
        s3.on(text, refuse(503, "SlowDown"), times=2)
        s3.on(text, refuse(500, "InternalError"), times=2)
    load_here(stored)
    assert sum(LIST in line for line in s3.asked) >= 6 and sum(LOG in line for line in s3.asked) >= 5
    assert stored.snapshot() == undisturbed


def test_a_refused_request_is_not_repeated(stored, s3):
    s3.on(LIST, refuse(403, "AccessDenied"), ALWAYS)
    with pytest.raises(WarehouseError):
        load_here(stored)
    assert len(s3.asked) == 1


def test_an_object_that_vanishes_after_it_was_listed_stops_the_load(stored, s3, bucket):
    before, key = stored.snapshot(), LOG[1:]
    s3.on("prefix=log_data/", answer_after(bucket.Object(key).delete))
    with pytest.raises(WarehouseError, match=f"{key} is mandatory in the manifest .*, and is not there"):
        load_here(stored)
    assert stored.snapshot() == before
    bucket.put_object(Key=key, Body=json.dumps(event(9)).encode())
    load_here(stored)
    assert count_plays(stored) == 1


def test_an_object_that_changes_after_it_was_listed_is_loaded_as_found_and_again(
    stored, s3, bucket, caplog
):
    def grow():
        lines = "".join(json.dumps(event(n)) + "\n" for n in (1, 2, 5, 6, 7))
        bucket.put_object(Key=LOG[1:], Body=lines.encode())

    s3.on("prefix=log_data/", answer_after(grow))
    load_here(stored)
    assert count_plays(stored) == 5
    with caplog.at_level("INFO", "warehouse"):
        load_here(stored)
        assert "(0 new, 1 changed)" in caplog.text
        load_here(stored)
    assert "found nothing new" in caplog.text
    assert count_plays(stored) == 5


def test_markers_of_folders_empty_objects_and_a_sibling_prefix_are_no_files(
    stored, s3, bucket, undisturbed, caplog
):
    for key in ("log_data/", "log_data/2018/", "log_data/empty.json", "song_data/_SUCCESS"):
        bucket.put_object(Key=key, Body=b"")
    bucket.put_object(Key="log_data/full/", Body=b"not read")
    bucket.put_object(Key="log_data2/1.json", Body=json.dumps(event(50)).encode())
    stored.configure(MANIFESTS=f"s3://{bucket.name}/manifests/")
    with caplog.at_level("INFO", "warehouse"):
        load_here(stored)
    assert stored.snapshot() == undisturbed
    assert "found files for staging_events: 1 (1 new, 0 changed); files for staging_songs: 2 (2 new," in (
        caplog.text)
    assert stored.query("SELECT COUNT(*) FROM loaded_files") == [(3,)]
    manifests = [json.loads(found.get()["Body"].read()) for found in
                 bucket.objects.filter(Prefix="manifests/") if found.key.endswith(".manifest")]
    assert sorted(len(manifest["entries"]) for manifest in manifests) == [1, 2]
    assert not any("/full/" in line or "/_SUCCESS" in line for line in s3.asked)


def test_objects_of_odd_names_are_loaded_once_each(stored, bucket):
    odd = ("two  blanks", "plus+and%20percent", "100%", "quote'd \"twice\"", "Zoë – 音楽",
           "a&b<c>d", "back\\slash", "q?x=1#y", "'; DROP TABLE songs; --", "%(name)s")
    for number, name in enumerate(odd, start=20):
        bucket.put_object(Key=f"log_data/{name}", Body=json.dumps(event(number)).encode())
        bucket.put_object(Key=f"song_data/{name}", Body=json.dumps(song(f"SO{number}")).encode())
    load_here(stored)
    assert count_plays(stored) == 4 + len(odd)
    load_here(stored)
    assert stored.query("SELECT COUNT(*), COUNT(DISTINCT url) FROM loaded_files") == [
        (3 + 2 * len(odd),) * 2]
