"""Where the server is and who logs in: what dwh.cfg says, else what AWS answers.

There are four ways: a password; temporary credentials of a cluster (guide:
generating-iam-credentials-cli-api) or of a serverless workgroup; a secret in Secrets Manager
(guide: reference_secret_json_structure). Nothing is kept: credentials expire and secrets rotate,
so they are asked for again at each login. Every failure is a WarehouseError with no secret in it.
"""

import json
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Iterator

from .. import ConfigError, WarehouseError, aws
from ..config import Server
from ..config.hosts import region_of

log = logging.getLogger(__name__)

DEFAULT_PORT = 5439
NEXT_STEPS = {
    "AccessDenied": "Allow {action} to whoever runs this.",
    "ClusterNotFound": "Is CLUSTER_IDENTIFIER right? [CLUSTER] REGION says where it is.",
    "ResourceNotFound": "Is {key} right? [CLUSTER] REGION says where it is.",
    "Validation": "Check {key} and DB_NAME.",
    "InvalidParameterValue": "Check {key}, DB_NAME and DB_USER.",
    "DecryptionFailure": "Allow kms:Decrypt with the key of the secret.",
    "InvalidRequest": "Is the secret about to be deleted? Restore it, or name another.",
}


@dataclass(frozen=True)
class Login:
    """A server, a database on it, and who logs in there."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)


def find_login(server: Server) -> Login:
    """The login that dwh.cfg chooses."""
    if server.cluster_identifier:
        return of_cluster(server)
    if server.workgroup:
        return of_workgroup(server)
    if server.secret:
        return of_secret(server)
    return Login(server.host, server.port, server.database, server.user, server.password)


def of_cluster(server: Server) -> Login:
    """By temporary credentials: of DB_USER, else of the user that stands for the caller."""
    key = f"CLUSTER_IDENTIFIER = {server.cluster_identifier}"
    redshift = client("redshift", server)
    host, port = server.host, server.port
    if not host:
        cluster = describe_cluster(redshift, server)
        refuse_paused(cluster)
        host, port = endpoint(server, key, cluster.get("Endpoint"), cluster.get("ClusterStatus"))
    wanted = {"ClusterIdentifier": server.cluster_identifier, "DbName": server.database}
    if server.user:
        with asking("Redshift", "redshift:GetClusterCredentials", key):
            # AWS puts the prefix before the name, and takes none.
            given = redshift.get_cluster_credentials(
                DbUser=server.user.removeprefix("IAM:"), **wanted)
    else:
        with asking("Redshift", "redshift:GetClusterCredentialsWithIAM", key):
            given = redshift.get_cluster_credentials_with_iam(**wanted)
    return Login(host, port or DEFAULT_PORT, server.database, given["DbUser"], given["DbPassword"])


def of_workgroup(server: Server) -> Login:
    """By temporary credentials of the user that stands for the caller."""
    key = f"WORKGROUP = {server.workgroup}"
    serverless = client("redshift-serverless", server)
    host, port = server.host, server.port
    if not host:
        with asking("Redshift Serverless", "redshift-serverless:GetWorkgroup", key):
            found = serverless.get_workgroup(workgroupName=server.workgroup)["workgroup"]
        host, port = endpoint(server, key, found.get("endpoint"), found.get("status"))
    with asking("Redshift Serverless", "redshift-serverless:GetCredentials", key):
        given = serverless.get_credentials(
            workgroupName=server.workgroup, dbName=server.database)
    return Login(host, port or DEFAULT_PORT, server.database, given["dbUser"], given["dbPassword"])


def of_secret(server: Server) -> Login:
    """By user and password of a secret; what dwh.cfg says of the server takes precedence."""
    key = f"SECRET = {server.secret}"
    with asking("Secrets Manager", "secretsmanager:GetSecretValue", key):
        text = client("secretsmanager", server).get_secret_value(
            SecretId=server.secret).get("SecretString")
    try:
        content = json.loads(text or "")
    except ValueError:  # which quotes the text, and is not to be seen
        content = None
    if not isinstance(content, dict):
        raise ConfigError(f"{key}: the secret is no JSON object. Make it one with the keys "
                          "username, password, host, port and dbname.")
    known = {name: str(value) for name, value in content.items() if value not in (None, "")}
    host, database = server.host or known.get("host"), server.database or known.get("dbname")
    lacking = [name for name in ("username", "password") if name not in known]
    lacking += ["host (or HOST in dwh.cfg)"] if not host else []
    lacking += ["dbname (or DB_NAME in dwh.cfg)"] if not database else []
    port = server.port or known.get("port") or DEFAULT_PORT
    if not str(port).isdecimal():
        lacking.append("a port that is a number")
    if lacking:
        raise ConfigError(f"{key}: the secret lacks {', '.join(lacking)}. Add what is missing.")
    return Login(host, int(port), database, known["username"], known["password"])


def client(service: str, server: Server):
    """A client in the region of the secret or the endpoint, else of [CLUSTER] REGION, else of the
    usual AWS settings, else of the buckets."""
    in_arn = server.secret.split(":")[3] if server.secret.startswith("arn:") else ""
    region = in_arn or region_of(server.host) or server.cluster_region
    with asking(service, f"the use of {service}", "AWS"):
        return aws.make_client(service, region, server.fallback_region)


def endpoint(server: Server, key: str, found: dict | None, status: str | None) -> tuple[str, int]:
    """Host and port of what AWS describes; DB_PORT takes precedence."""
    names = {name.lower(): value for name, value in (found or {}).items()}
    if not names.get("address"):
        raise WarehouseError(f"{key}: it has no endpoint; its status is {status}. Wait until it "
                             "is available, or write HOST.")
    return names["address"], server.port or names.get("port")


def describe_cluster(redshift, server: Server) -> dict:
    name = server.cluster_identifier
    with asking("Redshift", "redshift:DescribeClusters", f"CLUSTER_IDENTIFIER = {name}"):
        return redshift.describe_clusters(ClusterIdentifier=name)["Clusters"][0]


def refuse_paused(cluster: dict) -> None:
    """Raise WarehouseError for a paused cluster: no waiting helps, somebody must resume it."""
    status = [cluster.get(name, "") for name in ("ClusterStatus", "ClusterAvailabilityStatus")]
    if "paused" in map(str.lower, status):
        name = cluster["ClusterIdentifier"]
        raise WarehouseError(f"the cluster {name} is paused. Resume it and try again when it is "
                             f"available: aws redshift resume-cluster --cluster-identifier {name}")


def look_for_a_pause(server: Server) -> None:
    """After a failure to connect: raise WarehouseError if AWS says that the cluster is paused."""
    if not server.cluster_identifier:
        return
    try:
        cluster = describe_cluster(client("redshift", server), server)
    except WarehouseError as error:  # who may log in need not be allowed to look
        log.debug("%s", error)
        return
    refuse_paused(cluster)


@contextmanager
def asking(service: str, action: str, key: str) -> Iterator[None]:
    """Turn boto3's errors into a WarehouseError that names the setting and the IAM action."""
    try:
        yield
    except Exception as error:
        if not aws.is_aws_error(error):
            raise
        steps = {code: step.format(action=action, key=key.partition(" ")[0])
                 for code, step in NEXT_STEPS.items()}
        raise WarehouseError(f"{key}: {aws.explain_error(error, service, steps)}") from error
