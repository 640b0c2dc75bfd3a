"""python -m deploy.teardown STACK: delete a stack of deploy/cloudformation.yaml, after asking.

The bucket for manifests is emptied first, because CloudFormation deletes only empty buckets. No other
bucket is touched, and stacks that the template did not make are refused.
"""

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from warehouse import WarehouseError, aws

BUCKET, NAMESPACE = "ManifestsBucket", "Namespace"  # logical ids in the template
OURS = {BUCKET, "CopyRole", "EtlRole", "EtlSecurityGroup", "FailureTopic"}  # a stack of the template has all
POLL = {"Delay": 10, "MaxAttempts": 360}  # an hour; deleting a workgroup takes some minutes


def main(arguments: list[str]) -> int:
    options = make_parser().parse_args(arguments)
    try:
        tear_down(options.stack, options.region, options.yes)
    except WarehouseError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("\nInterrupted. Run it again to see what is left.", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


def make_parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m deploy.teardown",
        description="Delete a stack of deploy/cloudformation.yaml: show what is deleted and what"
                    " stays, ask, empty the bucket for manifests, delete the stack and wait.")
    options.add_argument("stack", help="the stack's name")
    options.add_argument("--region", default="", help="its region (default: from the AWS settings)")
    options.add_argument("--yes", action="store_true", help="do not ask")
    return options


def tear_down(name: str, region: str, sure: bool) -> None:
    """Delete the stack. Raises WarehouseError; after a failure it can be run again to delete the rest."""
    formation = aws.make_client("cloudformation", region)
    with explaining(name):
        [stack] = formation.describe_stacks(StackName=name)["Stacks"]
        pages = formation.get_paginator("list_stack_resources").paginate(StackName=name)
        resources = {resource["LogicalResourceId"]: resource
                     for page in pages for resource in page["StackResourceSummaries"]}
    if not OURS <= resources.keys():
        raise WarehouseError(f"stack {name}: deploy/cloudformation.yaml did not make it. Nothing was"
                             " deleted.")
    left = {key: resource.get("PhysicalResourceId", "") for key, resource in resources.items()
            if resource["ResourceStatus"] != "DELETE_COMPLETE"}
    print(describe_deletion(stack, left))
    if not sure and ask_name() != name:
        raise WarehouseError("Nothing was deleted: that is not the name of the stack.")
    with explaining(name):
        if left.get(BUCKET):
            empty_bucket(left[BUCKET], formation.meta.region_name)
        formation.delete_stack(StackName=stack["StackId"])
        print("deleting the stack; this takes some minutes", flush=True)
        formation.get_waiter("stack_delete_complete").wait(
            StackName=stack["StackId"], WaiterConfig=POLL)
    print(f"deleted {name}")


def describe_deletion(stack: dict, left: dict[str, str]) -> str:
    """Describe what is deleted and what stays."""
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    full = ", with everything in it"
    return "\n".join([
        "This will be deleted:",
        *(f"  {key:<22}  {name or 'not made'}{full if key in (BUCKET, NAMESPACE) else ''}"
          for key, name in left.items()),
        "This stays:",
        f"  the data in s3://{parameters['DataBucket']}, which is never touched",
        f"  a snapshot of the warehouse, {name_snapshot(stack['StackId'])}, billed for 30 days",
        "  the machine that runs etl.py: terminate it first, because it uses a security group of the stack",
    ])


def name_snapshot(stack_id: str) -> str:
    """Return the FinalSnapshotName of the template."""
    _, name, unique = stack_id.split("/")
    return f"{name}-final-{unique}"


def ask_name() -> str:
    """Ask the user for the name of the stack."""
    print("Type the name of the stack to delete it: ", end="", flush=True)
    return sys.stdin.readline().strip()


def empty_bucket(bucket: str, region: str) -> None:
    """Delete every object of a bucket, with every version and delete marker."""
    s3, count = aws.make_client("s3", region), 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions = [{"Key": each["Key"], "VersionId": each["VersionId"]}
                    for kind in ("Versions", "DeleteMarkers") for each in page.get(kind, ())]
        if versions:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
            for error in answer.get("Errors", ()):
                raise WarehouseError(f"s3://{bucket}/{error['Key']}: S3 says {error['Code']}:"
                                     f" {error['Message']}")
            count += len(versions)
    print(f"emptied s3://{bucket}: deleted objects and versions: {count:,}")


@contextmanager
def explaining(name: str) -> Iterator[None]:
    """Turn errors of boto3 in this block into a WarehouseError that names the stack."""
    try:
        yield
    except Exception as error:
        if not aws.is_aws_error(error):
            raise
        steps = {"ValidationError": "Are the name and --region right?"}
        message = aws.explain_error(error, "AWS", steps)
        if type(error).__name__ == "WaiterError":
            message = ("it was not deleted. Find the cause, correct it and run this again: aws"
                       f" cloudformation describe-stack-events --stack-name {name}")
        raise WarehouseError(f"stack {name}: {message}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
