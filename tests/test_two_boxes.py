"""Two machines that start the load at the same instant by cron: the tables are those of one load.

They share only the database and S3. Each has its own dwh.cfg, folders and environment. Either may be
first, so --faults=50 tries it fifty times.
"""

import random
import time

import boto3
import pytest
from generate import generate
from support.databases import administrate
from support.project import Project, finish
from support.s3 import S3_ENVIRONMENT, upload
from support.sessions import tables_of, wait_until_no_session_is_left

BUCKET = "two-boxes"


def make_box(folder, tcp, database: str, endpoint: str) -> Project:
    """Make a machine: a project with its own folder and environment."""
    folder.mkdir()
    project = Project(folder, tcp, database)
    project.configure(
        **tcp.settings(DB_NAME=database), LOG_DATA=f"s3://{BUCKET}/log_data/",
        SONG_DATA=f"s3://{BUCKET}/song_data/", MANIFESTS=f"s3://{BUCKET}/manifests/",
        REGION="us-west-2")
    project.environment = {**S3_ENVIRONMENT, "AWS_ENDPOINT_URL_S3": endpoint, "HOME": str(folder)}
    return project


@pytest.fixture(scope="module")
def a_night(tcp, s3_endpoint, tmp_path_factory):
    """A database before the load of ten new objects, and the tables after it."""
    folder = tmp_path_factory.mktemp("night")
    generate(folder / "data", events=700, songs=25, files=8, users=25, seed=11)
    files = sorted((folder / "data").glob("log_data/**/*.json"))
    files += sorted((folder / "data").glob("song_data/**/*.json"))
    bucket = boto3.resource(
        "s3", endpoint_url=s3_endpoint, region_name="us-west-2", aws_access_key_id="test",
        aws_secret_access_key="test").Bucket(BUCKET)
    bucket.create(CreateBucketConfiguration={"LocationConstraint": "us-west-2"})

    once = make_box(folder / "once", tcp, f"once_{tcp.port}", s3_endpoint)
    administrate(tcp, f"CREATE DATABASE {once.database} TEMPLATE template0")
    assert once.run("create_tables.py").returncode == 0
    upload(bucket, folder / "data", files[:3] + files[8:-5])
    once.load()
    once.disconnect()
    earlier = f"{once.database}_earlier"
    administrate(tcp, f"CREATE DATABASE {earlier} TEMPLATE {once.database}")
    upload(bucket, folder / "data", files[3:8] + files[-5:])
    once.load()
    yield earlier, tables_of(once)
    once.disconnect()
    for name in (once.database, earlier):
        administrate(tcp, f"DROP DATABASE {name} WITH (FORCE)")
    bucket.objects.delete()
    bucket.delete()


def test_two_boxes_that_load_at_the_same_instant_load_once(
    a_night, tcp, s3_endpoint, tmp_path, fault_seed
):
    earlier, expected = a_night
    chance = random.Random(f"boxes {fault_seed}")
    database = f"boxes_{tcp.port}"
    administrate(tcp, f"CREATE DATABASE {database} TEMPLATE {earlier}")
    boxes = [make_box(tmp_path / name, tcp, database, s3_endpoint) for name in ("one", "two")]
    try:
        processes = []
        for project in boxes:
            processes.append(project.start("etl.py"))
            time.sleep(chance.choice((0, 0, chance.uniform(0, 0.1))))
        assert processes[0].poll() is None  # so they were concurrent
        done = [finish(process) for process in processes]
        said = "".join(one.stderr for one in done)
        assert [one.returncode for one in done] == [0, 0], said
        assert said.count("committed 7 tables") == 1 and said.count("found nothing new") == 1, said
        assert tables_of(boxes[0]) == expected
        wait_until_no_session_is_left(boxes[0])
    finally:
        boxes[0].disconnect()
        administrate(tcp, f"DROP DATABASE {database} WITH (FORCE)")
