"""Find the address of the server and the login. AWS supplies what dwh.cfg leaves out.

There are four ways to log in: a password; temporary credentials of a cluster (guide:
generating-iam-credentials-cli-api); temporary credentials of a serverless workgroup; a secret in
Secrets Manager (guide: reference_secret_json_structure). Nothing is cached: credentials expire and
secrets rotate, so each login asks again. Every failure is a WarehouseError without secrets.
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
AWS_ADVICE = {
    "AccessDenied": "Allow {action} to whoever runs this.",
    "ClusterNotFound": "Is CLUSTER_IDENTIFIER right? If it is in another region, set [CLUSTER] REGION.",
    "ResourceNotFound": "Is {key} right? If it is in another region, set [CLUSTER] REGION.",
    "Validation": "Check {key} and DB_NAME.",
    "InvalidParameterValue": "Check {key}, DB_NAME and DB_USER.",
    "DecryptionFailure": "Allow kms:Decrypt with the key of the secret.",
    "InvalidRequest": "Is the secret about to be deleted? Restore it, or name another.",
}


@dataclass(frozen=True)
class Login:
    """The address of a server, a database on it, a user and a password."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)


def find_login(server: Server) -> Login:
    """Return the login, in the way that dwh.cfg chooses."""
    if server.cluster_identifier:
        return fetch_cluster_login(server)
    if server.workgroup:
        return fetch_workgroup_login(server)
    if server.secret:
        return fetch_secret_login(server)
    return Login(server.host, server.port, server.database, server.user, server.password)


def fetch_cluster_login(server: Server) -> Login:
    """Return temporary credentials for DB_USER, else for the database user of the IAM identity."""
    key = f"CLUSTER_IDENTIFIER = {server.cluster_identifier}"
    redshift = make_client("redshift", server)
    host, port = server.host, server.port
    if not host:
        cluster = describe_cluster(redshift, server)
        refuse_paused(cluster)
        host, port = find_endpoint(server, key, cluster.get("Endpoint"), cluster.get("ClusterStatus"))
    request = {"ClusterIdentifier": server.cluster_identifier, "DbName": server.database}
    if server.user:
        with calling_aws("Redshift", "redshift:GetClusterCredentials", key):
            # AWS adds this prefix to the name itself, and does not accept it in a request.
            credentials = redshift.get_cluster_credentials(
                DbUser=server.user.removeprefix("IAM:"), **request)
    else:
        with calling_aws("Redshift", "redshift:GetClusterCredentialsWithIAM", key):
            credentials = redshift.get_cluster_credentials_with_iam(**request)
    return Login(host, port or DEFAULT_PORT, server.database,
                 credentials["DbUser"], credentials["DbPassword"])


def fetch_workgroup_login(server: Server) -> Login:
    """Return temporary credentials for the database user of the IAM identity."""
    key = f"WORKGROUP = {server.workgroup}"
    serverless = make_client("redshift-serverless", server)
    host, port = server.host, server.port
    if not host:
        with calling_aws("Redshift Serverless", "redshift-serverless:GetWorkgroup", key):
            workgroup = serverless.get_workgroup(workgroupName=server.workgroup)["workgroup"]
        host, port = find_endpoint(server, key, workgroup.get("endpoint"), workgroup.get("status"))
    with calling_aws("Redshift Serverless", "redshift-serverless:GetCredentials", key):
        credentials = serverless.get_credentials(
            workgroupName=server.workgroup, dbName=server.database)
    return Login(host, port or DEFAULT_PORT, server.database,
                 credentials["dbUser"], credentials["dbPassword"])


def fetch_secret_login(server: Server) -> Login:
    """Return the login in a secret. Host, port and database in dwh.cfg take precedence."""
    key = f"SECRET = {server.secret}"
    with calling_aws("Secrets Manager", "secretsmanager:GetSecretValue", key):
        text = make_client("secretsmanager", server).get_secret_value(
            SecretId=server.secret).get("SecretString")
    try:
        content = json.loads(text or "")
    except ValueError:  # its message would quote the secret
        content = None
    if not isinstance(content, dict):
        raise ConfigError(f"{key}: the secret is not a JSON object. Make it one with the keys "
                          "username, password, host, port and dbname.")
    secret = {name: str(value) for name, value in content.items() if value not in (None, "")}
    host, database = server.host or secret.get("host"), server.database or secret.get("dbname")
    missing = [name for name in ("username", "password") if name not in secret]
    missing += ["host (or HOST in dwh.cfg)"] if not host else []
    missing += ["dbname (or DB_NAME in dwh.cfg)"] if not database else []
    port = server.port or secret.get("port") or DEFAULT_PORT
    if not str(port).isdecimal():
        missing.append("a port that is a number")
    if missing:
        raise ConfigError(f"{key}: the secret is missing {', '.join(missing)}. Add what is missing.")
    return Login(host, int(port), database, secret["username"], secret["password"])


def make_client(service: str, server: Server):
    """Return a boto3 client.

    Its region is that of the secret's ARN or of HOST, else [CLUSTER] REGION, else the one in the usual
    AWS settings, else that of the buckets.
    """
    in_arn = server.secret.split(":")[3] if server.secret.startswith("arn:") else ""
    region = in_arn or region_of(server.host) or server.cluster_region
    with calling_aws(service, f"the use of {service}", "AWS"):
        return aws.make_client(service, region, server.fallback_region)


def find_endpoint(
    server: Server, key: str, endpoint: dict | None, status: str | None
) -> tuple[str, int]:
    """Return host and port of an endpoint that AWS describes. DB_PORT takes precedence."""
    parts = {name.lower(): value for name, value in (endpoint or {}).items()}
    if not parts.get("address"):
        raise WarehouseError(f"{key}: it has no endpoint; its status is {status}. Wait until it "
                             "is available, or write HOST.")
    return parts["address"], server.port or parts.get("port")


def describe_cluster(redshift, server: Server) -> dict:
    name = server.cluster_identifier
    with calling_aws("Redshift", "redshift:DescribeClusters", f"CLUSTER_IDENTIFIER = {name}"):
        return redshift.describe_clusters(ClusterIdentifier=name)["Clusters"][0]


def refuse_paused(cluster: dict) -> None:
    """Raise WarehouseError if the cluster is paused: waiting does not help, somebody must resume it."""
    status = [cluster.get(name, "") for name in ("ClusterStatus", "ClusterAvailabilityStatus")]
    if "paused" in map(str.lower, status):
        name = cluster["ClusterIdentifier"]
        raise WarehouseError(f"the cluster {name} is paused. Resume it and try again when it is "
                             f"available: aws redshift resume-cluster --cluster-identifier {name}")


def refuse_if_reported_paused(server: Server) -> None:
    """Raise WarehouseError if AWS reports that the cluster is paused. Called when connecting fails."""
    if not server.cluster_identifier:
        return
    try:
        cluster = describe_cluster(make_client("redshift", server), server)
    except WarehouseError as error:  # a user who may log in need not have the right to describe
        log.debug("%s", error)
        return
    refuse_paused(cluster)


@contextmanager
def calling_aws(service: str, action: str, key: str) -> Iterator[None]:
    """Turn boto3's errors into a WarehouseError that names the setting and the IAM action."""
    try:
        yield
    except Exception as error:
        if not aws.is_aws_error(error):
            raise
        advice = {code: text.format(action=action, key=key.partition(" ")[0])
                  for code, text in AWS_ADVICE.items()}
        raise WarehouseError(f"{key}: {aws.explain_error(error, service, advice)}") from error
