"""dwh.cfg as other people write it: read if it has only one meaning, else reported with the line."""
import pytest

from warehouse import ConfigError
from warehouse.config import read

HOST = "c1.abc.us-west-2.redshift.amazonaws.com"
ARN = "arn:aws:iam::123456789012:role/dwhRole"
LOGIN = f"HOST = {HOST}\nDB_NAME = dev\nDB_USER = ann\nDB_PASSWORD = Canary55\nDB_PORT = 5440\n"
ROLE = f"[IAM_ROLE]\nARN = {ARN}\n"
S3 = "[S3]\nLOG_DATA = 's3://dend/log'\nLOG_JSONPATH = s3://dend/p.json\nSONG_DATA = 's3://dend/song'\n"
PLAIN = f"[CLUSTER]\n{LOGIN}{ROLE}{S3}"
LOCAL = "[CLUSTER]\nHOST = local\n[S3]\nLOG_DATA = log_data\nSONG_DATA = song_data\n"
VALUES = dict(host=HOST, port=5440, database="dev", user="ann", password="Canary55", iam_role=ARN,
              log_data="s3://dend/log", log_jsonpath="s3://dend/p.json", song_data="s3://dend/song",
              region="us-west-2", cluster_identifier="", workgroup="")


@pytest.fixture
def tell(tmp_path):
    """A function that reads a text. It returns the values unlike VALUES, and all messages."""
    def read_and_tell(text):
        path = tmp_path / "dwh.cfg"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        try:
            config = read(path)
        except ConfigError as error:
            values, said = None, str(error)
        else:
            found = vars(config.server) | vars(config.data)
            values = {name: found[name] for name in VALUES if found[name] != VALUES[name]}
            said = "\n".join([*config.warnings, *config.ignored])
            assert "Canary" not in repr(config)
        assert "Canary" not in said
        return values, said.replace(str(path), "dwh.cfg")
    return read_and_tell


def swap(old, new, text=PLAIN):
    assert old in text
    return text.replace(old, new)


# thirty files, written without a look at the reader: (text, values unlike VALUES, message); None
# for the values is a refusal

DWH = (f"[AWS]\nKEY =\nSECRET =\n[DWH]\nDWH_CLUSTER_TYPE = multi-node\nDWH_IAM_ROLE_NAME = r\n"
       "DWH_CLUSTER_IDENTIFIER = dwhCluster\nDWH_DB = dwh\nDWH_DB_USER = bob\n"
       f"DWH_DB_PASSWORD = Canary1\nDWH_PORT = 5439\nDWH_ENDPOINT = {HOST}\nDWH_ROLE_ARN = {ARN}\n{S3}")
NOTES = ('[NOTES]\njust a line\nto do: ask Ann\nto do: ask Bob\nQUOTE = "open\n    and on it goes\n'
         "[NOTES]\nanother\n")
FOREIGN = {
    "the template": (PLAIN, {}, ""),
    "leftovers of a notebook": (
        swap(ROLE, "CLUSTER_IDENTIFIER = dwhCluster\nCLUSTER_TYPE = multi-node\n" + ROLE)
        + "[DWH]\nDWH_CLUSTER_IDENTIFIER = dwhCluster\n", {},
        "[CLUSTER] CLUSTER_IDENTIFIER\n[CLUSTER] CLUSTER_TYPE\n[DWH]"),
    "all under DWH": (DWH, dict(port=5439, database="dwh", user="bob", password="Canary1"),
                      "dwh.cfg: settings found elsewhere: [DWH] DWH_ENDPOINT (line 12) as [CLUSTER] "
                      "HOST, [DWH] DWH_PORT (line 11) as [CLUSTER] DB_PORT, "),
    "login under DB": (swap("[CLUSTER]", "[DB]"), {}, "[DB] DB_PASSWORD (line 5) as [CLUSTER] DB_P"),
    "login under credentials, with colons": (
        f"[credentials]\nhost: {HOST}\ndbname: dev\nuser: ann\npassword: Canary55\nport: 5440\n{ROLE}{S3}",
        {}, "[CREDENTIALS] DBNAME (line 3) as [CLUSTER] DB_NAME"),
    "login under REDSHIFT": (
        f"[REDSHIFT]\nREDSHIFT_HOST = {HOST}\nREDSHIFT_DB = dev\nREDSHIFT_USER = ann\n"
        f"REDSHIFT_PASSWORD = Canary55\nREDSHIFT_PORT = 5440\n{ROLE}{S3}", {}, "REDSHIFT_PORT (line 6)"),
    "role under SECURITY": (swap("[IAM_ROLE]\nARN", "[SECURITY]\nROLE_ARN"), {},
                            "[SECURITY] ROLE_ARN (line 8) as [IAM_ROLE] ARN."),
    "ARN_ROLE": (swap("\nARN", "\nARN_ROLE"), {}, "[IAM_ROLE] ARN_ROLE (line 8) as [IAM_ROLE] ARN."),
    "two roles": (swap(ROLE, f"[IAM]\nROLE_ARN = {ARN}\n[ROLE]\nDWH_ROLE_ARN = {ARN}2\n"), None,
                  "dwh.cfg:10: [IAM] ROLE_ARN (line 8) and [ROLE] DWH_ROLE_ARN (line 10) are the same "
                  "setting but differ. Keep one value, as [IAM_ROLE] ARN."),
    "endpoint as the console shows it": (
        swap(f"HOST = {HOST}", f"ENDPOINT = {HOST}:5439/dev"), None, f"dwh.cfg:2: ENDPOINT is "
        f"'{HOST}:5439/dev'; write HOST = {HOST} and, on lines of their own, DB_PORT = 5439 and"),
    "%(bucket)s": (swap("'s3://dend/log'", "s3://%(bucket)s/log"), None,
                   "dwh.cfg:10: LOG_DATA is 's3://%(bucket)s/log'; write the whole value: %(NAME)s and"),
    "${bucket}": (swap("'s3://dend/song'", "${S3:bucket}/song"), None,
                  "dwh.cfg:12: SONG_DATA is '${S3:bucket}/song'; write the whole value: %(NAME)s"),
    "DEFAULT": ("[DEFAULT]\nREGION = eu-west-3\nDB_PASSWORD = Canary2\n"
                + swap("DB_PASSWORD = Canary55\n", ""), dict(password="Canary2", region="eu-west-3"),
                "[DEFAULT] DB_PASSWORD (line 3) as [CLUSTER] DB_PASSWORD, [DEFAULT] REGION (line 2) as"),
    "values on the next line": (swap("ARN = ", "ARN =\n    ", swap("LOG_DATA = ", "LOG_DATA =\n\t")), {}, ""),
    "a section of notes": (PLAIN + NOTES, {}, "[NOTES]"),
    "SONG_JSONPATH": (PLAIN + "SONG_JSONPATH = s3://dend/s.json\n", {},
                      "[S3] SONG_JSONPATH (songs are matched by key)"),
    "AWS_REGION": ("[AWS]\nKEY =\nAWS_REGION = us-west-2\n" + PLAIN, {}, "[AWS] KEY"),
    "two regions": ("[AWS]\nREGION_NAME = eu-west-1\n" + PLAIN + "BUCKET_REGION = us-east-1\n",
                    dict(region="us-east-1"), "[S3] BUCKET_REGION (line 15) as [S3] REGION."),
    "zero-width blank": (swap("ann", "ann\u200b"), None, "dwh.cfg:4: DB_USER contains U+200B, which is "
                         "invisible. Delete it, or type the line again."),
    "no-break blanks": (swap("DB_NAME = dev", "\xa0DB_NAME\xa0=\xa0dev\xa0"), {}, ""),
    "curly quotes": (swap("'s3://dend/log'", "‘s3://dend/log’"), None,
                     "dwh.cfg:10: LOG_DATA is in curly quotes."),
    "# in the password": (swap("Canary55", "Canary #55"), dict(password="Canary"),
                          "dwh.cfg:5: DB_PASSWORD ends before the #, and the rest is read as a comment."),
    "%% in the password": (swap("Canary55", "Canary%%5"), dict(password="Canary%%5"),
                           "dwh.cfg:5: DB_PASSWORD contains %%, which is taken literally. Python's"),
    "BOM, CRLF and tabs": (b"\xef\xbb\xbf" + swap("\n", "\r\n", swap(" = ", "\t=\t")).encode(), {}, ""),
    "UTF-16": (PLAIN.encode("utf-16"), None, "dwh.cfg:1: is written in UTF-16. Save the file as UTF-8."),
    "a section twice": (PLAIN + "[CLUSTER]\n" + LOGIN, None,
                        "dwh.cfg:13: [CLUSTER] already begins on line 1."),
    "no host": (swap(f"HOST = {HOST}\n", ""), None, "dwh.cfg: [CLUSTER] HOST is missing. Write, for example, "
                "HOST = dwh.abc123xyz789.us-west-2.redshift.amazonaws.com under [CLUSTER]."),
    "host left empty, filled in elsewhere": (
        swap(HOST, "") + f"[DWH]\nDWH_ENDPOINT = {HOST}\n", None,
        "dwh.cfg: [CLUSTER] HOST (line 2) is empty; line 14, [DWH] DWH_ENDPOINT, looks like it: move it "
        "under [CLUSTER] as HOST."),
    "DATA": (swap("[S3]", "[DATA]", swap("[IAM_ROLE]\nARN", "IAM_ROLE_ARN")), {},
             "[CLUSTER] IAM_ROLE_ARN (line 7) as [IAM_ROLE] ARN, [DATA] LOG_DATA (line 9) as [S3] LOG_DATA"),
    "indented, passwords elsewhere": (
        swap("\nDB_", "\n  DB_", swap("DB_PASSWORD = Canary55\n", "")) + "[DB]\n  DB_PASSWORD = Canary1\n"
        "[DWH]\n  DWH_DB_PASSWORD = Canary2\n", dict(password=""),
        "dwh.cfg:13: [CLUSTER] DB_PASSWORD is not set, so the password comes from PGPASSWORD or ~/.pgpass. "
        "[DB] DB_PASSWORD looks like it: if it is, move it under [CLUSTER] as DB_PASSWORD."),
}


@pytest.mark.parametrize("text, values, said", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_read_or_the_message_says_what_to_change(tell, text, values, said):
    found = tell(text)
    assert found[0] == values and said in found[1] and bool(said) == bool(found[1]), found


# A1: a whole login by password beside the name of the cluster

@pytest.mark.parametrize("key", [
    "CLUSTER_IDENTIFIER", "DWH_CLUSTER_IDENTIFIER", "DB_CLUSTER_IDENTIFIER", "WORKGROUP"])
@pytest.mark.parametrize("section", ["CLUSTER", "DWH"])
def test_a_whole_login_by_password_counts(tell, key, section):
    text = swap("[CLUSTER]\n", f"[CLUSTER]\n{key} = dwhCluster\n") if section == "CLUSTER" else (
        PLAIN + f"[DWH]\n{key} = dwhCluster\n")
    assert tell(text) == ({}, f"[CLUSTER] {key}" if section == "CLUSTER" else "[DWH]")


@pytest.mark.parametrize("lacking", ["HOST", "DB_USER"])
def test_a_login_by_password_that_is_not_whole_contradicts(tell, lacking):
    lines = [line for line in LOGIN.splitlines() if not line.startswith(lacking)]
    text = swap(LOGIN, "\n".join(["CLUSTER_IDENTIFIER = dwh", *lines, ""]))
    assert "dwh.cfg:2: CLUSTER_IDENTIFIER and DB_PASSWORD contradict each other" in tell(text)[1]


# A2: values that stand elsewhere

@pytest.mark.parametrize("section, key", [
    ("DWH", "DWH_ENDPOINT"), ("DWH", "DWH_HOST"), ("DB", "HOST"), ("DB", "DB_HOST"), ("X", "ENDPOINT"),
    ("REDSHIFT", "REDSHIFT_HOST"), ("REDSHIFT", "REDSHIFT_CLUSTER_ENDPOINT"), ("A B", "HOSTNAME"),
    ("CLUSTER", "DB_HOST"), ("CLUSTER", "DWH_ENDPOINT"), ("DEFAULT", "HOST")])
def test_the_only_host_is_read(tell, section, key):
    without = swap(f"HOST = {HOST}\n", "")
    text = (swap("[CLUSTER]\n", f"[CLUSTER]\n{key} = {HOST}\n", without) if section == "CLUSTER"
            else without + f"[{section}]\n{key} = {HOST}\n")
    values, said = tell(text)
    assert values == {} and f"[{section}] {key} (line " in said and " as [CLUSTER] HOST." in said


@pytest.mark.parametrize("host", ["localhost", "10.0.0.7", f"{HOST}x"])
def test_a_host_elsewhere_that_is_no_redshift_is_only_a_hint(tell, host):
    text = swap(f"HOST = {HOST}\n", "") + f"[POSTGRES]\nHOST = {host}\nPORT = 5432\nPASSWORD = Canary\n"
    assert tell(text)[1] == ("dwh.cfg: [CLUSTER] HOST is missing; line 13, [POSTGRES] HOST, looks like it: "
                             "move it under [CLUSTER] as HOST.")


def test_different_hosts_elsewhere_are_refused(tell):
    text = swap(f"HOST = {HOST}\n", "") + f"[DWH]\nDWH_ENDPOINT = {HOST}\n[DB]\nHOST = x{HOST}\n"
    assert tell(text) == (None, "dwh.cfg:15: [DWH] DWH_ENDPOINT (line 13) and [DB] HOST (line 15) are the "
                          "same setting but differ. Keep one value, as [CLUSTER] HOST.")


def test_the_same_host_twice_elsewhere_is_read(tell):
    text = swap(f"HOST = {HOST}\n", "") + f"[DWH]\nDWH_ENDPOINT = {HOST}\n[DB]\nHOST = {HOST}\n"
    assert tell(text)[0] == {}


def test_the_port_comes_with_the_host_and_the_password_with_the_user(tell):
    other = "[POSTGRES]\nPORT = 5432\nPASSWORD = Canary\n"
    text = swap("DB_PORT = 5440\n", "", swap("DB_PASSWORD = Canary55\n", "")) + other
    values, said = tell(text)
    assert values == dict(port=5439, password="")
    assert "[POSTGRES] PASSWORD looks like it" in said and "5432" not in said


@pytest.mark.parametrize("empty", ["", "''", "    # left to ~/.pgpass"])
def test_a_password_elsewhere_is_mentioned_if_db_password_is_empty(tell, empty):
    values, said = tell(swap("Canary55", empty) + "[DWH]\nDWH_DB_PASSWORD = Canary1\n")
    assert values == dict(password="") and "dwh.cfg:14: [CLUSTER] DB_PASSWORD is not set, so the" in said


def test_a_whole_login_is_not_mixed_with_another(tell):
    other = f"[DWH]\nDWH_ENDPOINT = x{HOST}\nDWH_DB = other\nDWH_DB_USER = bob\nDWH_DB_PASSWORD = Canary1\n"
    assert tell(PLAIN + other) == ({}, "[DWH]")


def test_a_cluster_that_is_only_named_is_left_over_beside_a_whole_login_elsewhere(tell):
    text = swap("[CLUSTER]", "[CLUSTER]\nCLUSTER_IDENTIFIER = dwhCluster\nNODES = 4\n[DB]")
    values, said = tell(text)
    assert values == {} and said.endswith("[CLUSTER] CLUSTER_IDENTIFIER\n[CLUSTER] NODES")


def test_a_user_of_aws_is_no_user_of_the_database(tell):
    text = swap("DB_USER = ann\n", "") + "[AWS]\nIAM_USER = x\n"
    assert "[CLUSTER] DB_USER is missing; line 13, [AWS] IAM_USER, looks like it" in tell(text)[1]


@pytest.mark.parametrize("login", ["CLUSTER_IDENTIFIER = dwh\nDB_USER = etl", "WORKGROUP = dwh",
                                   "SECRET = dwh/etl"])
def test_a_login_by_aws_is_not_mixed_with_a_password_elsewhere(tell, login):
    other = f"[DWH]\nDWH_ENDPOINT = {HOST}\nDWH_DB_USER = bob\nDWH_DB_PASSWORD = Canary1\n"
    values, said = tell(f"[CLUSTER]\n{login}\nDB_NAME = dev\n{ROLE}{S3}REGION = us-west-2\n{other}")
    assert (values["host"], values["password"], said) == ("", "", "[DWH]")


def test_the_stand_in_needs_nothing_from_elsewhere(tell):
    other = f"[DWH]\nDWH_DB = other\nDWH_DB_USER = bob\nDWH_DB_PASSWORD = Canary\nDWH_ROLE_ARN = {ARN}\n"
    values, said = tell(LOCAL + other)
    assert (values["database"], values["user"], values["password"], values["iam_role"], said) == (
        "dwh", "", "", "default", "[DWH]")


@pytest.mark.parametrize("section, key", [
    ("SECURITY", "ROLE_ARN"), ("IAM", "ROLE_ARN"), ("ROLE", "DWH_ROLE_ARN"), ("IAM_ROLE", "ARN_ROLE"),
    ("AWS", "IAM_ROLE_ARN"), ("DWH", "DWH_ROLE_ARN"), ("CLUSTER", "ARN"), ("CLUSTER", "IAM_ROLE")])
def test_the_only_role_is_read(tell, section, key):
    role = f"{key} = {ARN}\n"
    text = swap(ROLE, role if section == "CLUSTER" else f"[{section}]\n{role}")
    assert tell(text)[0] == {}


def test_another_arn_is_no_role(tell):
    other = "[IAM]\nROLE_NAME = dwhRole\nPOLICY_ARN = arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess\n"
    assert "[IAM_ROLE] ARN is missing. Write" in tell(swap(ROLE, other))[1]


@pytest.mark.parametrize("old, new, setting, line, like, section, key", [
    (f"HOST = {HOST}", f"OUR_OWN_HOST = {HOST}", "[CLUSTER] HOST", 2, "[CLUSTER] OUR_OWN_HOST",
     "CLUSTER", "HOST"),
    ("[IAM_ROLE]\nARN", "[R]\nMY_ROLE_ARN", "[IAM_ROLE] ARN", 8, "[R] MY_ROLE_ARN", "IAM_ROLE", "ARN"),
    (f"HOST = {HOST}\n", f"ADDRESS = {HOST}\n", "[CLUSTER] HOST", 2, "[CLUSTER] ADDRESS", "CLUSTER", "HOST"),
    (ROLE, "[R]\nROLE_ARN = x\n", "[IAM_ROLE] ARN", 8, "[R] ROLE_ARN", "IAM_ROLE", "ARN")])
def test_a_name_that_resembles_a_setting_is_only_a_hint(tell, old, new, setting, line, like, section, key):
    assert tell(swap(old, new)) == (None, f"dwh.cfg: {setting} is missing; line {line}, {like}, looks like "
                                    f"it: move it under [{section}] as {key}.")


@pytest.mark.parametrize("section", ["DATA", "BUCKETS", "AWS", "CLUSTER"])
def test_the_data_is_found_in_any_section(tell, section):
    text = swap("[S3]\n", "" if section == "CLUSTER" else f"[{section}]\n")
    if section == "CLUSTER":
        text = swap("[CLUSTER]\n", S3.replace("[S3]", "[CLUSTER]"), swap(S3, ""))
    assert tell(text)[0] == {}


def test_a_paths_file_beside_other_data_is_not_read(tell):
    text = swap("LOG_JSONPATH = s3://dend/p.json\n", "") + "[OLD]\nLOG_JSONPATH = s3://old/p.json\n"
    assert tell(text) == (dict(log_jsonpath="auto ignorecase"), "[OLD]")


@pytest.mark.parametrize("line", ["DB_USER ann", "DB_USER​ = ann", "D/B_USER = ann"])
def test_a_line_elsewhere_that_is_no_key_and_value_is_no_candidate(tell, line):
    text = swap("DB_USER = ann\n", "", swap("DB_PASSWORD = Canary55\n", ""))
    assert tell(f"{text}[X]\n{line}\n")[1] == (
        "dwh.cfg: [CLUSTER] DB_USER is missing. Write, for example, DB_USER = dwhuser under [CLUSTER].")


# A3 and A4: interpolation

@pytest.mark.parametrize("value, doubt", [
    ("Canary%%5", "contains %%, which is taken literally. Python's configparser would read it as one %. "
     "If you mean that, write one %. If the text is right, put it in quotes."),
    ("Canary%(Canary)s", "contains %(NAME)s or ${NAME}, which is taken literally."),
    ("Canary${Canary}", "contains %(NAME)s or ${NAME}, which is taken literally."),
    ("'Canary%%5'", ""), ("Canary%5", ""), ("Canary$5", "")])
def test_a_password_that_configparser_reads_differently_is_a_warning(tell, value, doubt):
    values, said = tell(swap("Canary55", value))
    assert values == dict(password=value.strip("'")) and doubt in said and bool(doubt) == bool(said)


def test_doubled_signs_elsewhere_are_a_warning_in_quotes_too(tell):
    values, said = tell(swap("dend/log", "dend/100%%"))
    assert values == dict(log_data="s3://dend/100%%") and "dwh.cfg:10: LOG_DATA contains %%" in said


@pytest.mark.parametrize("old, key", [
    (HOST, "HOST"), ("dev", "DB_NAME"), ("ann", "DB_USER"), ("5440", "DB_PORT"), (ARN, "ARN"),
    ("'s3://dend/log'", "LOG_DATA"), ("s3://dend/p.json", "LOG_JSONPATH"), ("'s3://dend/song'", "SONG_DATA")])
@pytest.mark.parametrize("new", ["%(x)s", "s3://dend/%(x y)s/z", "${x}", "s3://dend/${S3:x}"])
def test_interpolation_is_refused_by_name_in_every_value_but_the_password(tell, old, key, new):
    _, said = tell(swap(old, new))
    assert f": {key} is '{new}'; write the whole value: %(NAME)s and ${{NAME}} are not expanded" in said


def test_a_secret_in_an_interpolation_is_not_shown(tell):
    assert "may contain a secret" in tell(swap("dend/log", f"dend/%({'Canary' * 6}Cana)s"))[1]


# A5: [DEFAULT]

def test_a_default_counts_unless_the_section_has_the_key(tell):
    text = "[DEFAULT]\nDB_PORT = 5555\nDB_NAME = other\nMAX_ERRORS = x\n" + swap("DB_PORT = 5440\n", "")
    values, said = tell(text)
    assert values is None and said.startswith("dwh.cfg:4: MAX_ERRORS is 'x'; write a whole number")
    values, said = tell(swap("MAX_ERRORS = x\n", "NOTE = x\n", text))
    assert values == dict(port=5555)
    assert "[DEFAULT] DB_PORT (line 2) as [CLUSTER] DB_PORT." in said and "[DEFAULT] DB_NAME" in said


def test_a_default_may_be_anything_but_a_secret(tell):
    said = tell("[DEFAULT]\nSSLMODE = disable\nRETRIES = 5\n" + PLAIN)[1]
    assert "SSLMODE is disable, so" in said and "[DEFAULT] RETRIES (line 3) as [LOAD] RETRIES." in said


def test_a_secret_of_aws_under_default_is_no_login(tell):
    assert tell("[DEFAULT]\nKEY = AKIA\nSECRET = Canary\n" + PLAIN) == (
        {}, "[DEFAULT] KEY\n[DEFAULT] SECRET")


def test_an_empty_value_in_its_section_takes_precedence_over_the_default(tell):
    assert tell("[DEFAULT]\nDB_PASSWORD = Canary1\n" + swap("Canary55", ""))[0] == dict(password="")


# A6: a value on the next line

@pytest.mark.parametrize("old, new", [
    (f"ARN = {ARN}", f"ARN =\n  {ARN}"), (f"ARN = {ARN}", f"ARN :\n\t'{ARN}' # note"),
    ("'s3://dend/log'", "\n    s3://dend/log"), (f"HOST = {HOST}", f"HOST = \n {HOST}"),
    ("Canary55", "\n  Canary55"), ("5440", "\n\t5440")])
def test_a_value_on_the_next_indented_line_is_read(tell, old, new):
    assert tell(swap(old, new))[0] == {}


@pytest.mark.parametrize("old, new, key", [
    ("Canary55", "\n  Canary=55", "DB_PASSWORD"), ("Canary55", "\n  Canary:55", "DB_PASSWORD"),
    ("ann", "\n  'Canary", "DB_USER"), (f"HOST = {HOST}", f"HOST =\n  {HOST}:5439", "HOST")])
def test_a_next_line_that_may_be_something_else_is_refused(tell, old, new, key):
    values, said = tell(swap(old, new))
    assert values is None and len(said.splitlines()) == 1 and key in said
    if key != "DB_USER":
        line = said.split(":")[1]
        assert said == (f"dwh.cfg:{line}: {key} has no value on its line; line {int(line) + 1} may be the "
                        "value. Write both on one line.")


def test_indented_keys_are_keys(tell):
    assert tell(swap("DB_USER", "   DB_USER", swap("Canary55", "")))[0] == dict(password="")
    assert tell(swap("Canary55\nDB_PORT", "\n    DB_PORT"))[0] == dict(password="")


@pytest.mark.parametrize("empty", ["''", " # a note"])
def test_a_line_after_a_value_that_is_meant_to_be_empty_is_no_value(tell, empty):
    said = tell(swap("Canary55", f"{empty}\n   Canary55"))[1]
    assert "dwh.cfg:5: line 6 is indented below DB_PASSWORD" in said and "Canary55" not in said


@pytest.mark.parametrize("rest", ["Canary56", "Canary56=", "Canary56 = ab", "Canary56: ab"])
def test_a_password_over_two_lines_is_refused_and_no_part_of_it_is_shown(tell, rest):
    said = tell(swap("Canary55", f"Canary55\n    {rest}"))[1]
    assert "dwh.cfg:5: line 6 is indented below DB_PASSWORD" in said
    assert "Write the whole value on one line" in said and "CANARY" not in said.upper()


def test_a_password_over_two_lines_in_another_section_is_refused_too(tell):
    text = swap("DB_USER = ann\n", "", swap("DB_PASSWORD = Canary55\n", ""))
    values, said = tell(f"{text}[DWH]\nDB_USER = ann\nDWH_DB_PASSWORD = Canary55\n    Canary56\n")
    assert values is None and "is indented below DWH_DB_PASSWORD" in said and "CANARY" not in said.upper()


def test_a_line_that_is_no_setting_is_not_named_by_the_line_indented_below_it(tell):
    said = tell(swap("Canary55", "Canary55\nCanaryPass55\n    third"))[1]
    assert "dwh.cfg:6: " in said and "CANARY" not in said.upper()


def test_a_setting_that_is_indented_below_a_password_is_read(tell):
    assert tell(swap("Canary55\nDB_PORT", "Canary55\n    DB_PORT")) == ({}, "")


def test_a_line_that_is_not_indented_is_no_value(tell):
    assert "dwh.cfg:6: this is neither" in tell(swap("Canary55", "\nCanary55"))[1]


# A7: what is ignored is not judged

@pytest.mark.parametrize("junk", [
    b"a bare line\n", b"K = 1\nK = 2\n", b"[X]\n", b"K = 'open\n", b"K = caf\xe9\n", b"caf\xe9\n",
    b"K = 1\n   goes on\n", b"K = a\0b\n", b"[open\n", b"['a', 'b']\n", "K = “x”\n".encode(),
    "K = x\u200b\n".encode(), b"K = <x>\n", b"= x\n", b"[X] y\n"])
def test_a_section_that_is_ignored_is_not_judged(tell, junk):
    values, said = tell(PLAIN.encode() + b"[X]\n" + junk + b"[Y]\n")
    assert values == {} and said.startswith("[X]") and said.endswith("[Y]")


@pytest.mark.parametrize("junk", [b"NOTE = 'open\n", b"NOTE = 1\nNOTE = 2\n", b"NOTE = caf\xe9\n"])
def test_a_key_that_is_ignored_is_not_judged(tell, junk):
    assert tell(PLAIN.encode() + junk) == ({}, "[S3] NOTE")


def test_a_comment_is_not_judged(tell):
    assert tell(PLAIN.replace("ann", "ann # é").encode("latin-1") + b"# caf\xe9\n; \xff\n") == ({}, "")


def test_an_ignored_section_may_be_opened_again_anywhere(tell):
    assert tell(f"[X]\na = 1\n{swap('[S3]', '[X]' + chr(10) + '[S3]')}[X]\n") == ({}, "[X]")


def test_the_text_of_a_broken_header_is_not_shown(tell):
    text = swap(f"ARN = {ARN}\n", "") + f"[X]\n['CANARY55', 1]\nROLE_ARN = {ARN}\n"
    values, said = tell(text)
    assert values == {} and "[?] ROLE_ARN (line 14) as" in said and "CANARY" not in said


def test_a_broken_header_of_a_section_that_counts_is_judged(tell):
    assert "dwh.cfg:11: this is neither" in tell(swap("[S3]", "[NOTES]\nx\n[S3"))[1]


# A8: SONG_JSONPATH

@pytest.mark.parametrize("key", ["SONG_JSONPATH", "SONG_JSON_PATH", "SONGS_JSONPATH", "SONG_JSONPATHS"])
@pytest.mark.parametrize("log_jsonpath", ["", "LOG_JSONPATH =\n", "LOG_JSONPATH = s3://dend/p.json\n"])
def test_a_paths_file_of_the_songs_is_ignored(tell, key, log_jsonpath):
    text = swap("LOG_JSONPATH = s3://dend/p.json\n", log_jsonpath) + f"{key} = s3://dend/s.json\n"
    values, said = tell(text)
    assert values == ({} if "s3" in log_jsonpath else dict(log_jsonpath="auto ignorecase"))
    assert said == f"[S3] {key} (songs are matched by key)"


def test_a_misspelt_name_of_songs_is_not_taken_for_logs(tell):
    text = swap("LOG_DATA = 's3://dend/log'\n", "") + "SONG_DATAS = s3://dend/x\n"
    assert "did you mean" not in tell(text)[1]


# A9: regions, what cannot be seen, what a comment cuts off

@pytest.mark.parametrize("section, key", [
    ("S3", "BUCKET_REGION"), ("S3", "REGION_NAME"), ("S3", "DATA_REGION"), ("REGION", "REGION"),
    ("AWS", "AWS_REGION"), ("AWS", "AWS_DEFAULT_REGION"), ("DWH", "DWH_REGION"), ("X", "S3_BUCKET_REGION")])
def test_a_region_under_another_name_is_read_and_a_different_one_is_reported(tell, section, key):
    head = "" if section == "S3" else f"[{section}]\n"
    assert tell(PLAIN + f"{head}{key} = us-west-2\n") == ({}, "")
    values, said = tell(PLAIN + f"{head}{key} = eu-west-1\n")
    assert values == dict(region="eu-west-1") and f"[{section}] {key} (line " in said
    assert ("HOST is in us-west-2" in said) == (section != "S3")


def test_different_regions_elsewhere_leave_the_choice_to_the_host(tell):
    values, said = tell(PLAIN + "[AWS]\nAWS_REGION = eu-west-1\n[DWH]\nDWH_REGION = eu-west-2\n")
    assert values == {}
    assert ("dwh.cfg:16: [AWS] AWS_REGION (line 14) and [DWH] DWH_REGION (line 16) are the same setting but"
            " differ. "
            "Keep one value, as [S3] REGION. Until then us-west-2 is used.") in said


@pytest.mark.parametrize("sign", "\u200b\u200c\u200d\u2060\ufeff\xad\u200e\u202c")
@pytest.mark.parametrize("old", ["ann", "Canary55", "'s3://dend/log'", "5440", HOST, ARN, "DB_NAME"])
def test_an_invisible_character_is_refused_by_name(tell, sign, old):
    values, said = tell(swap(old, old + sign))
    assert values is None and f"U+{ord(sign):04X}" in said
    if old != "DB_NAME":
        assert len(said.splitlines()) == 1


def test_an_invisible_character_before_a_line_is_ignored(tell):
    assert tell("\ufeff" + swap("\n", "\n\ufeff"))[0] == {}


@pytest.mark.parametrize("old, new, key, values", [
    ("Canary55", "Canary #55", "DB_PASSWORD", dict(password="Canary")),
    ("Canary55", "Canary ;55", "DB_PASSWORD", dict(password="Canary")),
    ("Canary55", "Canary # 5", "DB_PASSWORD", dict(password="Canary")),
    ("Canary55", "#Canary55", "DB_PASSWORD", dict(password="")),
    ("dev", "dev #1", "DB_NAME", {}), ("'s3://dend/log'", "s3://dend/log #1/x", "LOG_DATA", {})])
def test_a_value_that_a_comment_may_cut_off_is_a_warning(tell, old, new, key, values):
    found, said = tell(swap(old, new))
    sign = "#" if "#" in new else ";"
    assert found == values and f": {key} ends before the {sign}, and the rest is read as a comment." in said


@pytest.mark.parametrize("old, new", [
    ("Canary55", "'Canary55' # a note"), ("dev", "dev # a note"), ("dev", "dev #"), ("dev", "dev#1")])
def test_a_plain_comment_is_no_warning(tell, old, new):
    assert tell(swap(old, new))[1] == ""
