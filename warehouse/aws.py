"""AWS clients, and explanations of their errors.

boto3 does the paging and the retries and finds the credentials. It is slow to import, so it is
imported with the first client. AWS_ENDPOINT_URL_<SERVICE> points a client to another server.
"""

from . import ConfigError


def make_client(service: str, region: str = "", fallback: str = "us-east-1", **options):
    """Make a client in the given region, else in the region of the AWS settings, else in the fallback."""
    import boto3
    from botocore.config import Config

    settings = Config(**{
        "retries": {"mode": "standard", "total_max_attempts": 5},
        "connect_timeout": 10,
        "read_timeout": 60,
        **options,
    })
    try:
        region = region or boto3.session.Session().region_name or fallback
        return boto3.client(service, region_name=region, config=settings)
    except ValueError as error:  # also raised by boto3 itself for bad AWS_ settings
        if is_aws_error(error):
            raise
        raise ConfigError(f"{error}. Check the AWS_ variables in the environment. An"
                          " AWS_ENDPOINT_URL begins with http:// or https://.") from error


NEXT_STEPS = {  # by AWS's error code
    "ExpiredToken": "The AWS credentials have expired: get new ones.",
    "InvalidAccessKeyId": "AWS does not know these credentials.",
    "InvalidClientTokenId": "AWS does not know these credentials.",
    "UnrecognizedClient": "AWS does not know these credentials.",
    "SignatureDoesNotMatch": "The AWS secret key or the clock of this machine is wrong.",
    "InvalidSignature": "The AWS secret key or the clock of this machine is wrong.",
    "IncompleteSignature": "The AWS credentials are incomplete.",
    "RequestTimeTooSkewed": "The clock of this machine is wrong.",
}


SSO = "Log in again: aws sso login."
CLIENT_NEXT_STEPS = {  # by boto3's exception, if AWS did not answer or was not asked
    "EndpointConnectionError": "Is the region right, and does this machine reach AWS?",
    "ConnectTimeoutError": "Is the region right, and does this machine reach AWS?",
    "ProfileNotFound": "Check AWS_PROFILE.",
    "SSOTokenLoadError": SSO,
    "TokenRetrievalError": SSO,
    "UnauthorizedSSOTokenError": SSO,
}


def is_aws_error(error: Exception) -> bool:
    """Return whether boto3 raised the error. Goes by module name, because boto3 may not be imported yet."""
    return type(error).__module__.startswith(("botocore", "boto3", "urllib3"))


def get_code(error: Exception) -> str:
    """Return AWS's error code without the endings that only some services add; '' if AWS did not answer."""
    code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")
    return code.removesuffix("Exception").removesuffix("Fault")


def explain_error(error: Exception, service: str, next_steps: dict[str, str]) -> str:
    """Describe an error of boto3 and what to do. next_steps, by error code, override the general ones."""
    if code := get_code(error):
        message = error.response["Error"].get("Message") or code
        if "Signature" in code:  # the message quotes the request's headers, tokens among them
            message = "the signature is wrong"
        step = (NEXT_STEPS | next_steps).get(code, "")
        return f"{service} says {code}: {message.rstrip('.')}. {step}".strip()
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return (
            "no AWS credentials were found. Give this machine a role, run `aws configure`, or set"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    step = CLIENT_NEXT_STEPS.get(type(error).__name__)
    return f"{str(error).rstrip('.')}. {step}" if step else str(error)
