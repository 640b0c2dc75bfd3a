"""The files of deploy/: the template, its permissions, the grants, and the teardown.

moto does not know Redshift Serverless, so its stack is the rest of the template.
"""

import ast
import importlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
import urllib.request

import boto3
import jmespath
import pytest
import yaml
from botocore.exceptions import WaiterError
from psycopg2 import errors
from support import ROOT
from support.databases import speaking_redshift
from support.s3 import S3_ENVIRONMENT

import sql_queries
from deploy import notify, teardown
from warehouse import WarehouseError, config, objects
from warehouse.standin.sql.tokens import split_statements

DEPLOY = ROOT / "deploy"
GUIDE = (DEPLOY / "README.md").read_text()
README = (ROOT / "README.md").read_text()
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")  # moto's, about these
UNKNOWN_TO_MOTO = {"Namespace", "Workgroup", "ManifestsBucketPolicy", "EtlLoginPolicy"}


class Loader(yaml.SafeLoader):
    """A YAML loader that turns CloudFormation's short forms, such as !Ref, into the long ones."""

    def long_form(self, name: str, node: yaml.Node) -> dict:
        is_list = isinstance(node, yaml.SequenceNode)
        value = self.construct_sequence(node, True) if is_list else self.construct_scalar(node)
        if name == "GetAtt":
            value = value.split(".", 1)
        return {name if name == "Ref" else f"Fn::{name}": value}


Loader.add_multi_constructor("!", Loader.long_form)
TEMPLATE = yaml.load((DEPLOY / "cloudformation.yaml").read_text(), Loader)
RESOURCES = TEMPLATE["Resources"]


# ------------------------------------------------------------------------------------ the template

def test_cfn_lint_finds_no_error_and_no_warning():
    from cfnlint import api as cfn_lint  # the import takes a second

    found = cfn_lint.lint_file(DEPLOY / "cloudformation.yaml")
    assert [str(match) for match in found] == []


def test_the_warehouse_is_not_open_to_the_world():
    workgroup = RESOURCES["Workgroup"]["Properties"]
    assert workgroup["PubliclyAccessible"] is False
    assert {"ParameterKey": "require_ssl", "ParameterValue": "true"} in (
        workgroup["ConfigParameters"])
    [way_in] = RESOURCES["WarehouseSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert (way_in["FromPort"], way_in["ToPort"]) == (5439, 5439)
    assert way_in["SourceSecurityGroupId"] == {"Fn::GetAtt": ["EtlSecurityGroup", "GroupId"]}
    assert "SecurityGroupIngress" not in RESOURCES["EtlSecurityGroup"]["Properties"]
    assert not re.search("CidrIp|0\\.0\\.0\\.0", (DEPLOY / "cloudformation.yaml").read_text())


def test_no_password_is_in_the_template():
    namespace = RESOURCES["Namespace"]["Properties"]
    assert namespace["ManageAdminPassword"] is True and "AdminUserPassword" not in namespace
    assert not [name for name in TEMPLATE["Parameters"] if "password" in name.lower()]


def test_the_bucket_for_manifests_is_private_encrypted_and_emptied_in_time():
    bucket = RESOURCES["ManifestsBucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "SSEAlgorithm" in str(bucket["BucketEncryption"])
    [rule] = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled" and rule["ExpirationInDays"] > 0
    [statement] = RESOURCES["ManifestsBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == (
        "Deny", {"Bool": {"aws:SecureTransport": "false"}})


# --------------------------------------------------------------------------------- the permissions

def list_allowed_actions() -> set[tuple[str, str]]:
    """Return (role, action) for every statement of the template that allows an action."""
    found = set()
    for name, resource in RESOURCES.items():
        properties = resource["Properties"]
        role = properties.get("RoleName", {}).get("Ref", name)
        policies = [properties.get("AssumeRolePolicyDocument"), properties.get("PolicyDocument"),
                    *(policy["PolicyDocument"] for policy in properties.get("Policies", ()))]
        for statement in (each for policy in policies if policy for each in policy["Statement"]):
            actions = statement["Action"]
            if statement["Effect"] == "Allow":
                found |= {(role, each) for each in
                          (actions if isinstance(actions, list) else [actions])}
    return found


TABLE = re.findall(r"^\| `(\w+)` \| `([\w:-]+)` \| .+ \| `([\w.]+)` \|$", GUIDE, re.MULTILINE)


def test_the_table_of_permissions_has_every_action_of_the_template_and_no_other():
    assert {(role, action) for role, action, _ in TABLE} == list_allowed_actions()
    assert len(TABLE) == len(list_allowed_actions())
    assert not [action for _, action in list_allowed_actions() if "*" in action]


@pytest.mark.parametrize("role, action, function", TABLE)
def test_each_action_is_needed_by_the_code_that_the_table_names(role, action, function):
    module, _, name = function.rpartition(".")
    code = getattr(importlib.import_module(module), name)
    if role == "CopyRole":
        assert code.splitlines()[1].startswith("COPY ") and "IAM_ROLE %(iam_role)s" in code
    else:
        words = re.findall("[A-Z][a-z]+", action.partition(":")[2])
        call = {"list_bucket": "list_objects_v2", "assume_role": "boto3.client("}.get(
            "_".join(words).lower(), "_".join(words).lower() + "(")
        assert call in inspect.getsource(code)


def test_the_guide_names_the_same_actions_and_those_of_the_other_logins():
    named = set(re.findall(r"\b(?:s3|sns|redshift|redshift-serverless|secretsmanager):[A-Z]\w+",
                           GUIDE)) - {"s3:DeleteObjectVersion"}  # the bucket is not ours
    ours = {action for _, action in list_allowed_actions()} - {"sts:AssumeRole"}
    assert ours <= named
    code = "".join(path.read_text() for path in (ROOT / "warehouse").rglob("*.py"))
    assert [action for action in named - ours if f'"{action}"' not in code] == []


# --------------------------------------------------------------------------------------- the stack

@pytest.fixture(scope="module")
def cloud(s3_endpoint):
    """A bucket like that of the data. This process's AWS is moto."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in {**S3_ENVIRONMENT, "AWS_ENDPOINT_URL": s3_endpoint}.items():
            patch.setenv(key, value)
        data = boto3.resource("s3").Bucket("sparkify-data")
        data.create(CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        data.put_object(Key="log_data/a.json", Body=b"{}")
        yield data
        data.objects.delete()
        data.delete()


def create(name: str) -> None:
    given = {"VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2,subnet-3",
             "DataBucket": "sparkify-data"}
    boto3.client("cloudformation").create_stack(
        StackName=name, TemplateBody=(DEPLOY / "cloudformation.yaml").read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()])


def list_resources(name: str) -> dict[str, str]:
    """Return the resources that moto made, by logical id."""
    found = boto3.client("cloudformation").list_stack_resources(StackName=name)
    return {each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in found["StackResourceSummaries"] if each.get("PhysicalResourceId")}


@pytest.fixture(scope="module")
def stack(cloud):
    """The resources of the stack `sparkify`."""
    create("sparkify")
    yield list_resources("sparkify")
    assert teardown.main(["sparkify", "--yes"]) == 0


@pytest.fixture
def doomed(cloud):
    """The bucket of a stack `doomed`, full of versions and delete markers."""
    create("doomed")
    bucket = boto3.resource("s3").Bucket(list_resources("doomed")["ManifestsBucket"])
    bucket.Versioning().enable()
    for key in ("manifests/a", "manifests/a", "manifests/b"):
        bucket.put_object(Key=key, Body=b"{}")
    bucket.Object("manifests/b").delete()
    return bucket


def test_moto_makes_everything_that_it_knows(stack):
    expected = {name for name, resource in RESOURCES.items() if "Condition" not in resource}
    assert set(stack) == expected - UNKNOWN_TO_MOTO


def test_the_documented_command_prints_a_dwh_cfg_that_is_accepted(stack, tmp_path):
    query = re.search("--query '(Stacks.+?)' --output text", GUIDE)[1]
    answer = boto3.client("cloudformation").describe_stacks(StackName="sparkify")
    lines = [value for value, in jmespath.search(query, answer)]  # --output text: a row to a line
    file = tmp_path / "dwh.cfg"
    file.write_text("\n".join(reversed(lines)) + "\n")  # AWS promises no order
    found = config.read(file)
    assert (found.ignored, found.warnings) == ((), ())
    server = found.server
    assert (server.workgroup, server.database, server.cluster_region, found.data.region) == (
        "sparkify", "dev", "us-west-2", "us-west-2")
    assert found.server.sslmode == "verify-full"
    assert found.data.iam_role.endswith(f"role/{stack['CopyRole']}")
    assert (found.data.log_data, found.data.song_data, found.data.log_jsonpath, found.data.manifests) == (
        "s3://sparkify-data/log_data/", "s3://sparkify-data/song_data/",
        "s3://sparkify-data/log_json_path.json", f"s3://{stack['ManifestsBucket']}/manifests/")
    properties = RESOURCES["Workgroup"]["Properties"]
    assert properties["WorkgroupName"] == {"Ref": "AWS::StackName"}
    assert RESOURCES["Namespace"]["Properties"]["DbName"] == found.server.database


def test_the_role_of_the_machine_allows_what_a_load_does_and_nothing_else(
        stack, s3_endpoint, monkeypatch):
    """moto applies the policies of the role to S3."""
    iam, name = boto3.client("iam"), stack["EtlRole"]
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        iam.put_role_policy(  # moto keeps those of a stack as Python's text, and cannot apply them
            RoleName=name, PolicyName=policy,
            PolicyDocument=json.dumps(ast.literal_eval(document)))
    role = iam.get_role(RoleName=name)["Role"]["Arn"]
    given = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="etl")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", given["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", given["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", given["SessionToken"])
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it has cached other credentials
    objects.s3.cache_clear()
    manifests = f"s3://{stack['ManifestsBucket']}/manifests"
    forbidden = [
        lambda: objects.list_objects(manifests),
        lambda: objects.read(f"{manifests}/a"),
        lambda: objects.read("s3://sparkify-data/secret.json"),
        lambda: objects.write_new("s3://sparkify-data/log_data/b.json", b"{}"),
        lambda: objects.remove("s3://sparkify-data/log_data/a.json"),
        lambda: objects.write_new(f"s3://{stack['ManifestsBucket']}/other", b"{}"),
    ]
    enforce(s3_endpoint, "0")
    try:
        assert [file.url for file in objects.list_objects("s3://sparkify-data/log_data/")] == [
            "s3://sparkify-data/log_data/a.json"]
        assert objects.read("s3://sparkify-data/log_data/a.json") == b"{}"
        objects.write_new(f"{manifests}/a", b"{}")
        for attempt in forbidden:
            with pytest.raises(objects.ObjectError, match="AccessDenied"):
                attempt()
        objects.remove(f"{manifests}/a")
    finally:
        enforce(s3_endpoint, "inf")
        objects.s3.cache_clear()


def enforce(endpoint: str, after: str) -> None:
    """Let moto check permissions after so many more actions."""
    urllib.request.urlopen(urllib.request.Request(
        f"{endpoint}/moto-api/reset-auth", after.encode(), {"Content-Type": "text/plain"}
    )).close()


# ---------------------------------------------------------------------------------------- teardown

def has_bucket(bucket: str) -> bool:
    return bucket in [each["Name"] for each in boto3.client("s3").list_buckets()["Buckets"]]


def list_stacks() -> set[str]:
    found = boto3.client("cloudformation").describe_stacks()["Stacks"]
    return {each["StackName"] for each in found}


def test_teardown_deletes_the_stack_and_its_bucket_and_leaves_the_data(doomed, cloud):
    done = subprocess.run([sys.executable, "-m", "deploy.teardown", "doomed"], cwd=ROOT,
                          input="doomed\n", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{doomed.name}, with everything in it" in done.stdout
    assert "s3://sparkify-data, which is never touched" in done.stdout
    assert f"emptied s3://{doomed.name}: deleted objects and versions: 4" in done.stdout
    assert "doomed" not in list_stacks() and not has_bucket(doomed.name)
    assert [each.key for each in cloud.objects.all()] == ["log_data/a.json"]


def test_teardown_deletes_nothing_unless_the_name_is_typed_back(stack, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert teardown.main(["sparkify"]) == 1
    assert capsys.readouterr().err == (
        "Nothing was deleted: that is not the name of the stack.\n")
    assert "sparkify" in list_stacks() and has_bucket(stack["ManifestsBucket"])


def test_teardown_leaves_a_stack_that_the_template_did_not_make(cloud, capsys):
    formation = boto3.client("cloudformation")
    formation.create_stack(StackName="other", TemplateBody=json.dumps(
        {"Resources": {"Data": {"Type": "AWS::S3::Bucket"}}}))
    assert teardown.main(["other", "--yes"]) == 1
    assert "cloudformation.yaml did not make it" in capsys.readouterr().err
    assert has_bucket(list_resources("other")["Data"])
    formation.delete_stack(StackName="other")


def test_a_teardown_that_aws_stops_says_how_to_see_why():
    with pytest.raises(WarehouseError, match="aws cloudformation describe-stack-events"):
        with teardown.explaining("sparkify"):
            raise WaiterError("StackDeleteComplete", "DELETE_FAILED", {})


def test_teardown_of_a_stack_that_is_not_there_says_so(cloud, capsys):
    assert teardown.main(["nothing", "--yes"]) == 1
    assert "Are the name and --region right?" in capsys.readouterr().err


def test_teardown_names_the_snapshot_that_the_template_leaves():
    text, given = RESOURCES["Namespace"]["Properties"]["FinalSnapshotName"]["Fn::Sub"]
    assert given["Id"] == {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
    named = teardown.name_snapshot("arn:aws:cloudformation:us-west-2:123456789012:stack/sparkify/1b-2c")
    assert named == text.replace("${AWS::StackName}", "sparkify").replace("${Id}", "1b-2c")


# ---------------------------------------------------------------------------------------- failures

def test_the_mail_of_a_failure_carries_the_end_of_the_log(stack, cloud):
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="mail")["QueueUrl"]
    boto3.client("sns").subscribe(
        TopicArn=stack["FailureTopic"], Protocol="sqs",
        Endpoint="arn:aws:sqs:us-west-2:123456789012:mail",
        Attributes={"RawMessageDelivery": "true"})
    done = subprocess.run([sys.executable, "-m", "deploy.notify", "The load failed"], cwd=ROOT,
                          input="x" * 300_000 + "the last line\n", text=True, capture_output=True,
                          env=os.environ | {"SPARKIFY_TOPIC": stack["FailureTopic"]})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"].endswith("the last line\n") and len(message["Body"]) <= 256 * 1024
    sqs.delete_queue(QueueUrl=queue)


def test_without_a_topic_no_mail_is_sent_and_the_log_says_so(monkeypatch, capsys):
    monkeypatch.delenv("SPARKIFY_TOPIC", raising=False)
    assert notify.main(["The load failed"]) == 0
    assert capsys.readouterr().err == "SPARKIFY_TOPIC is not set, so nobody is notified.\n"


@pytest.mark.parametrize("topic, said", [
    ("sparkify", "which is not the ARN of an SNS topic"),
    ("arn:aws:sns:us-west-2:123456789012:nobody", "Is SPARKIFY_TOPIC right?"),
])
def test_a_wrong_topic_is_reported(cloud, topic, said):
    with pytest.raises(WarehouseError, match=re.escape(said)):
        notify.publish(topic, "The load failed", "why")


# -------------------------------------------------------------------------------- grants, workflow

def statements_of(name: str) -> list[str]:
    return ["".join(token.text for token in statement)
            for statement in split_statements((DEPLOY / name).read_text())]


def test_the_grants_are_to_the_user_that_stands_for_the_role():
    written = "".join(statements_of("grants.sql") + statements_of("analysts.sql"))
    names = re.findall('"(IAMR?:[^"]+)"', written)
    pattern = RESOURCES["EtlRole"]["Properties"]["RoleName"]["Fn::Sub"]
    assert set(names) == {"IAMR:" + pattern.replace("${AWS::StackName}", "sparkify")}


def test_with_the_grants_the_user_makes_the_tables_and_analysts_read_all_but_etl_lock(
        server, database, postgres, redshift):
    user, *grants = statements_of("grants.sql")
    assert user.endswith('CREATE USER "IAMR:sparkify-etl" PASSWORD DISABLE')  # PostgreSQL does not have them
    cursor = postgres.cursor()
    cursor.execute(f'CREATE ROLE "IAMR:sparkify-etl"; REVOKE ALL ON SCHEMA public FROM PUBLIC;'
                   f' REVOKE TEMP ON DATABASE {database} FROM PUBLIC')
    for grant in grants:
        cursor.execute(grant.replace("DATABASE dev", f"DATABASE {database}"))
    try:
        postgres.commit()
        redshift.commit()  # an administrator has made the stand-in's own tables with it

        role = "-c role=IAMR:sparkify-etl"
        with speaking_redshift(server, database, options=role) as connection:
            with connection, connection.cursor() as etl_user:
                for sql in (*sql_queries.create_lasting_queries, *sql_queries.create_table_queries):
                    etl_user.execute(sql)
            for grant in statements_of("analysts.sql"):
                cursor.execute(grant)
            postgres.commit()
            with connection, connection.cursor() as etl_user:
                for sql in sql_queries.create_view_queries:
                    etl_user.execute(sql)
                etl_user.execute(sql_queries.touched_users_create)
        cursor.execute("SET ROLE analysts")
        for table in ("songplays", "loads", "top_songs"):
            cursor.execute(f"SELECT COUNT(*) FROM {table}")
            assert cursor.fetchone() == (0,)
        for forbidden in ("DELETE FROM songplays", "SELECT * FROM etl_lock"):
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute(forbidden)
            postgres.rollback()
            cursor.execute("SET ROLE analysts")
    finally:
        postgres.rollback()
        cursor.execute("RESET ROLE")
        cursor.execute('DROP OWNED BY "IAMR:sparkify-etl"; DROP OWNED BY analysts;'
                       ' DROP ROLE "IAMR:sparkify-etl", analysts')
        postgres.commit()


def test_github_runs_the_test_line_of_the_readme():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    [job] = workflow["jobs"].values()
    [command] = [step["run"] for step in job["steps"] if "run" in step]
    assert f"## Development\n\n```\n{command}\n```" in README
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True and job["timeout-minutes"] <= 60
    matrix = job["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest"] and "3.11" in matrix["python"]
    for step in job["steps"]:
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/none@v1"))
