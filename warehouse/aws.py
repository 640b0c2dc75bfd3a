"""AWS clients, and what their errors mean. boto3 is imported when the first client is made.

Paging, retries and credentials are boto3's own; AWS_ENDPOINT_URL_<SERVICE> points a client
elsewhere.
"""

from . import ConfigError


def make_client(service: str, region: str = "", fallback: str = "us-east-1", **options):
    """A client in the region, else in that of the usual AWS settings, else in the fallback."""
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
    except ValueError as error:  # of what it found in the environment
        if is_aws_error(error):
            raise
        raise ConfigError(f"{error}. Check the AWS_ settings of the environment; an"
                          " AWS_ENDPOINT_URL begins with http:// or https://.") from error


NEXT_STEPS = {
    "ExpiredToken": "The AWS credentials have expired: get new ones.",
    "InvalidAccessKeyId": "The AWS credentials are not known there.",
    "InvalidClientTokenId": "The AWS credentials are not known there.",
    "UnrecognizedClient": "The AWS credentials are not known there.",
    "SignatureDoesNotMatch": "The AWS secret key is wrong, or the clock of this machine is.",
    "InvalidSignature": "The AWS secret key is wrong, or the clock of this machine is.",
    "IncompleteSignature": "The AWS credentials are not whole.",
    "RequestTimeTooSkewed": "The clock of this machine is wrong.",
}


SSO = "Log in again: aws sso login."
UNANSWERED = {
    "EndpointConnectionError": "Is the region right, and does this machine reach AWS?",
    "ConnectTimeoutError": "Is the region right, and does this machine reach AWS?",
    "ProfileNotFound": "Check AWS_PROFILE.",
    "SSOTokenLoadError": SSO,
    "TokenRetrievalError": SSO,
    "UnauthorizedSSOTokenError": SSO,
}


def is_aws_error(error: Exception) -> bool:
    """Whether boto3 raised it: its classes are not known until it is imported."""
    return type(error).__module__.startswith(("botocore", "boto3", "urllib3"))


def get_code(error: Exception) -> str:
    """AWS's code without the endings that only some services add; '' if AWS did not answer."""
    code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")
    return code.removesuffix("Exception").removesuffix("Fault")


def explain_error(error: Exception, service: str, next_steps: dict[str, str]) -> str:
    """What boto3 raised and what to do; next_steps, by code, go before the general ones."""
    if code := get_code(error):
        said = error.response["Error"].get("Message") or code
        if "Signature" in code:  # the message quotes the request's headers, tokens among them
            said = "the signature is wrong"
        step = (NEXT_STEPS | next_steps).get(code, "")
        return f"{service} says {code}: {said.rstrip('.')}. {step}".strip()
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return (
            "no AWS credentials were found. Give this machine a role, run `aws configure`, or set"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    step = UNANSWERED.get(type(error).__name__)
    return f"{str(error).rstrip('.')}. {step}" if step else str(error)
