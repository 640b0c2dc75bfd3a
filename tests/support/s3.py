"""S3 by moto over HTTP: the server, a bucket, and projects that use it."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.project import Project

S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-west-2",
}


@pytest.fixture(scope="session")
def s3_endpoint():
    """The URL of a moto server: S3 over real HTTP."""
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def bucket(s3_endpoint, monkeypatch):
    """A new, empty boto3 Bucket. This process and the projects use moto's S3."""
    import boto3

    from warehouse import objects

    for key, value in {**S3_ENVIRONMENT, "AWS_ENDPOINT_URL_S3": s3_endpoint}.items():
        monkeypatch.setenv(key, value)
    objects.s3.cache_clear()
    bucket = boto3.resource("s3").Bucket(f"test-{uuid.uuid4().hex[:12]}")
    bucket.create(CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    yield bucket
    bucket.objects.delete()
    bucket.delete()
    objects.s3.cache_clear()


@pytest.fixture
def put(bucket):
    """A function that writes objects, given as {key: content}, and returns s3://bucket/."""

    def put(objects_: dict[str, str | bytes]) -> str:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(
                lambda item: bucket.put_object(Key=item[0], Body=item[1]), objects_.items()))
        return f"s3://{bucket.name}/"

    return put


def read_aws_environment() -> dict[str, str]:
    """Return the AWS variables of this process, for its scripts."""
    return {key: value for key, value in os.environ.items() if key.startswith("AWS_")}


def upload(bucket, folder: Path, files: list[Path]) -> None:
    for file in files:
        bucket.upload_file(str(file), str(file.relative_to(folder)))


def read_from(project: Project, bucket) -> None:
    """Let the project load from the bucket alone."""
    project.environment = read_aws_environment()
    project.configure(
        LOG_DATA=f"s3://{bucket.name}/log_data/", SONG_DATA=f"s3://{bucket.name}/song_data/",
        LOG_JSONPATH=f"s3://{bucket.name}/log_json_path.json",
        MANIFESTS=f"s3://{bucket.name}/manifests/", REGION="us-west-2")
