"""What an error of the server means: what to say, what to do, and whether it passes by itself.

Redshift has one code for most of what happens in it, and libpq has none for what it finds out itself,
so much is told from the English text.
"""

import re

import psycopg2
from psycopg2 import errorcodes

from .. import DataError, WarehouseError
from ..config import Server
from ..signals import INTERRUPTION

NOTHING_COMMITTED = "Nothing was committed."
IN_DOUBT = ("The connection was lost while a COMMIT was on its way, so the load is either complete"
            " or undone. Run it again: that is safe in both cases.")


class RowsRejected(DataError):
    """A COPY into a table failed because of its data; the load-error tables know which rows."""

    def __init__(self, name: str):
        super().__init__(f"{name}: rows were rejected")
        self.table = name.split()[-1]


class CommitLost(WarehouseError):
    """The connection was lost during COMMIT; nobody here knows whether it was carried out."""


class Unreachable(WarehouseError):
    """Could not connect after all attempts; repeating the run would not help."""


def code_of(error: WarehouseError) -> str:
    """The SQLSTATE of the server's error behind one of ours, or ''."""
    return getattr(error.__cause__, "pgcode", None) or ""


def message_of(error: psycopg2.Error) -> str:
    """The server's message with its detail, without the quotation of the statement."""
    diagnosis = error.diag
    if not diagnosis.message_primary:
        return " ".join(str(error).split()) or type(error).__name__
    said = (diagnosis.message_primary, without_frame(diagnosis.message_detail or ""))
    return ". ".join(part.strip().rstrip(".") for part in said if part)


def without_frame(detail: str) -> str:
    """Redshift frames many details and repeats the message in them; what is new stays.

    >>> without_frame("\\n  ------\\n  error:  No.\\n  code:  8001\\n  query:  77\\n  ------")
    'code 8001, query 77'
    """
    if "-----" not in detail:
        return " ".join(detail.split())
    fields = dict(re.findall(r"^\s*(\w+): +(.*\S)", detail, re.MULTILINE))
    told = (key for key in ("context", "code", "query") if key in fields)
    return ", ".join(f"{key} {fields[key]}" for key in told)


# ------------------------------------------------------------------------------------- a statement

LOAD_FAILED = re.compile(r"Check '(stl_load_errors|sys_load_error_detail)'")
STALE = re.compile(
    r"\b1023\b|serializable isolation violation|conflict with concurrent transaction",
    re.IGNORECASE)


def explain(name: str, error: psycopg2.Error) -> WarehouseError:
    """The error of a statement, with what to do about it where that is known."""
    said = message_of(error)
    if LOAD_FAILED.search(said):
        return RowsRejected(name)
    if error.pgcode == errorcodes.UNDEFINED_TABLE:
        return WarehouseError(f"{name}: {said}. Run create_tables.py first.")
    # Redshift's words for a timeout do not tell it from a cancellation by hand.
    if error.pgcode == errorcodes.QUERY_CANCELED and not INTERRUPTION.number:
        return WarehouseError(
            f"{name}: {said}. If it ran out of time, STATEMENT_TIMEOUT in dwh.cfg allows more.")
    advice = next((advice for told, advice in NEXT_STEPS if told.search(said)), "")
    return WarehouseError(f"{name}: {said}. {advice}" if advice else f"{name}: {said}")


def is_stale(error: psycopg2.Error) -> bool:
    """Whether the transaction failed because its snapshot is older than what another committed."""
    return error.pgcode == errorcodes.SERIALIZATION_FAILURE or bool(STALE.search(message_of(error)))


def explain_ddl(error: WarehouseError) -> str:
    """What stops a DROP or CREATE that is not ours, and what to do; '' if it is something else."""
    code, said = code_of(error), str(error)
    if code == errorcodes.DEPENDENT_OBJECTS_STILL_EXIST or "depend on it" in said:
        return ("Drop what depends on it first. To load everything again nothing needs to be dropped:"
                " etl.py --full reloads the tables as they stand.")
    if code == errorcodes.INVALID_TABLE_DEFINITION or "cannot change data type of view" in said:
        return "With --force the views are dropped first, and with them what was granted on them."
    if code == errorcodes.WRONG_OBJECT_TYPE:
        return "Drop it first, or set another SCHEMA in dwh.cfg."
    return ""


# What Redshift says of a COPY that it cannot begin (guide: s3serviceexception-error,
# r_Load_Error_Reference, copy-parameters-data-format), and what helps. The first that fits counts:
# of a manifest that cannot be read it says the reason of S3, too.
NEXT_STEPS = tuple((re.compile(told, re.IGNORECASE), advice) for told, advice in (
    (r"Status 301|PermanentRedirect|in a different region|using the specified endpoint",
     "Set REGION in dwh.cfg to the region of the buckets; data, manifests and JSONPaths file must"
     " lie in one."),
    (r"Status 403|Error AccessDenied",
     "Allow the role of [IAM_ROLE] ARN s3:ListBucket on the bucket and s3:GetObject on its"
     " objects, and kms:Decrypt if a key of KMS encrypts them."),
    (r"not authorized to assume IAM Role|not authorized to get credentials of role",
     "Attach the role of [IAM_ROLE] ARN to the cluster or namespace, and let its trust policy name"
     " redshift.amazonaws.com (serverless: redshift-serverless.amazonaws.com)."),
    (r"S3 prefix .* does not exist",
     "Check LOG_DATA and SONG_DATA in dwh.cfg: a prefix is the text that keys begin with, in small"
     " and capital letters."),
    (r"Status 404|NoSuchKey|NoSuchBucket|is mandatory in the manifest",
     "Check LOG_DATA, SONG_DATA, LOG_JSONPATH and MANIFESTS in dwh.cfg; if an object went away"
     " between listing and COPY, run again."),
    (r"Number of jsonpaths and the number of columns",
     "The file of LOG_JSONPATH needs a path for each column of staging_events that COPY fills, in"
     " their order. Correct it, or leave LOG_JSONPATH out: then keys are matched by name."),
    (r"the JSONPaths file .*: (No such file|Is a directory|Not a directory)",
     "Check LOG_JSONPATH in dwh.cfg: it is the path of a file, relative to dwh.cfg."),
    (r"JSONPath",
     "Correct the file of LOG_JSONPATH: one object {\"jsonpaths\": [\"$['key']\", …]} that fits"
     " the documents. Without LOG_JSONPATH keys are matched by name."),
    (r"reading manifest file|COPY with MANIFEST|is not a manifest|objects of the manifest",
     "etl.py writes new manifests in every run: nothing else may write under MANIFESTS. Check"
     " that, and run again."),
    (r"could not (extend|write to) file|No space left on device|\bdisk full\b",
     "Free space on the disks of the database (on Redshift: drop tables, VACUUM, or resize), and run"
     " again."),
    (r"permission denied",
     "Let an administrator grant this user that right, or make it the owner of the tables."),
))


# --------------------------------------------------------------------------------------- connecting

# libpq gives no code for what it finds out itself, only text; what is not in these lists is not
# tried again.
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
# The resolver's words for a name that does not exist; those for one that it could not look up differ.
NO_SUCH_NAME = re.compile(
    "Name or service not known|nodename nor servname provided|No address associated with hostname")
AUTHENTICATION = re.compile("password|authentication")
HINTS = (
    ("authentication method 13 ", "The server keeps this user's password as SHA-256, which libpq "
     "cannot send. Set it again, plain or as md5: ALTER USER … PASSWORD …"),
    (AUTHENTICATION, "{who}"),
    ("no pg_hba.conf entry", "The server does not admit this user from this machine."),
    ("database .* does not exist", "Check DB_NAME."),
    ("certificate verify failed", "No authority in {roots} signed the server's certificate. "
     "Redshift's is in SSLROOTCERT = system; for your own server, name the PEM file of its "
     "authority."),
    ("does not match host name", "HOST must be the name in the certificate, no address or alias."),
    ("root certificate file", "Check SSLROOTCERT: it names a PEM file, or is system."),
    ("does not support SSL", "The server offers no TLS: set SSLMODE = disable only where the "
     "network is trusted."),
    ("could not translate host name", "Check HOST."),
    (UNREACHABLE, "Is the cluster running and not paused, and does its security group admit this"
     " machine? For a stand-in: is PostgreSQL running?"),
)


def split_attempts(error: psycopg2.Error) -> list[str]:
    """What libpq said, by address: localhost, for example, has two."""
    said = str(error).strip() or type(error).__name__
    return re.split(r"\n(?=connection to server |could not translate )", said)


def is_login_transient(error: psycopg2.Error) -> bool:
    """Whether waiting may help. A workgroup that wakes may also cancel the first statement."""
    return isinstance(error, psycopg2.OperationalError) and (
        error.pgcode == errorcodes.QUERY_CANCELED
        or all(UNREACHABLE.search(f"{said}\n") for said in split_attempts(error)))


def complaint_of(error: psycopg2.Error) -> str:
    """The line that says most: one that is not transient, if there is any."""
    said = split_attempts(error)
    lasting = [text for text in said if not UNREACHABLE.search(f"{text}\n")]
    return (lasting or said)[-1].splitlines()[0]


def explain_login(
    server: Server, parameters: dict[str, object], error: psycopg2.Error
) -> Unreachable:
    """What a failed login means, and what to look at."""
    said = complaint_of(error)
    hint = next((hint for pattern, hint in HINTS if re.search(pattern, f"{said}\n")), "")
    who = "Check DB_USER and DB_PASSWORD (or PGPASSWORD, ~/.pgpass)."
    if server.secret:
        who = f"Check username and password in SECRET = {server.secret}."
    elif server.cluster_identifier or server.workgroup:
        who = "Temporary credentials make no user: has somebody created this one in the database?"
    where = f"{server.host or parameters['host']}:{parameters['port']}/{parameters['dbname']}"
    where += f" as {parameters.get('user', 'this user')}"
    hint = hint.format(who=who, roots=parameters.get("sslrootcert", "~/.postgresql/root.crt"))
    return Unreachable(f"cannot connect to {where}: {said.rstrip('.')}. {hint}".strip())


# ---------------------------------------------------------------------------------------- transient

CODES = {
    errorcodes.ADMIN_SHUTDOWN: "session ended by the server",
    errorcodes.CRASH_SHUTDOWN: "server crashed",
    errorcodes.CANNOT_CONNECT_NOW: "server starting or stopping",
    errorcodes.TOO_MANY_CONNECTIONS: "too many connections",
    errorcodes.SERIALIZATION_FAILURE: "conflict with another transaction",
    errorcodes.DEADLOCK_DETECTED: "deadlock",
    errorcodes.LOCK_NOT_AVAILABLE: "lock not available",
}

# The second entry is for the extra connection that the stand-in's COPY opens.
TEXTS_WITHOUT_CODE = ((LOST, "connection lost"), (UNREACHABLE.pattern, "server not reachable"))

# Redshift has one code for most of what happens in it, rejected rows included.
TEXTS_OF_REDSHIFT = (
    (STALE.pattern, "conflict with another transaction"),
    # guide: c_serial_isolation-serializable-isolation-troubleshooting
    (r"\b1018\b", "a table is newer than the snapshot"),
    (r"could not open relation with OID", "a table was replaced meanwhile"),
    (r"S3ServiceException.*(Status 50[03]|SlowDown|InternalError|ServiceUnavailable)",
     "S3 is busy"),
)

# The function of Redshift that cancels the statement on which a serverless workgroup woke up.
RESUMING = "NFTSetupSessionStateOnRestore"


def explain_transient(error: WarehouseError) -> str:
    """Why the same run may succeed a little later, in a few words; '' if it would not.

    Connecting is patient by itself, so a run that could not connect is not repeated.
    """
    cause = error.__cause__
    if isinstance(error, Unreachable) or not isinstance(cause, psycopg2.Error):
        return ""
    if error.exit_status != WarehouseError.exit_status:
        return ""
    if isinstance(error, CommitLost):
        return "connection lost"
    if cause.pgcode == errorcodes.QUERY_CANCELED and cause.diag.source_function == RESUMING:
        return "workgroup resuming"
    if cause.pgcode not in (None, errorcodes.INTERNAL_ERROR):
        return CODES.get(cause.pgcode, "")
    texts = TEXTS_OF_REDSHIFT if cause.pgcode else TEXTS_WITHOUT_CODE
    said = message_of(cause)
    return next((why for text, why in texts if re.search(text, said, re.IGNORECASE)), "")


