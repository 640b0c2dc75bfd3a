"""dwh.cfg: the accepted forms, their values, and the messages about mistakes."""
import os
import random
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from warehouse import ConfigError
from warehouse.config import Config, Data, Limits, Server, hosts, read

ENDPOINT = "dwh.abc123.us-west-2.redshift.amazonaws.com"
ROLE = "arn:aws:iam::123456789012:role/dwhRole"
LOCAL = "[CLUSTER]\nHOST = local\n[S3]\nLOG_DATA = log_data\nSONG_DATA = song_data\n"
REDSHIFT = f"""\
[CLUSTER]
HOST={ENDPOINT}
DB_NAME=dwh
DB_USER=dwhuser
DB_PASSWORD=Passw0rd
DB_PORT=5439

[IAM_ROLE]
ARN='{ROLE}'

[S3]
LOG_DATA='s3://udacity-dend/log_data'
LOG_JSONPATH='s3://udacity-dend/log_json_path.json'
SONG_DATA='s3://udacity-dend/song_data'
"""


@pytest.fixture
def cfg(tmp_path):
    """Write a dwh.cfg that only its owner may read, and read it."""
    def write_and_read(text):
        path = tmp_path / "dwh.cfg"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        return read(path)
    return write_and_read


@pytest.fixture
def refusal(cfg, tmp_path):
    """A function that returns the message about a wrong text, with dwh.cfg as the file's name."""
    def message(text):
        with pytest.raises(ConfigError) as caught:
            cfg(text)
        return str(caught.value).replace(f"{tmp_path}/", "")
    return message


def redshift(**changes):
    """Return REDSHIFT with other values of some keys. None removes the line."""
    lines = REDSHIFT.splitlines()
    for key, value in changes.items():
        at = next(i for i, line in enumerate(lines) if line.startswith(f"{key}="))
        lines[at] = "" if value is None else f"{key}={value}"
    return "\n".join(lines) + "\n"


def remote(**changes):
    return redshift(**{"HOST": "db.example.org", **changes})


def add(text, section, line):
    """Return the text with one more line at the top of a section, which is added if it is missing."""
    header = f"[{section}]\n"
    return text.replace(header, header + line + "\n") if header in text else text + header + line


# what becomes of a good file

def test_the_classic_file_is_read_whole(cfg, tmp_path):
    assert cfg(REDSHIFT) == Config(
        tmp_path / "dwh.cfg",
        Server(host=ENDPOINT, port=5439, database="dwh", user="dwhuser", password="Passw0rd",
               cluster_identifier="", workgroup="", secret="", cluster_region="",
               fallback_region="us-west-2", schema="public", sslmode="", sslrootcert=""),
        Data(iam_role=ROLE, log_data="s3://udacity-dend/log_data",
             song_data="s3://udacity-dend/song_data",
             log_jsonpath="s3://udacity-dend/log_json_path.json", region="us-west-2", manifests=""),
        Limits(max_errors=0, connect_timeout=120, lock_timeout=60, stale_after=36,
               statement_timeout=0, retries=3, retry_timeout=3600, max_reload=10_000_000_000))


def test_local_needs_only_the_two_sources(cfg, tmp_path):
    config = cfg(LOCAL)
    server = config.server
    assert (server.host, server.database, server.user, server.password) == ("local", "dwh", "", "")
    assert (config.data.iam_role, config.data.log_jsonpath, config.data.region) == (
        "default", "auto ignorecase", "us-east-1")
    assert config.data.log_data == f"{tmp_path}/log_data"
    assert config.server.is_local and config.server.is_on_this_machine


def test_every_optional_setting_is_read(cfg):
    config = cfg(add(REDSHIFT, "CLUSTER", "SCHEMA = Sparkify\nSSLMODE = Verify-Full")
                 + "REGION = eu-north-1\nMANIFESTS = s3://mine/manifests/\n[LOAD]\nMAX_ERRORS = 7\n"
                   "CONNECT_TIMEOUT = 1\nLOCK_TIMEOUT = 2\nSTATEMENT_TIMEOUT = 3\n"
                   "RETRIES = 4\nRETRY_TIMEOUT = 5\nMAX_RELOAD = 6\n")
    assert (config.server.schema, config.server.sslmode, config.data.region, config.data.manifests) == (
        "sparkify", "verify-full", "eu-north-1", "s3://mine/manifests/")
    assert (config.limits.max_errors, config.limits.connect_timeout, config.limits.lock_timeout,
            config.limits.statement_timeout, config.limits.retries, config.limits.retry_timeout,
            config.limits.max_reload) == (
        7, 1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize("line, value", [
    ("DB_NAME=dwh", "dwh"),
    ("DB_NAME = dwh", "dwh"),
    ("DB_NAME: dwh", "dwh"),
    ("DB_NAME: 'dwh'", "dwh"),
    ("db_name = dwh", "dwh"),
    ('DB_NAME = "dwh"', "dwh"),
    ("   DB_NAME\t=\tdwh   ", "dwh"),
    ("DB_NAME = dwh # note", "dwh"),
    ("DB_NAME = dwh\t; note", "dwh"),
    ("DB_NAME = 'dwh' # it's a note", "dwh"),
    ("DB_NAME = 'dw#h'", "dw#h"),
    ("DB_NAME = 'dw # h'", "dw # h"),
    ("DB_NAME = dw#h;i", "dw#h;i"),
    ("DB_NAME=#dwh", "#dwh"),
    ("DB_NAME = 'it's'", "it's"),
    ("DB_NAME = it's", "it's"),
    ("DB_NAME = \"it's\"", "it's"),
    ("DB_NAME = a=b:c", "a=b:c"),
    ("DB_NAME: a=b", "a=b"),
    (r"DB_NAME = a\tb\\", r"a\tb\\"),
    ("DB_NAME = %HOST$", "%HOST$"),
    ("DB_NAME = true", "true"),
    ("DB_NAME = 2018-11-01", "2018-11-01"),
    ("DB_NAME = nan", "nan"),
    ("DB_NAME = dvořák", "dvořák"),
])
def test_a_value_may_be_written_as_people_do(cfg, line, value):
    assert cfg(REDSHIFT.replace("DB_NAME=dwh", line)).server.database == value


@pytest.mark.parametrize("password", [
    "p%ss", "%(user)s", "100%", "p=s", "p#s", "p;s", "p:s", r"p\ss", r"p\tss", "$HOME", "p”s",
    "123"])
def test_special_characters_in_the_password_are_kept(cfg, password):
    assert cfg(redshift(DB_PASSWORD=password)).server.password == password


def test_blanks_inside_the_quotes_of_a_password_are_kept(cfg):
    assert cfg(redshift(DB_PASSWORD="' two words '")).server.password == " two words "


def test_names_of_sections_may_be_in_any_case(cfg):
    assert cfg(LOCAL.replace("CLUSTER", "Cluster").replace("S3", "s3")).server.is_local


@pytest.mark.parametrize("change", [
    lambda text: "\ufeff" + text,
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("\n", "\r"),
    lambda text: text.replace("[S3]", "[ S3 ] ; where the data is"),
    lambda text: "# comment\n; comment = too\n   # [indented]\n" + text,
    lambda text: text.rstrip("\n"),
], ids=["BOM", "CRLF", "lone CR", "comment after a section", "comments", "no last newline"])
def test_the_shape_of_the_file_does_not_matter(cfg, change):
    assert cfg(change(REDSHIFT)) == cfg(REDSHIFT)


@pytest.mark.parametrize("usual, alias", [
    ("LOG_JSONPATH", "LOG_JSON_PATH"), ("LOG_JSONPATH", "LOG_JSON_FORMAT"), ("ARN", "ROLE_ARN"),
    ("ARN", "DWH_ARN"), ("ARN", "DWH_ROLE_ARN"), ("DB_NAME", "DBNAME"), ("DB_NAME", "DB"),
    ("DB_USER", "USER"), ("DB_USER", "DBUSER"), ("DB_PASSWORD", "PASSWORD"),
    ("DB_PASSWORD", "DBPASSWORD"), ("DB_PORT", "PORT"), ("DB_PORT", "DBPORT")])
def test_an_alias_means_the_same(cfg, usual, alias):
    text = REDSHIFT.replace("DB_PORT=5439", "DB_PORT=5440")
    assert f"\n{usual}=" in text
    assert cfg(text.replace(f"\n{usual}=", f"\n{alias}=")) == cfg(text)


def test_an_alias_beside_the_same_value_or_an_empty_one_is_fine(cfg):
    assert cfg(add(REDSHIFT, "CLUSTER", "DBNAME = dwh\nUSER =")).server.user == "dwhuser"


def test_an_alias_beside_another_value_is_refused_and_both_are_named(refusal):
    message = refusal(add(REDSHIFT, "CLUSTER", "PASSWORD = other"))
    assert "[CLUSTER] DB_PASSWORD (line 6) and [CLUSTER] PASSWORD (line 2)" in message
    assert "other" not in message and "Passw0rd" not in message


@pytest.mark.parametrize("section", ["S3", "CLUSTER", "AWS", "GENERAL"])
@pytest.mark.parametrize("key", ["REGION", "S3_REGION", "region"])
def test_the_region_is_found_where_people_write_it(cfg, section, key):
    assert cfg(add(remote(), section, f"{key} = eu-west-3")).data.region == "eu-west-3"


def test_the_region_under_s3_wins_over_other_sections(cfg):
    text = add(add(remote(), "S3", "REGION = eu-west-3"), "AWS", "REGION = us-east-2")
    assert cfg(text).data.region == "eu-west-3"


def test_regions_that_differ_outside_s3_are_refused(refusal):
    message = refusal(remote() + "[GENERAL]\nREGION = eu-west-3\n[AWS]\nREGION = us-east-2\n")
    assert "[GENERAL] REGION (line " in message and " and [AWS] REGION (line " in message


def test_the_region_of_a_cluster_is_that_of_the_buckets_unless_another_is_given(cfg):
    text = add(remote(), "CLUSTER", "REGION = eu-west-3")
    assert cfg(text).data.region == "eu-west-3"
    config = cfg(add(text, "AWS", "REGION = us-east-2"))
    assert (config.data.region, config.server.cluster_region) == ("us-east-2", "eu-west-3")


@pytest.mark.parametrize("host, region", [
    (ENDPOINT, "us-west-2"),
    (ENDPOINT.upper(), "us-west-2"),
    ("wg.123456789012.us-east-2.redshift-serverless.amazonaws.com", "us-east-2"),
    ("x.abc.cn-north-1.redshift.amazonaws.com.cn", "cn-north-1"),
    ("x.abc.us-gov-west-1.redshift.amazonaws.com", "us-gov-west-1")])
def test_the_region_is_taken_from_the_endpoint(cfg, host, region):
    config = cfg(redshift(HOST=host))
    assert (config.data.region, config.server.host, hosts.classify(host)) == (region, host, "redshift")


def test_a_remote_host_with_data_in_s3_is_asked_for_the_region(refusal):
    assert refusal(remote()) == (
        "dwh.cfg: [S3] REGION is missing. Write, for example, REGION = us-west-2 under [S3].")


@pytest.mark.parametrize("host", ["local", "localhost", "127.0.0.1", "::1", "/var/run/postgresql"])
def test_a_host_on_this_machine_is_not_asked_for_the_region(cfg, host):
    config = cfg(redshift(HOST=host))
    assert config.data.region == "us-east-1" and config.server.is_on_this_machine


def test_a_remote_host_with_data_in_folders_is_not_asked_for_the_region(cfg):
    config = cfg(remote(LOG_DATA="logs", SONG_DATA="songs"))
    assert config.data.region == "us-east-1" and not config.server.is_on_this_machine


def test_a_socket_folder_needs_no_user(cfg):
    assert cfg(redshift(HOST="/tmp", DB_USER=None)).server.user == ""


@pytest.mark.parametrize("host", ["LOCAL", "Local"])
def test_local_is_local_in_any_case(cfg, host):
    assert cfg(LOCAL.replace("local", host)).server.is_local


@pytest.mark.parametrize("host", ["db", "db_1", "10.0.0.1", "fe80::1", "a.b-c.example.org"])
def test_any_host_name_or_address_will_do(cfg, host):
    assert cfg(add(remote(HOST=host), "S3", "REGION=us-east-1")).server.host == host


@pytest.mark.parametrize("written, path", [
    ("data", "{}/data"), ("data/", "{}/data/"), ("./data/", "{}/data/"), ("~/data", "{}/~/data"),
    ("a/./b//../c/", "{}/a/c/"), ("/srv/data", "/srv/data"), ("/srv/data/", "/srv/data/"),
    ("'two words'", "{}/two words")])
def test_a_path_is_relative_to_the_file_and_keeps_its_slash(cfg, tmp_path, written, path):
    assert cfg(LOCAL.replace("log_data", written)).data.log_data == path.format(tmp_path)


def test_a_folder_is_one_however_its_path_is_written(cfg, tmp_path):
    """A link keeps its name, and .. after it means what the file system takes it for."""
    (tmp_path / "elsewhere/inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("elsewhere/inner")
    for written, path in (
            (f"../{tmp_path.name}/log/", "log/"), (f"{tmp_path}/./log/", "log/"), ("link/", "link/"),
            ("link/../log/", "elsewhere/log/"), ("/../" + str(tmp_path)[1:] + "/log/", "log/")):
        assert cfg(LOCAL.replace("log_data", written)).data.log_data == f"{tmp_path}/{path}"


@pytest.mark.parametrize("log, song, more, inner, outer", [
    ("s3://abc/log/", "s3://abc/log/songs/", "", "SONG_DATA", "LOG_DATA"),
    ("s3://abc/song", "s3://abc/so", "", "LOG_DATA", "SONG_DATA"),
    ("s3://abc", "s3://def/", "LOG_JSONPATH = s3://abc/paths.json\n", "LOG_JSONPATH", "LOG_DATA"),
    ("s3://abc/l/", "s3://abc/s/", "MANIFESTS = s3://abc/s/m/\n", "MANIFESTS", "SONG_DATA"),
    ("/", "song_data/", "", "SONG_DATA", "LOG_DATA"),
    ("data/", "data/songs/", "", "SONG_DATA", "LOG_DATA"),
])
def test_a_path_under_a_prefix_of_data_is_refused(refusal, log, song, more, inner, outer):
    said = refusal(LOCAL.replace("LOG_DATA = log_data", f"LOG_DATA = {log}").replace(
        "SONG_DATA = song_data", f"SONG_DATA = {song}") + more)
    assert f"{inner} is under {outer}, so the COPY of {outer} would read it as data." in said


def test_prefixes_that_only_look_alike_are_accepted(cfg):
    cfg(LOCAL.replace("song_data", "log_data2/").replace("log_data\n", "log_data/\n")
        + "LOG_JSONPATH = log_data.json\n")


def test_paths_are_absolute_when_the_file_is_named_from_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "dwh.cfg").write_text(LOCAL)
    monkeypatch.chdir(tmp_path)
    config = read(Path("dwh.cfg"))
    assert (config.path, config.data.log_data) == (Path("dwh.cfg"), f"{tmp_path}/log_data")


@pytest.mark.parametrize("uri", [
    "s3://abc", "s3://abc/", "s3://a.b-c.1/x/y", "s3://abc/what?", "s3://abc/a b", "s3://abc//x/",
    "s3://abc/dvořák", "s3://" + 63 * "a" + "/x"])
def test_a_good_s3_uri_stays_as_it_is(cfg, uri):
    assert cfg(redshift(SONG_DATA=uri)).data.song_data == uri


@pytest.mark.parametrize("written, value", [
    ("", "auto ignorecase"), ("''", "auto ignorecase"), ("auto", "auto"), ("'Auto'", "auto"),
    ("'auto ignorecase'", "auto ignorecase"), ("s3://abc/paths.json", "s3://abc/paths.json")])
def test_the_jsonpath_may_be_a_word_or_a_file(cfg, written, value):
    assert cfg(redshift(LOG_JSONPATH=written)).data.log_jsonpath == value


def test_the_jsonpath_may_be_a_path(cfg, tmp_path):
    assert cfg(add(LOCAL, "S3", "LOG_JSONPATH=p.json")).data.log_jsonpath == f"{tmp_path}/p.json"


@pytest.mark.parametrize("arn", [
    ROLE, ROLE.replace("aws", "aws-cn"), ROLE.replace("aws", "aws-us-gov"), f"{ROLE},{ROLE}2",
    ROLE.replace("role/", "role/service-role/")])
def test_a_good_role_stays_as_it_is(cfg, arn):
    assert cfg(redshift(ARN=arn)).data.iam_role == arn


def test_the_default_role_is_the_word_in_any_case(cfg):
    assert cfg(redshift(ARN="DEFAULT")).data.iam_role == "default"


def test_an_empty_password_is_left_to_libpq(cfg):
    assert cfg(redshift(DB_PASSWORD="")).server.password == ""


def test_unknown_names_are_ignored_and_listed_in_their_order(cfg):
    text = REDSHIFT + "EXTRA = 1\n[AWS]\nKEY=AKIA\nSECRET=s3cr3t\n[DWH]\nDWH_DB=x\nDWH_PORT=5439\n"
    assert cfg(text).ignored == ("[S3] EXTRA", "[AWS] KEY", "[AWS] SECRET", "[DWH]")


@pytest.mark.parametrize("mode, host, password, warned", [
    (0o644, ENDPOINT, "x", True), (0o640, ENDPOINT, "x", True), (0o604, ENDPOINT, "x", True),
    (0o600, ENDPOINT, "x", False), (0o644, "localhost", "x", False), (0o644, ENDPOINT, "", False)])
def test_a_password_that_others_can_read_is_a_warning(tmp_path, mode, host, password, warned):
    path = tmp_path / "dwh.cfg"
    path.write_text(redshift(HOST=host, DB_PASSWORD=password))
    path.chmod(mode)
    warnings = read(path).warnings
    assert [w.rpartition(" Run: ")[2] for w in warnings] == [f"chmod 600 {path}"] * warned


def test_the_password_is_not_in_the_repr(cfg):
    assert "Passw0rd" not in repr(cfg(REDSHIFT))


def test_a_config_cannot_be_changed(cfg):
    with pytest.raises(AttributeError):
        cfg(LOCAL).server.host = "elsewhere"


# logins and TLS

def cluster(host: str = "", **keys):
    """Return REDSHIFT with other keys in [CLUSTER]."""
    lines = [f"{key} = {value}" for key, value in ({"HOST": host} | keys).items()]
    return ("[CLUSTER]\n" + "\n".join(lines) + "\n" + REDSHIFT[REDSHIFT.index("[IAM_ROLE]"):]
            + "REGION = us-west-2\n")


SERVERLESS = "wg.123456789012.us-east-2.redshift-serverless.amazonaws.com"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:sparkify/dwh-AbCdEf"


@pytest.mark.parametrize("keys, told", [
    (dict(DB_NAME="dwh", CLUSTER_IDENTIFIER="Dwh-1", DB_USER="etl"), ("dwh-1", "", "", "etl")),
    (dict(DB_NAME="dwh", CLUSTER_IDENTIFIER="dwh"), ("dwh", "", "", "")),
    (dict(DB_NAME="dev", WORKGROUP="dwh-1"), ("", "dwh-1", "", "")),
    (dict(SECRET="redshift!dwh-admin"), ("", "", "redshift!dwh-admin", "")),
    (dict(SECRET=SECRET, DB_PASSWORD="", DB_USER=""), ("", "", SECRET, "")),
])
def test_each_login_is_read_and_needs_no_host(cfg, keys, told):
    config = cfg(cluster(**keys))
    server = config.server
    assert (server.cluster_identifier, server.workgroup, server.secret, server.user) == told
    assert (config.server.host, config.server.port, config.data.region) == ("", 0, "us-west-2")
    assert not config.server.is_on_this_machine


def test_a_cluster_may_be_in_another_region_than_the_buckets(cfg):
    config = cfg(cluster(DB_NAME="dwh", WORKGROUP="dwh", REGION="eu-west-1"))
    assert (config.server.cluster_region, config.data.region) == ("eu-west-1", "us-west-2")


@pytest.mark.parametrize("text, says", [
    (cluster(WORKGROUP="dwh", SECRET="s", DB_NAME="dwh"),
     ["4: WORKGROUP and SECRET each say how to log in. Keep one of them."]),
    (cluster(CLUSTER_IDENTIFIER="dwh", DB_NAME="dwh", DB_USER="etl", DB_PASSWORD="canary"),
     ["3: CLUSTER_IDENTIFIER and DB_PASSWORD contradict each other: with CLUSTER_IDENTIFIER, "
      "AWS supplies DB_PASSWORD. Delete one or the other."]),
    (cluster(WORKGROUP="dwh", DB_NAME="dwh", USER="etl"), ["3: WORKGROUP and USER contradict each other"]),
    (cluster(SECRET="s", DB_USER="etl", DB_PASSWORD="canary"),
     ["3: SECRET and DB_USER and DB_PASSWORD contradict each other"]),
    (cluster("local", SECRET="s"), ["3: SECRET and HOST = local contradict each other"]),
    (cluster("/tmp", WORKGROUP="dwh", DB_NAME="dwh"), ["3: WORKGROUP and HOST = /tmp contradict each other"]),
    (cluster(SERVERLESS, CLUSTER_IDENTIFIER="dwh", DB_NAME="dwh"),
     ["3: CLUSTER_IDENTIFIER and HOST contradict each other: HOST is the endpoint of a workgroup. "
      "Write WORKGROUP instead of CLUSTER_IDENTIFIER."]),
    (cluster(ENDPOINT, WORKGROUP="dwh", DB_NAME="dwh"),
     ["3: WORKGROUP and HOST contradict each other: HOST is the endpoint of a cluster. "
      "Write CLUSTER_IDENTIFIER instead of WORKGROUP."]),
    (cluster(WORKGROUP="dwh", DB_NAME="dwh", SSLMODE="disable"),
     ["5: SSLMODE = disable and WORKGROUP contradict each other: Redshift accepts"]),
    (cluster(ENDPOINT, DB_NAME="dwh", DB_USER="a", SSLROOTCERT="r.pem", SSLMODE="disable"),
     ["5: SSLROOTCERT and SSLMODE = disable contradict each other: disable checks no certificate."]),
    (cluster(ENDPOINT, DB_NAME="dwh", DB_USER="a", SSLROOTCERT="system", SSLMODE="require"),
     ["5: SSLROOTCERT = system and SSLMODE = require contradict each other"]),
    (cluster(CLUSTER_IDENTIFIER="dwh"), [" [CLUSTER] DB_NAME is missing."]),
    (cluster("local", WORKGROUP="a!", SECRET="s", DB_PASSWORD="canary", SSLMODE="yes"),
     ["3: WORKGROUP is 'a!'; write a name of lowercase letters",
      "3: WORKGROUP and DB_PASSWORD contradict each other",
      "3: WORKGROUP and HOST = local contradict each other",
      "4: SECRET and DB_PASSWORD contradict each other",
      "4: SECRET and HOST = local contradict each other",
      "4: WORKGROUP and SECRET each say how to log in", "6: SSLMODE is 'yes'"]),
])
def test_contradicting_keys_are_refused_by_name(refusal, text, says):
    lines = refusal(text).splitlines()
    assert len(lines) == len(says)
    for said in says:
        assert any(line.startswith(f"dwh.cfg:{said}") for line in lines), lines
    assert "canary" not in "".join(lines)


@pytest.mark.parametrize("mode", ["prefer", "allow"])
@pytest.mark.parametrize("keys", [
    dict(host=ENDPOINT, DB_NAME="d", DB_USER="a"), dict(host="10.0.0.7", DB_NAME="d", DB_USER="a"),
    dict(SECRET="s"), dict(WORKGROUP="dwh", DB_NAME="d")])
def test_an_sslmode_that_allows_plain_text_is_refused_for_another_machine(refusal, mode, keys):
    said = refusal(cluster(**keys, SSLMODE=mode))
    assert f"SSLMODE is '{mode}'; write require or, better, verify-full" in said


def test_on_this_machine_any_sslmode_will_do(cfg):
    for mode in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"):
        config = cfg(cluster("localhost", DB_NAME="d", DB_USER="a", SSLMODE=mode))
        assert (config.server.sslmode, config.warnings) == (mode, ())


@pytest.mark.parametrize("host", [ENDPOINT, "db.example.org"])
def test_plain_text_to_another_machine_is_a_warning(cfg, host):
    warning, = cfg(cluster(host, DB_NAME="d", DB_USER="a", SSLMODE="disable")).warnings
    assert f"SSLMODE is disable, so anyone on the way to {host} can read" in warning


def test_a_cluster_that_a_notebook_made_is_no_login(cfg):
    config = cfg(add(REDSHIFT, "CLUSTER", "DWH_CLUSTER_IDENTIFIER = dwhCluster"))
    assert config.ignored == ("[CLUSTER] DWH_CLUSTER_IDENTIFIER",)


def test_a_misspelt_login_is_recognised(refusal):
    said = refusal(cluster(DB_NAME="dwh", CLUSTER_IDENTIFER="dwh"))
    assert "did you mean CLUSTER_IDENTIFIER?" in said


def test_an_aws_secret_key_in_place_of_a_secret_is_refused_and_not_shown(refusal):
    key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    said = refusal(cluster(SECRET=key))
    assert "SECRET is a value that may contain a secret, so it is not shown" in said and key not in said


# what is refused

def test_six_mistakes_are_reported_at_once_with_their_lines(refusal):
    text = redshift(HOST=f"{ENDPOINT}:5439/dev", DB_USER="'dwhuser", DB_PORT="54x9", ARN="dwhRole",
                    LOG_DATA="log_data") + "\n[LOAD]\nMAX_ERRORS = many\n"
    lines = refusal(text).splitlines()
    assert [line.partition(" ")[0] for line in lines] == [
        "dwh.cfg:2:", "dwh.cfg:4:", "dwh.cfg:6:", "dwh.cfg:9:", "dwh.cfg:12:", "dwh.cfg:17:"]
    values = (":5439/dev", "quote", "54x9", "dwhRole", "log_data", "many")
    for line, value in zip(lines, values, strict=True):
        assert value in line


def test_missing_settings_share_a_line(refusal):
    assert refusal(redshift(DB_NAME=None, DB_USER="", SONG_DATA=None)) == (
        "dwh.cfg: 3 settings are missing: [CLUSTER] DB_NAME, [CLUSTER] DB_USER (line 4 is empty), "
        "[S3] SONG_DATA. Write, for example, DB_NAME = dwh under [CLUSTER].")


def test_one_missing_setting_is_named_with_an_example(refusal):
    assert refusal(LOCAL.replace("HOST = local", "DB_NAME = x\nDB_USER = y")) == (
        "dwh.cfg: [CLUSTER] HOST is missing. Write, for example, HOST = local under [CLUSTER].")


@pytest.mark.parametrize("text", ["", "\n\n# nothing\n", "[CLUSTER]\n[S3]\n"])
def test_an_empty_file_misses_what_every_file_needs(refusal, text):
    message = refusal(text)
    assert message.startswith("dwh.cfg: 5 settings are missing: [CLUSTER] HOST, ")
    assert len(message.splitlines()) == 1


def test_redshift_needs_a_role_and_others_do_not(cfg, refusal):
    assert "[IAM_ROLE] ARN" in refusal(redshift(ARN=""))
    assert cfg(redshift(HOST="localhost", ARN="")).data.iam_role == "default"


@pytest.mark.parametrize("host, advice", [
    (f"{ENDPOINT}:5439", f"write HOST = {ENDPOINT} and, on lines of their own, DB_PORT = 5439"),
    (f"{ENDPOINT}:5439/dev",
     f"write HOST = {ENDPOINT} and, on lines of their own, DB_PORT = 5439 and DB_NAME = dev"),
    (f"jdbc:redshift://{ENDPOINT}:5439/dev",
     f"write HOST = {ENDPOINT} and, on lines of their own, DB_PORT = 5439 and DB_NAME = dev"),
    (f"jdbc:redshift:iam://{ENDPOINT}:5439/dev",
     f"write HOST = {ENDPOINT} and, on lines of their own, DB_PORT = 5439 and DB_NAME = dev"),
    (f"postgresql://{ENDPOINT}", f"write HOST = {ENDPOINT}"),
    ("localhost:5432", "write HOST = localhost and, on lines of their own, DB_PORT = 5432")])
def test_a_copied_endpoint_is_taken_apart(refusal, host, advice):
    assert refusal(redshift(HOST=host)) == f"dwh.cfg:2: HOST is '{host}'; {advice}"


@pytest.mark.parametrize("host", [
    "postgresql://u:hunter2@db:5439/dev", "u:hunter2@db", "postgresql://u:hunt/hunter2@db/dev",
    "jdbc:redshift://db:5439/dev?user=u&password=hunter2", "jdbc:redshift://db/dev;PWD=hunter2"])
def test_a_secret_in_the_host_is_not_shown(refusal, host):
    message = refusal(redshift(HOST=host))
    assert message.startswith("dwh.cfg:2: HOST is a value that may contain a secret")
    assert "hunt" not in message


@pytest.mark.parametrize("key, value, wanted", [
    ("HOST", "two words", "a host name alone"),
    ("HOST", "a,b", "a host name alone"),
    ("HOST", "/tmp,/var", "folder of a Unix socket"),
    ("HOST", "[::1]:5439", "a host name alone"),
    ("HOST", "höst", "a host name alone"),
    ("DB_PORT", "0", "from 1 to 65535"),
    ("DB_PORT", "65536", "from 1 to 65535"),
    ("DB_PORT", "-1", "from 1 to 65535"),
    ("DB_PORT", "5_439", "from 1 to 65535"),
    ("DB_PORT", "５４３９", "from 1 to 65535"),
    ("DB_PORT", "5439.0", "from 1 to 65535"),
    ("ARN", "arn:aws:iam::123:role/x", "123456789012"),
    ("ARN", "arn:aws:iam::123456789012:user/x", "role/NAME"),
    ("ARN", f"{ROLE}, {ROLE}", "comma"),
    ("ARN", f"{ROLE},", "comma"),
    ("ARN", f"{ROLE}'x", "role/NAME"),
    ("LOG_DATA", "s3://", "s3://bucket/prefix"),
    ("LOG_DATA", "s3://ab/x", "3 to 63"),
    ("LOG_DATA", "s3://" + 64 * "a" + "/x", "3 to 63"),
    ("LOG_DATA", "s3://Bucket/x", "lowercase letters"),
    ("LOG_DATA", "s3://a_b_c/x", "lowercase letters"),
    ("LOG_DATA", "s3://a..b/x", "lowercase letters"),
    ("LOG_DATA", "s3://-abc/x", "lowercase letters"),
    ("LOG_DATA", "s3://10.0.0.1/x", "lowercase letters"),
    ("LOG_DATA", r"s3://abc/x\y", "a prefix has no backslash"),
    ("LOG_DATA", "s3://abc/x\x1b", "control character"),
    ("LOG_DATA", "s3a://abc/x", "s3://bucket/prefix"),
    ("LOG_DATA", "S3://abc/x", "s3://bucket/prefix"),
    ("LOG_DATA", "s3:/abc/x", "s3://bucket/prefix"),
    ("LOG_DATA", "https://abc.s3.amazonaws.com/x", "s3://bucket/prefix"),
    ("LOG_DATA", "logs", "Redshift cannot read files on this machine"),
    ("SONG_DATA", "/srv/songs", "Redshift cannot read files on this machine"),
    ("LOG_JSONPATH", "paths.json", "Redshift cannot read files on this machine"),
    ("LOG_JSONPATH", "s3://abc", "JSONPaths file"),
    ("LOG_JSONPATH", "s3://abc/x/", "JSONPaths file"),
])
def test_a_wrong_value_is_named_with_what_to_write(refusal, key, value, wanted):
    text = redshift(**{key: value})
    line = [row.partition("=")[0] for row in text.splitlines()].index(key) + 1
    message = refusal(text)
    assert message.startswith(f"dwh.cfg:{line}: {key} is {value!r}; write ") and wanted in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("section, line, wanted", [
    ("LOAD", "MAX_ERRORS = 100000", "from 0 to 99999"),
    ("LOAD", "MAX_ERRORS = -1", "from 0 to 99999"),
    ("LOAD", "MAX_ERRORS = " + 5000 * "9", "from 0 to 99999"),
    ("LOAD", "CONNECT_TIMEOUT = 1.5", "whole number"),
    ("LOAD", "MAX_RELOAD = 10 GB", "whole number"),
    ("LOAD", "LOCK_TIMEOUT = soon", "whole number"),
    ("LOAD", "STATEMENT_TIMEOUT = 2147484", "whole number"),
    ("CLUSTER", "SCHEMA = my-schema", "plain name"),
    ("CLUSTER", "SCHEMA = 1st", "plain name"),
    ("CLUSTER", 'SCHEMA = \'a"b\'', "plain name"),
    ("CLUSTER", "SSLMODE = on", "verify-full"),
    ("S3", "REGION = us-west-2a", "us-west-2"),
    ("S3", "REGION = Oregon", "us-west-2"),
    ("AWS", "REGION = Oregon", "us-west-2"),
    ("S3", "MANIFESTS = /tmp/manifests", "Redshift cannot read"),
])
def test_a_wrong_optional_value_is_named_too(refusal, section, line, wanted):
    message = refusal(add(REDSHIFT, section, line))
    assert f": {line.partition(' ')[0]} is '" in message and wanted in message
    assert len(message) < 300


@pytest.mark.parametrize("uri", ["s3a://abc/x", "S3://abc/x", "s3://Bucket/x", "https://abc/x"])
def test_a_wrong_uri_is_no_path_on_other_hosts_either(refusal, uri):
    assert "dwh.cfg:4: LOG_DATA is" in refusal(LOCAL.replace("log_data", uri))


@pytest.mark.parametrize("key", ["HOST", "DB_NAME", "DB_USER", "DB_PORT", "ARN", "LOG_DATA"])
def test_a_placeholder_is_called_a_placeholder(refusal, key):
    assert f"{key} still has the placeholder '<your {key}>'." in refusal(
        redshift(**{key: f"'<your {key}>'"}))


def test_a_placeholder_in_the_password_is_not_shown(refusal):
    message = refusal(redshift(DB_PASSWORD="<hunter2>"))
    assert message == "dwh.cfg:5: DB_PASSWORD still has the placeholder. Write your own value."


@pytest.mark.parametrize("typo, usual", [
    ("DB_NAM", "DB_NAME"), ("DB_USRE", "DB_USER"), ("DB_PASSWRD", "DB_PASSWORD"),
    ("HOTS", "HOST"), ("SONG_DATAS", "SONG_DATA"), ("LOG_JSONPAHT", "LOG_JSONPATH")])
def test_a_misspelt_name_is_recognised_and_not_missing_too(refusal, typo, usual):
    message = refusal(REDSHIFT.replace(f"\n{usual}=", f"\n{typo}="))
    assert f"{typo} is not a setting; did you mean {usual}?" in message
    assert len(message.splitlines()) == 1


def test_an_unknown_name_is_ignored_when_the_one_it_resembles_is_there(cfg):
    config = cfg(add(REDSHIFT, "CLUSTER", "DB_HOST = x\nDB_NAMES = y"))
    assert config.ignored == ("[CLUSTER] DB_HOST", "[CLUSTER] DB_NAMES")


@pytest.mark.parametrize("text, says", [
    (REDSHIFT + "log_data = x\n", "dwh.cfg:15: [S3] LOG_DATA is already set on line 12."),
    (REDSHIFT + "[s3]\n", "dwh.cfg:15: [S3] already begins on line 11."),
    ("HOST = local\n" + LOCAL, "dwh.cfg:1: HOST comes before the first [SECTION]."),
    (LOCAL.replace("[S3]", "[S3"), "dwh.cfg:3: this is neither"),
    (LOCAL.replace("[S3]", "[S3] LOG"), "dwh.cfg:3: this is neither"),
    (LOCAL + "hunter2\n", "dwh.cfg:6: this is neither"),
    (LOCAL + "= hunter2\n", "dwh.cfg:6: this is neither"),
    (LOCAL + "hunter2/+== x\n", "dwh.cfg:6: this is neither"),
    (redshift(DB_PASSWORD="'hunter2"), "dwh.cfg:5: DB_PASSWORD has a quote that is not closed"),
    (redshift(DB_PASSWORD="'hunter2' x"), "dwh.cfg:5: DB_PASSWORD has a quote that is not closed"),
    (redshift(DB_PASSWORD="'hunter2'# x"), "dwh.cfg:5: DB_PASSWORD has a quote that is not closed"),
    (redshift(DB_PASSWORD="“hunter2”"), "dwh.cfg:5: DB_PASSWORD is in curly quotes."),
    (redshift(DB_PASSWORD="hunter2’ # x"), "dwh.cfg:5: DB_PASSWORD is in curly quotes."),
    (redshift(DB_PASSWORD="hunter2\0x"), "dwh.cfg:5: DB_PASSWORD contains U+0000"),
    (redshift(DB_PASSWORD="'hunter2\x0bx'"), "dwh.cfg:5: DB_PASSWORD contains U+000B"),
    (redshift(DB_PASSWORD="hunter2\u2028x"), "dwh.cfg:5: DB_PASSWORD contains U+2028"),
])
def test_a_wrong_line_is_reported_by_number_and_not_shown(refusal, text, says):
    message = refusal(text)
    assert message.startswith(says) and len(message.splitlines()) == 1
    assert "hunter2" not in message.lower()


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_bytes_that_are_not_utf8_are_reported_with_their_line(refusal, newline):
    text = redshift(DB_PASSWORD="hunter2é").replace("\n", newline).encode("latin-1")
    assert refusal(text) == "dwh.cfg:5: the byte 0xE9 is not UTF-8. Save the file as UTF-8."


def test_a_comment_may_hold_bytes_that_are_not_utf8(cfg):
    assert cfg(LOCAL.encode() + b"# caf\xe9\n").server.is_local


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_in_utf16_is_one_problem(refusal, encoding):
    assert refusal(REDSHIFT.encode(encoding)) == (
        "dwh.cfg:1: is written in UTF-16. Save the file as UTF-8.")


def test_a_flood_of_problems_is_cut(refusal):
    lines = refusal(LOCAL + 500 * "nothing\n").splitlines()
    assert len(lines) == 51 and lines[-1] == "dwh.cfg: and 450 more problems"


@pytest.mark.parametrize("key", ["HOST", "DB_PORT", "ARN", "LOG_DATA", "SONG_DATA", "LOG_JSONPATH"])
def test_credentials_on_the_wrong_line_are_not_shown(refusal, key):
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    for value in (secret, f"aws_access_key_id=x;aws_secret_access_key=hunter2 {secret}"):
        message = refusal(redshift(**{key: value}))
        assert f"{key} is a value that may contain a secret" in message
        assert secret not in message and "hunter2" not in message


@pytest.mark.parametrize("name", ["Signature", "Credential", "Security-Token"])
def test_a_presigned_url_in_place_of_a_prefix_is_not_shown(refusal, name):
    said = refusal(redshift(LOG_DATA=f"https://b.s3.amazonaws.com/x?X-Amz-{name}=0123abcd"))
    assert "LOG_DATA is a value that may contain a secret" in said and "0123abcd" not in said


def test_no_mistake_shows_the_password(refusal):
    """Every other line of the file is wrong in several ways. The password stays in its place."""
    for at, line in enumerate(REDSHIFT.splitlines()):
        if line.startswith("DB_PASSWORD"):
            continue
        for wrong in ("", line[:-1] + "\0", line + line, "x", "['\"", line.replace("=", "=“")):
            lines = REDSHIFT.splitlines()
            lines[at] = wrong
            assert "Passw0rd" not in refusal("\n".join([*lines, "broken"]))


# what is no file

def read_refusal(path):
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:") and "--config FILE" in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_reported(tmp_path):
    assert "there is no such file" in read_refusal(tmp_path / "dwh.cfg")


def test_a_folder_is_reported(tmp_path):
    assert "is a folder" in read_refusal(tmp_path)


def test_a_file_taken_for_a_folder_is_reported(tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be read" in read_refusal(tmp_path / "file" / "dwh.cfg")


def test_a_path_that_no_system_accepts_is_reported():
    assert "cannot be read" in read_refusal(Path("dwh\0.cfg"))


def test_a_loop_of_links_is_reported(tmp_path):
    (tmp_path / "dwh.cfg").symlink_to("dwh.cfg")
    assert "cannot be read" in read_refusal(tmp_path / "dwh.cfg")


def test_a_fifo_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "dwh.cfg")
    code = f"from warehouse.config import read; read({str(tmp_path / 'dwh.cfg')!r})"
    done = subprocess.run([sys.executable, "-c", code], timeout=20, text=True, capture_output=True,
                          cwd=Path(__file__).resolve().parents[1])
    assert "ConfigError" in done.stderr and "is not a regular file" in done.stderr


def test_a_socket_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket may have only some 100 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("dwh.cfg")
        assert stat.S_ISSOCK(os.stat("dwh.cfg").st_mode)
        assert "dwh.cfg: " in read_refusal(Path("dwh.cfg"))


def test_a_device_is_reported():
    assert "is not a regular file" in read_refusal(Path("/dev/null"))


def test_a_file_over_one_megabyte_is_reported(tmp_path):
    path = tmp_path / "dwh.cfg"
    path.write_text(LOCAL + "#" * (1_000_000 - len(LOCAL)))
    assert read(path).server.is_local
    path.write_text(LOCAL + "#" * (1_000_001 - len(LOCAL)))
    assert "larger than 1 MB" in read_refusal(path)


def test_a_file_that_this_user_may_not_read_is_reported(tmp_path):
    path = tmp_path / "dwh.cfg"
    path.write_text(LOCAL)
    path.chmod(0)
    if os.geteuid():
        assert "this user may not read it" in read_refusal(path)
        return
    child = os.fork()  # root may read everything, so another user tries
    if not child:
        status = 1
        try:
            os.setuid(65534)
            status = 0 if "this user may not read it" in read_refusal(path) else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


# anything at all

def is_bare(data: bytes, secret: str) -> bool:
    """Return whether the secret is in any place other than the value of a key for secrets."""
    lines = re.split("\r\n|\r|\n", data.decode("utf-8-sig", "surrogateescape"))
    names = [re.split("[=:]", line)[0].strip().upper() for line in lines if secret in line]
    return any(name not in ("DB_PASSWORD", "PASSWORD", "KEY") for name in names)


def test_any_file_is_read_or_refused_and_no_secret_is_shown(tmp_path, inputs):
    rng = random.Random(2018_11)
    path = tmp_path / "dwh.cfg"
    pieces = [b"\n", b"\r", b"\0", b"'", b'"', b"[", b"]", b"=", b":", b"#", b" ", b";", b"%s",
              b"@", b"\\", b"//", b"<x>", b"%%", b"%(x)s", b" #", b"\n  ", b"\n[DWH]\n", b"\n[DEFAULT]\n",
              b"\nDWH_", "\u200b".encode(), b"\xff", b"\x1c", b"\x85", b"\xef\xbb\xbf", b"9" * 50,
              b"[S3]\n", b"HOST=local\n", b"\ndb_port: ", *map(str.encode, ("“", "\u2028", "ß", "İ")),
              *(b"\n%s = x" % name.encode() for name in
                ("WORKGROUP", "SECRET", "SSLMODE", "SCHEMA", "RETRIES", "MANIFESTS", "PASSWORD"))]
    valid = [text.encode() for text in (
        REDSHIFT + "[LOAD]\nMAX_ERRORS = 3\n", LOCAL,
        LOCAL.replace("[S3]", "DB_PASSWORD: 'Passw0rd'\n[S3]"),
        f"[CLUSTER]\nSECRET = dwh/etl\nREGION = us-west-2\n[IAM_ROLE]\nARN = {ROLE}\n"
        "[S3]\nLOG_DATA = s3://abc/l/\nSONG_DATA = s3://abc/s/\n[AWS]\nKEY = Passw0rd\n",
        f"[DWH]\nENDPOINT = {ENDPOINT}\nDB = dwh\nUSER = etl\nPASSWORD = Passw0rd\n[IAM]\n"
        f"ROLE_ARN =\n  {ROLE}\n[DATA]\nLOG_DATA = s3://abc/l/\nSONG_DATA = s3://abc/s/\n")]
    read_well = refused = 0
    for _ in range(inputs):
        data = bytearray(rng.choice(valid))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data) + 1)
            end = at + rng.choice([0, 0, 1, 1, 5, 40])
            other = rng.choice(valid)
            cut = rng.randrange(len(other))
            new = rng.choice([b"", rng.choice(pieces), rng.randbytes(2), data[end:end + 30],
                              other[cut:cut + 30]])
            data[at:end] = new
            if rng.random() < 0.02:
                del data[rng.randrange(len(data) + 1):]
        path.write_bytes(data)
        try:
            config = read(path)
        except ConfigError as error:
            refused += 1
            said = str(error)
            assert all(line.startswith(f"{path}:") for line in said.split("\n"))
        else:
            read_well += 1
            assert isinstance(config, Config) and None not in vars(config).values()
            assert 1 <= config.server.port <= 65535 or config.server.secret or not config.server.host
            server = config.server
            assert server.host or server.secret or server.workgroup or server.cluster_identifier
            assert config.data.log_data
            said = "\n".join([repr(config), *config.warnings, *config.ignored])
        assert "Passw0rd" not in said or is_bare(bytes(data), "Passw0rd"), data
    assert min(read_well, refused) > inputs / 20


def test_a_password_written_as_secret_is_not_shown(cfg):
    with pytest.raises(ConfigError) as raised:
        cfg(cluster(SECRET="canary with blanks", DB_NAME="dwh"))
    assert "SECRET is a value that may contain a secret, so it is not shown; write" in str(raised.value)
    assert "canary" not in str(raised.value)
