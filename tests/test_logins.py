"""Every login of dwh.cfg, with moto over HTTP, or with botocore's Stubber if moto lacks the service.

The last part runs the scripts on a real PostgreSQL that asks for the password given by AWS.
"""

import json
import os
import subprocess
import urllib.request
import uuid

import boto3
import psycopg2
import pytest
from botocore import loaders, session
from botocore.stub import Stubber
from support.databases import administering
from support.documents import event, song
from support.processes import start
from support.project import Project
from support.runs import expect_refusal
from support.s3 import S3_ENVIRONMENT
from support.sessions import hold, wait_until_somebody_waits_for

from warehouse import ConfigError, WarehouseError
from warehouse.database import connection, logins
from warehouse.database.connection import connect, make_parameters

REGION = "us-west-2"
CANARY = "canary-9Zq%#'\"\\ pw"
CLUSTER_HOST = "dwh.abc123.us-west-2.redshift.amazonaws.com"
SERVERLESS_HOST = "dwh.123456789012.us-west-2.redshift-serverless.amazonaws.com"


@pytest.fixture(scope="module")
def models():
    """A loader of botocore's models that keeps them, because a new session reads them again."""
    return loaders.create_loader()


@pytest.fixture
def aws(s3_endpoint, models, monkeypatch):
    """A function that makes a boto3 client for moto. The clients of the code are for moto as well."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {**S3_ENVIRONMENT, "AWS_ENDPOINT_URL": s3_endpoint, "AWS_CONFIG_FILE": "/dev/null",
                "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    fresh = session.Session()  # the earlier session has cached credentials
    fresh.register_component("data_loader", models)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session(botocore_session=fresh))
    return lambda service, region=REGION: boto3.client(service, region)


@pytest.fixture
def cluster(aws):
    """The identifier of a cluster that is available."""
    name = f"dwh-{uuid.uuid4().hex[:8]}"
    redshift = aws("redshift")
    redshift.create_cluster(ClusterIdentifier=name, NodeType="ra3.large", MasterUsername="admin",
                            MasterUserPassword=CANARY, Port=5440)
    yield name
    redshift.delete_cluster(ClusterIdentifier=name, SkipFinalClusterSnapshot=True)


@pytest.fixture
def keep(aws):
    """A function that stores a secret under a name like sparkify/…, and returns the name."""
    names = []

    def keep(content: object, region: str = REGION, **options) -> str:
        name = f"sparkify/{uuid.uuid4().hex[:8]}"
        text = content if isinstance(content, str) else json.dumps(content)
        options = options or {"SecretString": text}
        arn = aws("secretsmanager", region).create_secret(Name=name, **options)["ARN"]
        names.append((arn, region))
        return name if region == REGION else arn

    yield keep
    for arn, region in names:
        aws("secretsmanager", region).delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def stub(aws, monkeypatch):
    """A function that replaces the code's client of a service by a stub, and returns its Stubber."""

    def stub(service: str) -> Stubber:
        client = aws(service)
        stubber = Stubber(client)
        stubber.activate()
        monkeypatch.setattr(logins.aws, "make_client", lambda *arguments: client)
        return stubber

    return stub


def select_login(parameters: dict) -> dict:
    return {key: parameters[key] for key in ("host", "port", "dbname", "user", "password")}


# ------------------------------------------------------------------------ credentials of a cluster

def test_a_cluster_gives_its_address_and_a_password_for_a_user(make_config, cluster):
    parameters = make_parameters(make_config(CLUSTER_IDENTIFIER=cluster, DB_USER="etl", DB_NAME="dwh"))
    assert parameters["host"].startswith(f"{cluster}.")
    assert parameters["host"].endswith(".us-west-2.redshift.amazonaws.com")
    assert (parameters["port"], parameters["dbname"], parameters["user"]) == (
        5440, "dwh", "IAM:etl")
    assert len(parameters["password"]) == 32
    assert parameters["sslmode"] == "require"  # Redshift refuses such a login in plain text


def test_each_login_to_a_cluster_has_a_password_of_its_own(make_config, cluster):
    config = make_config(CLUSTER_IDENTIFIER=cluster, DB_USER="etl", DB_NAME="dwh")
    assert make_parameters(config)["password"] != make_parameters(config)["password"]


def test_host_and_port_of_dwh_cfg_take_precedence_over_those_of_the_cluster(make_config, cluster):
    config = make_config(CLUSTER_IDENTIFIER=cluster, DB_USER="etl", DB_NAME="dwh",
                         HOST="dwh.example.org", DB_PORT="5450")
    assert select_login(make_parameters(config)) | {"password": ""} == {
        "host": "dwh.example.org", "port": 5450, "dbname": "dwh", "user": "IAM:etl",
        "password": ""}


@pytest.mark.parametrize("written", ["etl", "IAM:etl"])
def test_the_user_is_asked_for_without_the_prefix(make_config, stub, written):
    redshift = stub("redshift")
    redshift.add_response(
        "get_cluster_credentials", {"DbUser": "IAM:etl", "DbPassword": CANARY},
        {"DbUser": "etl", "DbName": "dwh", "ClusterIdentifier": "dwh"})
    config = make_config(CLUSTER_IDENTIFIER="dwh", DB_USER=written, DB_NAME="dwh",
                         HOST=CLUSTER_HOST)
    assert select_login(make_parameters(config)) == {"host": CLUSTER_HOST, "port": 5439, "dbname": "dwh",
                                    "user": "IAM:etl", "password": CANARY}


def test_without_db_user_the_caller_is_the_user(make_config, stub):
    redshift = stub("redshift")
    redshift.add_response("describe_clusters", {"Clusters": [{
        "ClusterIdentifier": "dwh", "ClusterStatus": "available",
        "Endpoint": {"Address": CLUSTER_HOST, "Port": 5441}}]}, {"ClusterIdentifier": "dwh"})
    redshift.add_response("get_cluster_credentials_with_iam",
                          {"DbUser": "IAMR:loader", "DbPassword": CANARY},
                          {"DbName": "dwh", "ClusterIdentifier": "dwh"})
    assert select_login(make_parameters(make_config(CLUSTER_IDENTIFIER="dwh", DB_NAME="dwh"))) == {
        "host": CLUSTER_HOST, "port": 5441, "dbname": "dwh", "user": "IAMR:loader",
        "password": CANARY}
    redshift.assert_no_pending_responses()


def test_a_paused_cluster_is_called_paused(make_config, cluster, aws):
    aws("redshift").pause_cluster(ClusterIdentifier=cluster)
    said = f"the cluster {cluster} is paused.*aws redshift resume-cluster"
    with pytest.raises(WarehouseError, match=said):
        make_parameters(make_config(CLUSTER_IDENTIFIER=cluster, DB_USER="etl", DB_NAME="dwh"))
    config = make_config(CLUSTER_IDENTIFIER=cluster, DB_USER="etl", DB_NAME="dwh",
                         HOST="127.0.0.1", DB_PORT="1")
    with pytest.raises(WarehouseError, match=said):  # asked for when the host refuses
        connect(config)


def test_a_cluster_that_is_being_made_has_no_endpoint(make_config, stub):
    stub("redshift").add_response("describe_clusters", {"Clusters": [{
        "ClusterIdentifier": "dwh", "ClusterStatus": "creating"}]})
    with pytest.raises(WarehouseError, match="its status is creating. Wait until it is available"):
        make_parameters(make_config(CLUSTER_IDENTIFIER="dwh", DB_NAME="dwh"))


# ------------------------------------------------------------------------------- serverless

def test_a_workgroup_gives_its_address_and_a_login(make_config, stub):
    serverless = stub("redshift-serverless")
    serverless.add_response(
        "get_workgroup",
        {"workgroup": {"status": "AVAILABLE",
                       "endpoint": {"address": SERVERLESS_HOST, "port": 5440}}},
        {"workgroupName": "dwh"})
    serverless.add_response("get_credentials", {"dbUser": "IAMR:loader", "dbPassword": CANARY},
                            {"workgroupName": "dwh", "dbName": "dev"})
    assert select_login(make_parameters(make_config(WORKGROUP="dwh", DB_NAME="dev"))) == {
        "host": SERVERLESS_HOST, "port": 5440, "dbname": "dev", "user": "IAMR:loader",
        "password": CANARY}
    serverless.assert_no_pending_responses()


def test_a_workgroup_whose_host_is_known_is_not_asked_for_its_address(make_config, stub):
    serverless = stub("redshift-serverless")
    serverless.add_response("get_credentials", {"dbUser": "IAM:ann", "dbPassword": CANARY})
    config = make_config(WORKGROUP="dwh", DB_NAME="dev", HOST=SERVERLESS_HOST)
    assert make_parameters(config)["host"] == SERVERLESS_HOST
    serverless.assert_no_pending_responses()


# ----------------------------------------------------------------------------------- secrets

WHOLE = {"engine": "redshift", "host": CLUSTER_HOST, "port": 5440, "dbname": "dwh",
         "username": "etl", "password": CANARY}


def test_a_secret_gives_the_whole_login(make_config, keep):
    assert select_login(make_parameters(make_config(SECRET=keep(WHOLE)))) == {
        "host": CLUSTER_HOST, "port": 5440, "dbname": "dwh", "user": "etl", "password": CANARY}


@pytest.mark.parametrize("port, told", [("5441", 5441), (None, 5439), ("", 5439)])
def test_the_port_of_a_secret_may_be_text_or_left_out(make_config, keep, port, told):
    assert make_parameters(make_config(SECRET=keep(WHOLE | {"port": port})))["port"] == told


def test_dwh_cfg_takes_precedence_over_the_secret(make_config, keep):
    config = make_config(SECRET=keep(WHOLE), HOST="10.0.0.7", DB_PORT="5450", DB_NAME="other")
    assert select_login(make_parameters(config)) == {"host": "10.0.0.7", "port": 5450, "dbname": "other",
                                    "user": "etl", "password": CANARY}


def test_a_secret_of_user_and_password_is_enough_if_dwh_cfg_has_the_rest(make_config, keep):
    secret = keep({"username": "IAM:etl", "password": CANARY})
    parameters = make_parameters(make_config(SECRET=secret, HOST=CLUSTER_HOST, DB_NAME="dwh"))
    assert (parameters["port"], parameters["user"]) == (5439, "IAM:etl")


def test_a_secret_is_found_in_the_region_of_its_arn(make_config, keep):
    assert make_parameters(make_config(SECRET=keep(WHOLE, "eu-north-1")))["password"] == CANARY


@pytest.mark.parametrize("keys, environment, region", [
    ({"HOST": CLUSTER_HOST.replace("us-west-2", "eu-west-1"), "REGION": "eu-west-2"}, {},
     "eu-west-1"),
    ({"HOST": "db.example.org", "REGION": "eu-west-2"}, {"AWS_DEFAULT_REGION": "eu-west-3"},
     "eu-west-2"),
    ({"HOST": "db.example.org"}, {"AWS_DEFAULT_REGION": "eu-west-3"}, "eu-west-3"),
    ({"HOST": "db.example.org"}, {}, "us-west-2"),  # that of the buckets
])
def test_the_region_is_the_hosts_or_else_the_clusters_or_else_the_usual_one(
    make_config, aws, monkeypatch, keys, environment, region
):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = logins.make_client("secretsmanager", make_config(SECRET="s", DB_NAME="dwh", **keys).server)
    assert client.meta.region_name == region


@pytest.mark.parametrize("service", ["redshift", "redshift-serverless", "secretsmanager"])
def test_the_standard_variable_points_a_client_elsewhere(make_config, aws, monkeypatch, service):
    name = {"secretsmanager": "SECRETS_MANAGER"}.get(service, service.upper().replace("-", "_"))
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", "http://127.0.0.1:1")
    client = logins.make_client(service, make_config(WORKGROUP="dwh", DB_NAME="dwh").server)
    assert client.meta.endpoint_url == "http://127.0.0.1:1"


@pytest.mark.parametrize("content, lacks", [
    ({"username": "etl"}, "is missing password, host (or HOST in dwh.cfg), dbname (or DB_NAME in"),
    (WHOLE | {"username": ""}, "is missing username. Add what is missing."),
    (WHOLE | {"port": "canary"}, "is missing a port that is a number."),
    (CANARY, "is not a JSON object. Make it one with the keys username, password, host"),
    ([CANARY], "is not a JSON object."),
    ("", "is not a JSON object."),
])
def test_a_secret_without_what_is_needed_is_refused_and_not_shown(
    make_config, keep, content, lacks
):
    options = {"SecretBinary": b"canary"} if content == "" else {}
    name = keep(content, **options)
    with pytest.raises(ConfigError) as raised:
        make_parameters(make_config(SECRET=name))
    assert str(raised.value).startswith(f"SECRET = {name}: the secret {lacks}")
    assert "canary" not in str(raised.value) + repr(raised.value.__cause__)


# ------------------------------------------------------------------------------- what AWS refuses

def message(config) -> str:
    with pytest.raises(WarehouseError) as raised:
        make_parameters(config)
    return str(raised.value)


def test_a_cluster_that_is_not_there_or_in_another_region(make_config, cluster):
    said = message(make_config(CLUSTER_IDENTIFIER=cluster, DB_NAME="dwh", REGION="eu-west-1"))
    assert said.startswith(f"CLUSTER_IDENTIFIER = {cluster}: Redshift says ClusterNotFound")
    assert said.endswith("Is CLUSTER_IDENTIFIER right? If it is in another region, set [CLUSTER] REGION.")


def test_a_secret_that_is_not_there(make_config, aws):
    said = message(make_config(SECRET="nowhere"))
    assert said.startswith("SECRET = nowhere: Secrets Manager says ResourceNotFound")
    assert said.endswith("Is SECRET right? If it is in another region, set [CLUSTER] REGION.")


def test_a_workgroup_that_is_not_there(make_config, stub):
    stub("redshift-serverless").add_client_error(
        "get_workgroup", "ResourceNotFoundException", "Workgroup dwh not found")
    assert message(make_config(WORKGROUP="dwh", DB_NAME="dev")) == (
        "WORKGROUP = dwh: Redshift Serverless says ResourceNotFound: Workgroup dwh not found. "
        "Is WORKGROUP right? If it is in another region, set [CLUSTER] REGION.")


def test_no_aws_credentials(make_config, aws, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert "SECRET = s: no AWS credentials were found. Give this machine a role" in message(
        make_config(SECRET="s"))


def test_an_endpoint_that_does_not_answer(make_config, aws, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
    said = message(make_config(SECRET="s"))
    assert "SECRET = s: Could not connect to the endpoint URL" in said
    assert said.endswith("Is the region right, and does this machine reach AWS?")


def test_a_profile_that_is_not_there(make_config, aws, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert message(make_config(SECRET="s")) == (
        "AWS: The config profile (nobody) could not be found. Check AWS_PROFILE.")


ACTIONS = [
    (dict(CLUSTER_IDENTIFIER="dwh", DB_NAME="dwh"), "redshift", "describe_clusters",
     "redshift:DescribeClusters"),
    (dict(CLUSTER_IDENTIFIER="dwh", DB_NAME="dwh", HOST=CLUSTER_HOST, DB_USER="etl"), "redshift",
     "get_cluster_credentials", "redshift:GetClusterCredentials"),
    (dict(CLUSTER_IDENTIFIER="dwh", DB_NAME="dwh", HOST=CLUSTER_HOST), "redshift",
     "get_cluster_credentials_with_iam", "redshift:GetClusterCredentialsWithIAM"),
    (dict(WORKGROUP="dwh", DB_NAME="dwh"), "redshift-serverless", "get_workgroup",
     "redshift-serverless:GetWorkgroup"),
    (dict(WORKGROUP="dwh", DB_NAME="dwh", HOST=SERVERLESS_HOST), "redshift-serverless",
     "get_credentials", "redshift-serverless:GetCredentials"),
    (dict(SECRET="s"), "secretsmanager", "get_secret_value", "secretsmanager:GetSecretValue"),
]


@pytest.mark.parametrize("keys, service, method, action", ACTIONS)
@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_denied_access_names_the_action_to_allow(
    make_config, stub, keys, service, method, action, code
):
    stub(service).add_client_error(method, code, "User x is not authorized.", 403)
    assert message(make_config(**keys)).endswith(
        f"says AccessDenied: User x is not authorized. Allow {action} to whoever runs this.")


@pytest.mark.parametrize("code, step", [
    ("InvalidSignatureException", "The AWS secret key or the clock of this machine is wrong."),
    ("SignatureDoesNotMatch", "The AWS secret key or the clock of this machine is wrong."),
    ("UnrecognizedClientException", "AWS does not know these credentials."),
    ("ExpiredTokenException", "The AWS credentials have expired: get new ones."),
    ("DecryptionFailure", "Allow kms:Decrypt with the key of the secret."),
    ("InvalidRequestException", "Is the secret about to be deleted?"),
])
def test_a_wrong_request_is_explained_without_its_token(make_config, stub, code, step):
    said = "…" if "Signature" not in code else f"The canonical string is x-amz-token:{CANARY}"
    stub("secretsmanager").add_client_error("get_secret_value", code, said)
    told = message(make_config(SECRET="s"))
    assert step in told and CANARY not in told


# ------------------------------------------------------------------------- a real server behind it

@pytest.fixture
def hosted(tmp_path, tcp, aws, s3_endpoint):
    """A project on a server that asks for passwords; the user IAM:etl owns its database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    project = Project(tmp_path, tcp, name)
    project.environment = {**S3_ENVIRONMENT, "AWS_ENDPOINT_URL": s3_endpoint}
    project.settings["CLUSTER"] = {}
    project.write("log_data/1.json", [event(1), event(2)])
    project.write("song_data/1.json", song())
    with administering(tcp) as cursor:
        cursor.execute('CREATE ROLE "IAM:etl" LOGIN')
        cursor.execute(f'CREATE DATABASE {name} OWNER "IAM:etl"')
        yield project
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
        cursor.execute('DROP ROLE "IAM:etl"')


def give_password(project: Project, password: str) -> None:
    with administering(project.server) as cursor:
        cursor.execute('ALTER ROLE "IAM:etl" PASSWORD %s', (password,))


def login_of(project: Project, password: str = CANARY) -> dict:
    return {"host": "127.0.0.1", "port": project.server.port, "dbname": project.database,
            "username": "IAM:etl", "password": password}


def test_a_load_by_a_secret(hosted, keep):
    give_password(hosted, CANARY)
    hosted.configure(SECRET=keep(login_of(hosted)))
    assert hosted.run("create_tables.py").returncode == 0
    hosted.load()
    assert hosted.query("SELECT COUNT(*) FROM songplays") == [(2,)]
    assert hosted.query("SELECT tableowner FROM pg_tables WHERE tablename = 'songplays'") == [
        ("IAM:etl",)]


def test_a_load_by_temporary_credentials_of_a_cluster(hosted, cluster, s3_endpoint):
    """moto's generator of passwords can be reset, so the test knows the passwords in advance."""

    def reset_passwords():
        urllib.request.urlopen(f"{s3_endpoint}/moto-api/seed?a=7", data=b"").close()

    config = {"CLUSTER_IDENTIFIER": cluster, "DB_USER": "etl", "DB_NAME": hosted.database,
              "HOST": "127.0.0.1", "DB_PORT": str(hosted.server.port)}
    reset_passwords()
    given = boto3.client("redshift", REGION).get_cluster_credentials(
        DbUser="etl", ClusterIdentifier=cluster)
    give_password(hosted, given["DbPassword"])
    hosted.configure(**config)
    for script in ("create_tables.py", "etl.py"):
        reset_passwords()
        done = hosted.run(script)
        assert done.returncode == 0, done.stderr
    assert hosted.query("SELECT COUNT(*) FROM songplays") == [(2,)]
    said = expect_refusal(hosted, 1, "as IAM:etl: ", "password authentication failed", "Temporary",
                          rolled_back=False)  # the next password is another one, unknown to the server
    assert given["DbPassword"] not in said


def test_a_secret_that_was_rotated_while_connecting_is_fetched_once_more(
    make_config, hosted, keep, aws, monkeypatch, caplog
):
    give_password(hosted, CANARY)
    name = keep(login_of(hosted, "an older one"))
    tried = []

    def connect_and_rotate(**parameters):
        tried.append(parameters["password"])
        aws("secretsmanager").put_secret_value(
            SecretId=name, SecretString=json.dumps(login_of(hosted)))
        return psycopg2_connect(**parameters)

    psycopg2_connect = psycopg2.connect
    monkeypatch.setattr(connection.psycopg2, "connect", connect_and_rotate)
    with caplog.at_level("INFO", "warehouse"):
        connect(make_config(SECRET=name)).close()
    assert tried[:2] == ["an older one", CANARY]
    assert f"the password in SECRET = {name} has changed; trying the new one" in caplog.text
    assert CANARY not in caplog.text


def test_a_wrong_password_of_a_secret_is_tried_once(make_config, hosted, keep, monkeypatch):
    give_password(hosted, CANARY)
    config = make_config(SECRET=keep(login_of(hosted, "canary")))
    tried = []
    psycopg2_connect = psycopg2.connect
    monkeypatch.setattr(connection.psycopg2, "connect", lambda **parameters: (
        tried.append(1), psycopg2_connect(**parameters))[1])
    with pytest.raises(WarehouseError) as raised:
        connect(config)
    assert tried == [1]
    assert f"Check username and password in SECRET = {config.server.secret}." in str(raised.value)
    assert "canary" not in str(raised.value)


def test_no_secret_is_shown_anywhere(hosted, keep):
    hosted.launch = start  # so that ps shows its arguments
    canaries = {name: f"canary//{uuid.uuid4().hex}" for name in ("password", "key", "token")}
    hosted.environment |= {"AWS_SECRET_ACCESS_KEY": canaries["key"],
                           "AWS_SESSION_TOKEN": canaries["token"]}
    give_password(hosted, canaries["password"])
    secret = keep(login_of(hosted, canaries["password"]))
    hosted.configure(SECRET=secret)
    said = [hosted.run("create_tables.py", "--verbose")]
    holder = hold(hosted, "songs")
    loading = hosted.start("etl.py", "--verbose")
    wait_until_somebody_waits_for(hosted, "songs")
    seen = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True).stdout
    assert "etl.py --config" in seen
    seen += repr(hosted.query("SELECT query, application_name FROM pg_stat_activity"))
    holder.close()
    stdout, stderr = loading.communicate()
    said.append(subprocess.CompletedProcess("etl.py", loading.returncode, stdout, stderr))
    hosted.configure(DB_NAME="nowhere")  # takes precedence over the secret's
    said.append(hosted.run("etl.py", "--verbose"))
    hosted.configure(SECRET=keep(canaries["password"]))
    said.append(hosted.run("etl.py", "--verbose"))
    hosted.configure(SECRET=canaries["key"])  # an AWS secret key has 40 characters
    said.append(hosted.run("etl.py", "--verbose"))
    assert [done.returncode for done in said] == [0, 0, 1, 2, 2], said[-1].stderr
    log = (hosted.server.folder / "log").read_text()
    assert "LOG:  statement: " in log and "INSERT INTO songplays" in log
    log = "".join(line for line in log.splitlines(True) if "ALTER ROLE" not in line)  # the test's
    for text in (seen, log, *(done.stdout + done.stderr for done in said)):
        assert [name for name, canary in canaries.items() if canary in text] == []
