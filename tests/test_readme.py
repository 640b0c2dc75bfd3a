"""The three READMEs are right about commands, options, settings and links."""

import csv
import re
import subprocess
import sys

import pytest
from support import ROOT

from warehouse.config import AWS_LOGINS, SETTINGS, read

README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "deploy" / "README.md").read_text()
MAINTAINERS = (ROOT / "tests" / "README.md").read_text()
READMES = [ROOT / "README.md", ROOT / "deploy" / "README.md", ROOT / "tests" / "README.md"]


def test_the_first_page_has_at_most_200_lines():
    assert len(README.splitlines()) <= 200


def test_the_help_of_etl_is_in_the_guide():
    done = subprocess.run(
        [sys.executable, ROOT / "etl.py", "--help"], capture_output=True, text=True, check=True,
        env={"COLUMNS": "80", "PYTHONUTF8": "1"},
    )
    assert done.stdout.strip() in GUIDE


@pytest.mark.parametrize("script", ["create_tables.py", "etl.py"])
def test_every_option_of_a_script_is_on_the_first_page_or_in_the_guide(script):
    done = subprocess.run(
        [sys.executable, ROOT / script, "--help"], capture_output=True, text=True, check=True)
    options = set(re.findall(r"--[a-z-]+", done.stdout.partition("options:")[2]))
    assert len(options) > 5
    for option in options - {"--help"}:
        assert f"`{option}" in README + GUIDE or f"{script} {option}" in README, option


def test_every_setting_is_in_the_guide():
    for setting in SETTINGS:
        assert f"`{setting.key}`" in GUIDE, setting.key
    assert "deploy/README.md explains every key" in (ROOT / "dwh.cfg").read_text()


def test_each_login_of_the_guide_is_a_dwh_cfg_that_is_accepted(tmp_path):
    rest = ("[IAM_ROLE]\nARN = default\n[S3]\nREGION = us-west-2\n"
            "LOG_DATA = s3://udacity-dend/log_data/\nSONG_DATA = s3://udacity-dend/song_data/\n")
    logins = []
    for block in re.findall("```ini\n(.*?)```", GUIDE, re.DOTALL):
        file = tmp_path / "dwh.cfg"
        file.write_text(block + rest)
        file.chmod(0o600)
        config = read(file)
        assert (config.ignored, config.warnings) == ((), ())
        logins.append(next((name for name in AWS_LOGINS if getattr(config.server, name)), "password"))
    assert logins == ["password", *AWS_LOGINS]


def test_ci_runs_the_test_command_of_the_readme():
    command = (ROOT / ".ci" / "run").read_text().strip().splitlines()[-1]
    assert f"```\n{command}\n```" in README


def test_the_commands_of_the_readme_name_files_that_exist():
    for name in ("deploy/setup.sh", "create_tables.py", "etl.py", "sql_queries.py", "dwh.cfg", "tests/run.py",
                 "tests/draw_erd.py", ".github/report.png"):
        assert name in README and (ROOT / name).exists(), name


def test_every_file_that_a_readme_names_exists():
    names = re.findall(r"`((?:deploy|tests|warehouse)/[\w./*]*)", README + GUIDE + MAINTAINERS)
    names += re.findall(r"python ([\w/]+\.py)", README + GUIDE + MAINTAINERS)
    assert len(set(names)) > 15
    for name in names:
        assert list(ROOT.glob(name.rstrip("/"))), name


def test_the_readme_counts_what_the_tables_hold():
    counts = re.findall(r"(\d+) ([a-z A-Z]+) \(`tests/(\w+\.csv)`\)", README)
    assert len(counts) == 3
    for number, words, table in counts:
        with open(ROOT / "tests" / table, newline="") as file:
            assert int(number) == len(list(csv.reader(file))) - 1, words


def test_every_link_leads_to_a_file_or_a_heading():
    for file in READMES:
        for link in re.findall(r"\]\((?!https?:)([^)]+)\)", file.read_text()):
            path, _, heading = link.partition("#")
            target = file.parent / path if path else file
            assert target.exists(), link
            assert not heading or heading in headings_of(target.read_text()), link


def headings_of(text: str) -> set[str]:
    """Return the headings in the form of links. Lines of code blocks may begin with # and do not count."""
    lines = re.sub("```.*?```", "", text, flags=re.DOTALL).splitlines()
    return {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in lines if line.startswith("#")}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs git's list of files")
def test_the_top_level_holds_these_files_and_nothing_else():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = {name.partition("/")[0] for name in files.stdout.splitlines()}
    assert {name for name in names if not name.startswith(".")} == {
        "create_tables.py", "etl.py", "sql_queries.py", "dwh.cfg", "requirements.txt", "README.md",
        "sparkifydb_erd.png", "tests", "warehouse", "deploy"}


def test_the_requirements_are_these():
    names = {
        line.partition(">")[0].partition("[")[0]
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    }
    assert names == {"psycopg2-binary", "boto3", "pytest", "moto"}
