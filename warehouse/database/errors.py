"""Explain errors of the server: what happened, what to do, and whether another try may succeed.

Redshift uses one code for most of its errors, and libpq gives none for its own. So many errors are
recognised by their English text.
"""

import re

import psycopg2
from psycopg2 import errorcodes

from .. import DataError, WarehouseError
from ..config import Server
from ..signals import INTERRUPTION

NOTHING_COMMITTED = "Nothing was committed."
IN_DOUBT = ("The connection was lost during COMMIT, so the load is either complete or undone. Run it"
            " again: that is safe in both cases.")


class RowsRejected(DataError):
    """A COPY into `table` failed because of its data. The load-error tables name the rows."""

    def __init__(self, name: str):
        super().__init__(f"{name}: rows were rejected")
        self.table = name.split()[-1]


class CommitLost(WarehouseError):
    """The connection was lost during COMMIT, so it is unknown whether the server committed."""


class LoginFailed(WarehouseError):
    """The login failed after all attempts. Repeating the run would not help."""


def code_of(error: WarehouseError) -> str:
    """Return the SQLSTATE of the server's error that caused this one, or ''."""
    return getattr(error.__cause__, "pgcode", None) or ""


def message_of(error: psycopg2.Error) -> str:
    """Return the server's message and detail, without the excerpt of the statement."""
    diagnosis = error.diag
    if not diagnosis.message_primary:
        return " ".join(str(error).split()) or type(error).__name__
    parts = (diagnosis.message_primary, remove_frame(diagnosis.message_detail or ""))
    return ". ".join(part.strip().rstrip(".") for part in parts if part)


def remove_frame(detail: str) -> str:
    """Remove the frame that Redshift puts around a detail, and the message repeated inside it.

    >>> remove_frame("\\n  ------\\n  error:  No.\\n  code:  8001\\n  query:  77\\n  ------")
    'code 8001, query 77'
    """
    if "-----" not in detail:
        return " ".join(detail.split())
    fields = dict(re.findall(r"^\s*(\w+): +(.*\S)", detail, re.MULTILINE))
    new = (key for key in ("context", "code", "query") if key in fields)
    return ", ".join(f"{key} {fields[key]}" for key in new)


# ------------------------------------------------------------------------------------- a statement

LOAD_FAILED = re.compile(r"Check '(stl_load_errors|sys_load_error_detail)'")
CONFLICT = re.compile(
    r"\b1023\b|serializable isolation violation|conflict with concurrent transaction",
    re.IGNORECASE)


def explain_failure(name: str, error: psycopg2.Error) -> WarehouseError:
    """Return the error of the named statement, with advice if there is any."""
    message = message_of(error)
    if LOAD_FAILED.search(message):
        return RowsRejected(name)
    if error.pgcode == errorcodes.UNDEFINED_TABLE:
        return WarehouseError(f"{name}: {message}. Run create_tables.py first.")
    # Redshift's message is the same for a timeout and for a cancellation by hand.
    if error.pgcode == errorcodes.QUERY_CANCELED and not INTERRUPTION.number:
        return WarehouseError(
            f"{name}: {message}. If it ran out of time, raise STATEMENT_TIMEOUT in dwh.cfg.")
    advice = next((advice for pattern, advice in ADVICE if pattern.search(message)), "")
    return WarehouseError(f"{name}: {message}. {advice}" if advice else f"{name}: {message}")


def is_conflict(error: psycopg2.Error) -> bool:
    """Return True if the transaction failed because another one committed after its snapshot."""
    return error.pgcode == errorcodes.SERIALIZATION_FAILURE or bool(CONFLICT.search(message_of(error)))


def explain_ddl(error: WarehouseError) -> str:
    """Return what to do about an object that is not ours and stops a DROP or CREATE; '' for other errors."""
    code, message = code_of(error), str(error)
    if code == errorcodes.DEPENDENT_OBJECTS_STILL_EXIST or "depend on it" in message:
        return ("Drop what depends on it first. Or run etl.py --full: it loads everything again and drops"
                " nothing.")
    if code == errorcodes.INVALID_TABLE_DEFINITION or "cannot change data type of view" in message:
        return "With --force the views are dropped first, and the rights granted on them are lost."
    if code == errorcodes.WRONG_OBJECT_TYPE:
        return "Drop it first, or set another SCHEMA in dwh.cfg."
    return ""


# Messages about a COPY that Redshift cannot begin, with advice (guide: s3serviceexception-error,
# r_Load_Error_Reference, copy-parameters-data-format). The first match counts: a message about a
# manifest that cannot be read also has the reason that S3 gave.
ADVICE = tuple((re.compile(pattern, re.IGNORECASE), advice) for pattern, advice in (
    (r"Status 301|PermanentRedirect|in a different region|using the specified endpoint",
     "Set REGION in dwh.cfg to the region of the buckets. Data, manifests and JSONPaths file must"
     " be in the same region."),
    (r"Status 403|Error AccessDenied",
     "Allow the role of [IAM_ROLE] ARN s3:ListBucket on the bucket and s3:GetObject on its"
     " objects, and kms:Decrypt if a KMS key encrypts them."),
    (r"not authorized to assume IAM Role|not authorized to get credentials of role",
     "Attach the role of [IAM_ROLE] ARN to the cluster or namespace, and let its trust policy name"
     " redshift.amazonaws.com (serverless: redshift-serverless.amazonaws.com)."),
    (r"S3 prefix .* does not exist",
     "Check LOG_DATA and SONG_DATA in dwh.cfg: a prefix is the text that keys begin with, and case"
     " matters."),
    (r"Status 404|NoSuchKey|NoSuchBucket|is mandatory in the manifest",
     "Check LOG_DATA, SONG_DATA, LOG_JSONPATH and MANIFESTS in dwh.cfg. If an object was deleted"
     " between listing and COPY, run again."),
    (r"Number of jsonpaths and the number of columns",
     "The LOG_JSONPATH file needs one path for each column of staging_events that COPY fills, in"
     " the same order. Correct it, or leave LOG_JSONPATH out: then keys are matched by name."),
    (r"the JSONPaths file .*: (No such file|Is a directory|Not a directory)",
     "Check LOG_JSONPATH in dwh.cfg: it is the path of a file, relative to dwh.cfg."),
    (r"JSONPath",
     "Correct the LOG_JSONPATH file: one object {\"jsonpaths\": [\"$['key']\", …]} that fits"
     " the documents. Without LOG_JSONPATH keys are matched by name."),
    (r"reading manifest file|COPY with MANIFEST|is not a manifest|objects of the manifest",
     "etl.py writes new manifests in every run: nothing else may write under MANIFESTS. Check"
     " that, and run again."),
    (r"could not (extend|write to) file|No space left on device|\bdisk full\b",
     "Free up disk space on the database server (on Redshift: drop tables, VACUUM, or resize), and run"
     " again."),
    (r"permission denied",
     "Let an administrator grant this user that right, or make it the owner of the tables."),
))


# --------------------------------------------------------------------------------------- connecting

# libpq gives its own errors a text but no code. An error that is in neither list is not retried.
LOST = (
    "closed the connection unexpectedly|connection has been closed unexpectedly|eof detected|"
    "unexpected eof|connection reset by peer|connection timed out|broken pipe|"
    "no connection to the server|could not (?:receive data from|send data to) server|"
    "connection already closed|terminating connection")
UNREACHABLE = re.compile(
    "connection refused|timeout expired|timed out|no route to host|network is unreachable|"
    "no such file or directory\n|could not translate host name|"
    "the database system is (?:starting up|shutting down|in recovery|not yet accepting|not acc)|"
    "too many (?:clients|connections)|connection slots are reserved|connection limit .*exceeded|"
    + LOST, re.IGNORECASE)
# The resolver's messages for a name that does not exist. A temporary failure has others.
NO_SUCH_NAME = re.compile(
    "Name or service not known|nodename nor servname provided|No address associated with hostname")
AUTHENTICATION = re.compile("password|authentication")
LOGIN_ADVICE = (
    ("authentication method 13 ", "The server stores this user's password as SHA-256, which libpq "
     "does not support. Set it again, plain or as md5: ALTER USER … PASSWORD …"),
    (AUTHENTICATION, "{credentials}"),
    ("no pg_hba.conf entry", "The server does not accept this user from this machine."),
    ("database .* does not exist", "Check DB_NAME."),
    ("certificate verify failed", "No authority in {roots} signed the server's certificate. "
     "Redshift's is in SSLROOTCERT = system; for your own server, name the PEM file of its "
     "authority."),
    ("does not match host name", "HOST must be the name in the certificate, not an address or alias."),
    ("root certificate file", "Check SSLROOTCERT: it names a PEM file, or is system."),
    ("does not support SSL", "The server offers no TLS: set SSLMODE = disable only where the "
     "network is trusted."),
    ("could not translate host name", "Check HOST."),
    (UNREACHABLE, "Is the cluster running and not paused, and does its security group allow this"
     " machine? For a stand-in: is PostgreSQL running?"),
)


def split_attempts(error: psycopg2.Error) -> list[str]:
    """Return libpq's message for each address that it tried: localhost, for example, has two."""
    text = str(error).strip() or type(error).__name__
    return re.split(r"\n(?=connection to server |could not translate )", text)


def is_login_transient(error: psycopg2.Error) -> bool:
    """Return True if waiting may help.

    This includes a cancelled first statement: a workgroup may cancel it while it wakes up.
    """
    return isinstance(error, psycopg2.OperationalError) and (
        error.pgcode == errorcodes.QUERY_CANCELED
        or all(UNREACHABLE.search(f"{text}\n") for text in split_attempts(error)))


def pick_message(error: psycopg2.Error) -> str:
    """Return the most useful line: one about a failure that is not transient, if there is any."""
    attempts = split_attempts(error)
    lasting = [text for text in attempts if not UNREACHABLE.search(f"{text}\n")]
    return (lasting or attempts)[-1].splitlines()[0]


def explain_login(
    server: Server, parameters: dict[str, object], error: psycopg2.Error
) -> LoginFailed:
    """Return the error of a failed login with its address, user and advice."""
    message = pick_message(error)
    advice = next((text for pattern, text in LOGIN_ADVICE if re.search(pattern, f"{message}\n")), "")
    credentials = "Check DB_USER and DB_PASSWORD (or PGPASSWORD, ~/.pgpass)."
    if server.secret:
        credentials = f"Check username and password in SECRET = {server.secret}."
    elif server.cluster_identifier or server.workgroup:
        credentials = ("Temporary credentials do not create a user: does this one exist in the"
                       " database?")
    address = f"{server.host or parameters['host']}:{parameters['port']}/{parameters['dbname']}"
    user = parameters.get("user", "this user")
    roots = parameters.get("sslrootcert", "~/.postgresql/root.crt")
    advice = advice.format(credentials=credentials, roots=roots)
    return LoginFailed(f"cannot connect to {address} as {user}: {message.rstrip('.')}. {advice}".strip())


# ---------------------------------------------------------------------------------------- transient

TRANSIENT_CODES = {
    errorcodes.ADMIN_SHUTDOWN: "session ended by the server",
    errorcodes.CRASH_SHUTDOWN: "server crashed",
    errorcodes.CANNOT_CONNECT_NOW: "server starting or stopping",
    errorcodes.TOO_MANY_CONNECTIONS: "too many connections",
    errorcodes.SERIALIZATION_FAILURE: "conflict with another transaction",
    errorcodes.DEADLOCK_DETECTED: "deadlock",
    errorcodes.LOCK_NOT_AVAILABLE: "lock not available",
}

# The second entry is for the extra connection that COPY on the stand-in opens.
TEXTS_WITHOUT_CODE = ((LOST, "connection lost"), (UNREACHABLE.pattern, "server not reachable"))

# Redshift uses one code for most of its errors, rejected rows included.
TEXTS_OF_REDSHIFT = (
    (CONFLICT.pattern, "conflict with another transaction"),
    # guide: c_serial_isolation-serializable-isolation-troubleshooting
    (r"\b1018\b", "a table is newer than the snapshot"),
    (r"could not open relation with OID", "a table was replaced meanwhile"),
    (r"S3ServiceException.*(Status 50[03]|SlowDown|InternalError|ServiceUnavailable)",
     "S3 is busy"),
)

# The function in Redshift that cancels the statement that woke up a serverless workgroup.
RESUMING = "NFTSetupSessionStateOnRestore"


def explain_transient(error: WarehouseError) -> str:
    """Return in a few words why the same run may succeed a little later, or ''.

    A run that could not connect is not repeated, because connect() has already retried.
    """
    cause = error.__cause__
    if isinstance(error, LoginFailed) or not isinstance(cause, psycopg2.Error):
        return ""
    if error.exit_status != WarehouseError.exit_status:
        return ""
    if isinstance(error, CommitLost):
        return "connection lost"
    if cause.pgcode == errorcodes.QUERY_CANCELED and cause.diag.source_function == RESUMING:
        return "workgroup resuming"
    if cause.pgcode not in (None, errorcodes.INTERNAL_ERROR):
        return TRANSIENT_CODES.get(cause.pgcode, "")
    texts = TEXTS_OF_REDSHIFT if cause.pgcode else TEXTS_WITHOUT_CODE
    message = message_of(cause)
    return next((reason for text, reason in texts if re.search(text, message, re.IGNORECASE)), "")


