"""python -m deploy.notify SUBJECT: publish stdin as a message to the SNS topic SPARKIFY_TOPIC."""

import os
import sys

from warehouse import WarehouseError, aws

MOST_BYTES = 256 * 1024  # limit of an SNS message; a character may take four bytes


def publish(topic: str, subject: str, message: str) -> None:
    """Publish a message, in the region of the topic's ARN. Raises WarehouseError."""
    if topic.count(":") != 5 or not topic.startswith("arn:"):
        raise WarehouseError(f"SPARKIFY_TOPIC is {topic!r}, which is not the ARN of an SNS topic.")
    client = aws.make_client("sns", topic.split(":")[3])
    try:
        client.publish(TopicArn=topic, Subject=subject[:99],
                       Message=message[-MOST_BYTES // 4 :] or "The log is empty.")
    except Exception as error:
        if not aws.is_aws_error(error):
            raise
        steps = {"AuthorizationError": "Allow sns:Publish to this machine.",
                 "NotFound": "Is SPARKIFY_TOPIC right?"}
        raise WarehouseError(f"{topic}: {aws.explain_error(error, 'SNS', steps)}") from error


def main(arguments: list[str]) -> int:
    subject = " ".join(arguments) or "A load failed"
    topic = os.environ.get("SPARKIFY_TOPIC", "")
    if not topic:
        print("SPARKIFY_TOPIC is not set, so nobody is notified.", file=sys.stderr)
        return 0
    try:
        publish(topic, subject, sys.stdin.read())
    except WarehouseError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
