"""The report: its numbers agree, texts of the logs stay text, and the page needs no other file."""

import contextlib
import io
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from support import ROOT, SAMPLE
from support.databases import creating_database
from support.documents import event, song
from support.project import Project, copy_data
from support.runs import assert_refused
from support.sessions import age_the_history, execute
from support.views import DAY, VIEWS, load_events

from warehouse import WarehouseError, console, history
from warehouse.config import read
from warehouse.database.connection import connect
from warehouse.report import __main__ as report
from warehouse.report import answers, charts, page, questions
from warehouse.report import text as texts

HOSTILE = (
    "<script>alert('a')</script>", '"><img src=x onerror=alert(1)>', "]]>", "<!--", "&amp; &#60;",
    "\x1b[2J\x1b]0;owned\x07", "Bj\xc3\x83\xc2\xb6rk \x83\x9b", "\u202egnirts\u202c", "\u2028line",
    "椎名林檎", "e\u0301" * 20, "e" + "\u0301" * 400, "👩\u200d🎤", "\ufffe \ufdd0", "x" * 300,
    "\\", "%(top)s {} %s", "'; DROP TABLE users; --", "", None)


@pytest.fixture(scope="module")
def sample(server, tables, tmp_path_factory):
    """A project that has loaded the sample."""
    with creating_database(server, tables) as name:
        project = Project(tmp_path_factory.mktemp("sample"), server, name)
        copy_data(project, SAMPLE)
        project.load()
        yield project


@pytest.fixture
def hostile(emptied):
    """A project with hostile texts in its log."""
    return load_events(emptied, [
        event(n, song=text, artist=text, location=text, userAgent=text, userId=str(n), sessionId=n,
              level="paid", ts=1541105830796 + n * DAY) for n, text in enumerate(HOSTILE)])


def run(project: Project, *arguments: str) -> subprocess.CompletedProcess:
    """Run the command in the toolkit's folder, as a user does."""
    project.write_config()
    return subprocess.run(
        [sys.executable, "-m", "warehouse.report", "--config", project.config, *arguments],
        cwd=ROOT, text=True, capture_output=True,
        env=project.process_environment | {"PYTHONUTF8": "1"})


@contextlib.contextmanager
def connecting(project: Project, monkeypatch):
    monkeypatch.setenv("SPARKIFY_STANDIN", str(project.server.folder))
    project.write_config()
    with contextlib.closing(connect(read(project.config))) as connection:
        yield connection


def ask(project: Project, monkeypatch, top: int = 10) -> answers.Report:
    """Return the report of the views, made in this process."""
    with connecting(project, monkeypatch) as connection, connection.cursor() as cursor:
        return questions.make_report(cursor, top)


class ParsedPage(HTMLParser):
    """A page as a browser reads it: its elements with their attributes, and its texts."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


def svgs(html: str) -> dict[str, ElementTree.Element]:
    """Return the charts, parsed as XML, by the id of their section."""
    found = re.findall(r'<section id="(\w+)">(.*?)</section>', html, re.DOTALL)
    return {name: ElementTree.fromstring(re.search("<svg.*</svg>", body, re.DOTALL)[0])
            for name, body in found}


def sum_marks(svg: ElementTree.Element) -> int:
    return sum(int(mark.get("data-value", 0)) for mark in svg.iter())


# ----------------------------------------------------------------------------------------- numbers

def test_every_view_is_shown_and_their_totals_agree(sample, monkeypatch):
    shown = ask(sample, monkeypatch)
    assert {answer.question.view for answer in shown.answers} == set(VIEWS)
    assert sample.query("SELECT COUNT(*), COUNT(DISTINCT user_id) FROM songplays") == [
        (shown.total.plays, shown.total.listeners)]
    assert sample.query("SELECT COUNT(*) FROM listening_by_session") == [(shown.total.sessions,)]
    assert sample.query("SELECT MIN(start_time), MAX(start_time) FROM songplays") == [
        (shown.total.first_play, shown.total.last_play)]
    for answer in shown.answers:
        rows = [*answer.rows, *answer.end_rows]
        assert {tuple(row) for row in rows} == {answer.question.heads}
        if "plays" in answer.question.heads:
            *listed, total = (row["plays"] for row in rows)
            assert sum(listed) == total == shown.total.plays, answer.question.view
        if "%" in answer.question.heads:
            *listed, total = (row["%"] for row in rows)
            assert sum(listed) == pytest.approx(100) and total == 100


def test_top_is_how_many_are_listed(sample, monkeypatch):
    found = {answer.question.view: answer for answer in ask(sample, monkeypatch, top=3).answers}
    for view in ("top_songs", "top_artists", "listening_by_user", "plays_by_location"):
        assert len(found[view].rows) == 3
        assert charts.get_name(found[view].end_rows[0]).endswith("others")
        plays = [row["plays"] for row in found[view].rows]
        assert plays == sorted(plays, reverse=True)
    everything = ask(sample, monkeypatch, top=100_000)
    assert all(len(answer.end_rows) == 1 for answer in everything.answers)


def test_a_count_of_one_is_in_the_singular(emptied, monkeypatch):
    load_events(emptied, [event(1)])
    shown = ask(emptied, monkeypatch)
    assert report.format_report(shown).startswith("1 play by 1 listener in 1 session, ")
    for text in (report.format_report(shown), page.make_page(shown)):
        assert re.findall(r"\b1 (plays|listeners|sessions|songs|artists|others)\b", text) == []
    load_events(emptied, [event(1), event(2, song="Another", sessionId=2)])
    assert "\n1 other " in report.format_report(ask(emptied, monkeypatch, top=1))


def test_rows_of_equally_many_plays_are_listed_in_order(emptied, monkeypatch):
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    load_events(emptied, [
        event(n, song=letters[n], artist=letters[n], location=letters[n], userId=str(n))
        for n in reversed(range(len(letters)))])
    listed = {answer.question.view: [charts.get_name(row) for row in answer.rows]
              for answer in ask(emptied, monkeypatch, top=5).answers}
    for view in ("top_songs", "top_artists", "plays_by_location"):
        assert listed[view] == list("ABCDE")
    assert listed["listening_by_user"] == [f"user {n}" for n in range(5)]


def test_a_session_is_counted_among_those_of_its_size(emptied, monkeypatch):
    load_events(emptied, [event(n, sessionId=plays)
                   for plays in (1, 2, 5, 6, 10, 11, 20, 21, 50, 51) for n in range(plays)])
    (answer,) = (found for found in ask(emptied, monkeypatch).answers
                 if found.question.view == "listening_by_session")
    assert [(row["plays in the session"], row["sessions"]) for row in answer.rows] == [
        ("1", 1), ("2 to 5", 2), ("6 to 10", 2), ("11 to 20", 2), ("21 to 50", 2), ("over 50", 1)]


def test_plays_per_day_count_also_the_days_without_a_play(emptied, monkeypatch):
    monday = 1541376000000  # 5 November 2018
    load_events(emptied, [event(1, ts=monday), event(2, ts=monday + 21 * DAY)])
    (answer,) = (found for found in ask(emptied, monkeypatch).answers
                 if found.question.view == "plays_by_weekday")
    assert [row["days"] for row in answer.rows] == [4, 3, 3, 3, 3, 3, 3]
    assert answer.rows[0]["plays per day"] == 0.5
    assert (answer.end_rows[0]["days"], answer.end_rows[0]["plays per day"]) == (22, 2 / 22)


@pytest.mark.parametrize("days", [1, 6, 7, 8, 366, 1000])
def test_weekdays_are_counted_as_a_calendar_has_them(days):
    for first in (datetime(2018, 11, n, 23, 59) for n in range(1, 8)):
        every = [first.date() + timedelta(n) for n in range(days)]
        counts = Counter(day.weekday() for day in every)
        last = datetime(every[-1].year, every[-1].month, every[-1].day)
        total = answers.Total(1, 1, 1, 1.0, first, last)
        found = [answers.compute_days({"weekday": name}, total) for name in answers.WEEKDAYS]
        assert found == [counts[weekday] for weekday in range(7)]


def test_all_numbers_are_of_one_moment_and_nothing_is_left_open(sample, monkeypatch):
    """A load that commits during the report changes none of its numbers."""
    plays = sample.query("SELECT COUNT(*) FROM songplays")[0][0]

    def execute_while_somebody_loads(cursor, sql, values):
        done = execute_really(cursor, sql, values)
        if "report" in sql.partition("\n")[0]:
            execute(sample, "INSERT INTO songplays (songplay_id, start_time, level, session_id)"
                            f" VALUES (MD5('{counted.pop()}'), '2018-11-09 09:09:09', 'free', 0)")
        return done

    counted, execute_really = list(range(99)), questions.execute
    monkeypatch.setattr(questions, "execute", execute_while_somebody_loads)
    try:
        with connecting(sample, monkeypatch) as connection:
            monkeypatch.setattr(report, "connecting",
                                lambda config: contextlib.nullcontext(connection))
            said = report.run(None, SimpleNamespace(top=10, html=None))
            assert connection.info.transaction_status == TRANSACTION_STATUS_IDLE
    finally:
        execute(sample, "DELETE FROM songplays WHERE session_id = 0 AND user_id IS NULL"
                        " AND start_time = '2018-11-09 09:09:09'")
    assert len(counted) < 99 - len(VIEWS)
    assert said.startswith(f"{plays:,} plays by ")
    tables = [block for block in said.split("\n\n") if re.search(r" plays .*\n-", block)]
    assert len(tables) > 9 and all(f"{plays:,}" in block for block in tables)


# ------------------------------------------------------------------------------- as of which load

def find_newest(project: Project, kind: str = "load") -> str:
    finished, = project.query(f"SELECT MAX(finished_at) FROM loads WHERE kind = '{kind}'")[0]
    return f"{finished:%Y-%m-%d %H:%M}"


def read_as_of(project: Project) -> str:
    """Return the line below the totals on the terminal. The page must show the same."""
    said = run(project).stdout.splitlines()
    line = said[2] if said[0].startswith("1 play ") else said[1]
    file = project.folder / "report.html"
    assert run(project, "--html", str(file)).returncode == 0
    covered = re.search('<p class="covered">(.*?)</p>', file.read_text())[1]
    assert covered.endswith(f" {line}")
    return line


def test_the_report_names_its_latest_load_even_if_it_found_nothing_new(warehouse):
    assert read_as_of(warehouse) == (
        f"No load has succeeded since the reset of {find_newest(warehouse, 'reset')} UTC.")
    warehouse.write("log_data/1.json", [event(1)])
    warehouse.write("song_data/1.json", song())
    warehouse.load()
    age_the_history(warehouse, 30)
    assert read_as_of(warehouse) == f"As of the load of {find_newest(warehouse)} UTC."
    warehouse.load()
    assert read_as_of(warehouse) == f"As of the load of {find_newest(warehouse, 'nothing new')} UTC."
    assert warehouse.run("create_tables.py").returncode == 0
    assert read_as_of(warehouse) == (
        f"No load has succeeded since the reset of {find_newest(warehouse, 'reset')} UTC.")


@pytest.mark.parametrize("change, said", [
    ("DELETE FROM loads", "No load has succeeded yet."),
    ("DROP TABLE loads",
     'The time of the load is unknown: the table "loads" is missing, or this user cannot read it.'),
    ("ALTER TABLE loads DROP COLUMN finished_at",
     'The time of the load is unknown: the table "loads" is missing, or this user cannot read it.')])
def test_a_history_that_is_empty_missing_or_of_other_columns_is_reported_and_no_failure(
        warehouse, change, said):
    execute(warehouse, change)
    assert read_as_of(warehouse) == said


def test_the_report_names_the_load_whose_numbers_it_shows(sample, monkeypatch):
    """A load that commits after the first query is not named."""
    def execute_while_somebody_loads(cursor, sql, values):
        done = execute_really(cursor, sql, values)
        if sql == questions.ALL_PLAYS:
            execute(sample, "INSERT INTO loads (run, kind, begun_at, finished_at)"
                            " VALUES ('later', 'load', '2099-01-01', '2099-01-01')")
        return done

    execute_really = questions.execute
    monkeypatch.setattr(questions, "execute", execute_while_somebody_loads)
    try:
        first = ask(sample, monkeypatch).as_of
        assert first.startswith("As of the load of 20") and "2099" not in first
        assert "2099" in ask(sample, monkeypatch).as_of
    finally:
        execute(sample, "DELETE FROM loads WHERE run = 'later'")


# ---------------------------------------------------------------------------------------- terminal

def test_the_terminal_shows_tables_and_quiet_leaves_out_the_log(sample):
    done = run(sample, "--quiet", "--top", "3")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        "2,730 plays by 60 listeners in 226 sessions, 191.6 hours of music.\n")
    assert "From 1 November 2018, " in done.stdout and "(UTC)." in done.stdout
    assert re.search("^song +artist +plays +% +listeners +in catalogue$", done.stdout, re.MULTILINE)
    assert re.search(r"^all \d+ songs +2,730 +100\.0$", done.stdout, re.MULTILINE)
    assert re.search(r"^\d+ others +2,\d\d\d +\d\d\.\d$", done.stdout, re.MULTILINE)
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_texts_of_the_logs_neither_steer_the_terminal_nor_break_a_table(hostile, monkeypatch):
    said = report.format_report(ask(hostile, monkeypatch, top=100))
    assert [c for c in said if c != "\n" and not texts.clean(c) == c] == []
    (table,) = (block for block in said.split("\n\n") if block.startswith("song "))
    head, rule, *lines = table.splitlines()
    right = texts.measure_width(rule) - len(rule.split()[-1]) - 2  # where the listeners end
    assert len(lines) == len(HOSTILE) + 2
    for line in lines[:-2]:
        columns = texts.measure_width(line[: line.rindex("  ") + 2].rstrip())
        assert columns == right, line
    assert "(unknown)" in table and "(blank)" in table and "椎名林檎" in table


@pytest.mark.parametrize("text, most, cut", [
    ("short", 5, "short"), ("longer", 5, "long…"), ("椎名林檎", 5, "椎名…"), ("椎名林檎", 4, "椎…"),
    ("e\u0301" * 6, 5, "e\u0301" * 4 + "…"), ("a  bcd", 4, "a…"),
    ("نمی\u200cشود", 6, "نمی\u200cشود"),
])
def test_a_text_is_cut_by_the_columns_it_takes(text, most, cut):
    assert texts.cut(text, most) == cut
    assert texts.measure_width(cut) <= most


@pytest.mark.parametrize("text, printed", [
    ("نمی\u200cشود", "نمی\u200cشود"), ("👩\u200d🎤", "👩\u200d🎤"), ("Donau\xaddampf", "Donaudampf"),
    ("\U0001fadc", "\U0001fadc"),  # an emoji of a later Unicode than Python 3.11's
    ("\ufffe\U0001ffff\ufdd0\ufdef", "\ufffd" * 4), ("\ufeff\u202e\ue000", "\ufffd" * 3),
    ("e" + "\u0301" * 400 + "f\u0301", "e" + "\u0301" * 4 + "f\u0301"),
    ("a" + "\u200d" * 400, "a" + "\u200d" * 4),
])
def test_characters_that_a_language_needs_stay_and_those_that_spoil_a_line_do_not(text, printed):
    assert texts.clean(text) == printed


def test_a_character_that_the_terminal_lacks_stops_no_report(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    console.open_streams()
    console.say("Bj\xf6rk")
    assert written.getvalue() == b"Bj?rk\n"


def test_all_that_top_asks_for_is_listed_from_the_first_on(sample, monkeypatch):
    shown = ask(sample, monkeypatch, top=70)
    (answer,) = (found for found in shown.answers if found.question.view == "top_songs")
    said = report.format_table(answer)
    first, last = (texts.cut(texts.format_value(answer.rows[n]["song"]), 12).rstrip("…")
                   for n in (0, 69))
    lines = said.split("\n\n")[1].splitlines()[2:]
    assert len(lines) == 70 + 3
    assert lines[0].startswith(first) and lines[69].startswith(last)
    html = page.make_page(shown)
    svg = svgs(html)["top_songs"]
    assert sum_marks(svg) == sum(row["plays"] for row in answer.rows[:25])
    assert "The chart shows the first 25; the table has all 70." in html


(PLAYS_BY_DAY,) = (question for question in questions.QUESTIONS if question.view == "plays_by_day")


def plays_of_day(day: date, plays: int, free: int, paid: int) -> answers.Row:
    return {"day": day, "plays": plays, "free": free, "paid": paid, "listeners": 1}


def test_many_days_are_summed_up_on_the_terminal_and_by_month_on_the_page():
    first = date(2016, 1, 1)
    rows = [plays_of_day(first + timedelta(n), 3, 1, 2) for n in range(1000)]
    total = answers.Total(3000, 5, 1, 1.0, datetime(2016, 1, 1), datetime(2018, 9, 26))
    answer = answers.make_answer(PLAYS_BY_DAY, rows, total)
    said = report.format_table(answer)
    assert "938 earlier rows" in said and len(said.splitlines()) < 80
    assert "2018-09-26" in said and "2016-01-01" not in said
    html = page.make_page(answers.Report(total, [answer], "As of today."))
    (svg,) = svgs(html).values()
    assert sum_marks(svg) == 3000
    assert "Jan 2016" in html and "summed by month" in html
    assert len([mark for mark in svg.iter("rect")]) == 2 * 33
    assert html.count("<tr>") == 1000 + 2


@pytest.mark.parametrize("days, unit, names", [
    (["2018-12-30", "2019-01-02"], "day", ["30 Dec 2018", "2 Jan 2019"]),
    (["2018-12-01", "2019-01-29"], "day", ["1 Dec 2018", "29 Jan 2019"]),
    (["2018-11-01", "2018-11-30"], "day", ["1 Nov", "30 Nov"]),
    (["2018-01-31", "2018-05-01"], "day", ["31 Jan", "1 May"]),
    (["2018-01-31", "2018-12-01", "2020-03-02"], "month", ["Jan 2018", "Mar 2020"]),
    ([f"{2015 + n // 9}-0{1 + n % 9}-05" for n in range(30)], "month", ["Jan 2015", "Mar 2018"]),
    (["2000-01-03", "2050-01-03", "2099-12-31"], "year", ["2000", "2099"]),
])
def test_a_chart_of_days_is_as_long_as_the_time_it_covers(days, unit, names):
    days = [date.fromisoformat(day) for day in days]
    total = answers.Total(len(days), 1, 1, 1.0, datetime.combine(days[0], datetime.min.time()),
                          datetime.combine(days[-1], datetime.max.time()))
    answer = answers.make_answer(PLAYS_BY_DAY, [plays_of_day(day, 1, 1, 0) for day in days], total)
    found, written, rows = charts.group_days(answer.rows)
    assert (found, [written[0], written[-1]]) == (unit, names)
    assert len(set(written)) == len(written) == len(rows) == {
        "day": (days[-1] - days[0]).days + 1,
        "month": (days[-1].year - days[0].year) * 12 + days[-1].month - days[0].month + 1,
        "year": days[-1].year - days[0].year + 1}[unit]
    (svg,) = svgs(page.make_page(answers.Report(total, [answer], "As of today."))).values()
    assert sum_marks(svg) == len(days)
    places = [(float(mark.get("x")), len(mark.text) * charts.LETTER / 2)
              for mark in svg.iter("text") if mark.get("text-anchor") == "middle"]
    for (x, half), (next_x, next_half) in pairwise([*places, (charts.WIDTH, 0)]):
        assert x + half <= next_x - next_half + 0.01


def test_days_without_plays_are_shown(emptied, monkeypatch):
    load_events(emptied, [event(1), event(2, ts=1541105830796 + 3 * DAY)])
    (answer,) = (found for found in ask(emptied, monkeypatch).answers
                 if found.question.view == "plays_by_day")
    assert [row["plays"] for row in answer.rows] == [1, 0, 0, 1]


# -------------------------------------------------------------------------------------------- page

def test_the_page_is_written_whole_and_holds_all_it_needs(sample, tmp_path):
    file = tmp_path / "report.html"
    file.write_text("old")
    done = run(sample, "--html", str(file))
    assert (done.returncode, done.stdout) == (0, "")
    html = file.read_text()
    assert f"wrote {file}: {len(html.encode()):,} bytes" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    parsed = ParsedPage(html)
    assert not parsed.tags() & {"script", "iframe", "object", "embed", "img", "base", "form"}
    links = [value for _, attributes in parsed.elements for name, value in attributes.items()
             if name in ("src", "href", "srcset", "action", "data") or name.startswith("on")]
    assert links == ["data:,"]
    assert not re.search(r"url\(|@import|https?:|//", html.replace("<!DOCTYPE html>", ""))
    metas = {attributes.get("name") or attributes.get("http-equiv"): attributes.get("content")
             for tag, attributes in parsed.elements if tag == "meta"}
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["color-scheme"] == "light dark" and "prefers-color-scheme: dark" in html
    assert metas["Content-Security-Policy"].startswith("default-src 'none'")
    assert "2,730" in parsed.texts


def test_each_chart_is_xml_with_a_description_and_a_table(sample, monkeypatch):
    shown = ask(sample, monkeypatch)
    html = page.make_page(shown)
    found = svgs(html)
    assert list(found) == [answer.question.view for answer in shown.answers]
    assert len(found) == len(VIEWS) == html.count("<details>") == html.count("<table>")
    for svg in found.values():
        assert svg.get("role") == "img"
        assert svg.get("aria-label") == svg.find("title").text
        _, _, across, _ = map(float, svg.get("viewBox").split())
        assert across <= 360  # so that its letters are legible on a phone
        for mark in svg.iter("rect"):
            assert 0 <= float(mark.get("x")) <= float(mark.get("x")) + float(
                mark.get("width")) <= across + 0.01


def test_the_marks_of_a_chart_add_up_to_the_numbers_of_its_table(sample, monkeypatch):
    shown = ask(sample, monkeypatch)
    found = svgs(page.make_page(shown))
    for answer in shown.answers:
        if answer.question.view == "listeners_by_day":
            wanted = sum(row["listeners"] for row in answer.rows)
        elif answer.question.view == "plays_by_weekday_hour":
            wanted = shown.total.plays
        else:
            wanted = sum(row["plays"] for row in answer.rows)
        assert sum_marks(found[answer.question.view]) == wanted, answer.question.view


def test_a_level_that_is_neither_free_nor_paid_is_drawn_as_well(emptied, monkeypatch):
    load_events(emptied, [event(1), event(2, level="trial"), event(3, level="trial")])
    html = page.make_page(ask(emptied, monkeypatch))
    assert sum_marks(svgs(html)["plays_by_day"]) == sum_marks(svgs(html)["plays_by_level"]) == 3
    assert ">other<" in html


def test_a_text_of_the_logs_is_never_markup(hostile, monkeypatch):
    html = page.make_page(ask(hostile, monkeypatch, top=100))
    parsed = ParsedPage(html)
    known = ParsedPage(page.make_page(ask(hostile, monkeypatch, top=1))).tags()
    assert parsed.tags() == known and "script" not in known
    assert not [name for _, attributes in parsed.elements for name in attributes
                if name.startswith("on")]
    said = set(parsed.texts)
    for text in filter(None, HOSTILE):
        assert texts.clean(text) in said, text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028]", html)
    assert len(svgs(html)) == len(VIEWS)  # which are XML still


@pytest.mark.parametrize("most, top, steps", [
    (0, 1, 1), (1, 1, 1), (4, 4, 4), (5, 6, 3), (39, 40, 4), (40, 40, 4), (41, 60, 3),
    (479, 600, 3), (5_600_000, 6_000_000, 3)])
def test_an_axis_ends_at_a_round_number_not_far_above(most, top, steps):
    svg = charts.start_chart("", 1)
    assert charts.draw_scale(svg, most) == top
    assert len(svg.findall("line")) == steps + 1


def test_colours_stand_out_in_both_themes():
    """As WCAG 2.2 asks: 4.5 for texts, 3 for marks."""

    def luminance(colour: str) -> float:
        parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
                  for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        light, dark = sorted((luminance(one), luminance(other)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    themes = [dict(re.findall(r"--(\w+): (#\w{6})", block))
              for block in re.findall(r":root \{(.*?)\}", page.STYLE.read_text(), re.DOTALL)]
    assert len(themes) == 2 and themes[0].keys() == themes[1].keys()
    for theme in themes:
        for name, least in (("text", 4.5), ("soft", 4.5), ("one", 3), ("two", 3), ("three", 3),
                            ("rest", 3)):
            assert contrast(theme[name], theme["card"]) >= least, name
        assert contrast(theme["soft"], theme["ground"]) >= 4.5


# ------------------------------------------------------------------------------------- exit status

def test_an_empty_warehouse_has_a_report_that_says_so(warehouse, tmp_path):
    done = run(warehouse)
    assert done.returncode == 0
    assert done.stdout.startswith(
        "There are no plays in the warehouse yet. Run etl.py to load some.\nNo load has succeeded since ")
    assert len(done.stdout.splitlines()) == 2
    file = tmp_path / "report.html"
    assert run(warehouse, "--html", str(file)).returncode == 0
    assert "There are no plays in the warehouse yet." in file.read_text()
    assert "<svg" not in file.read_text()


def test_views_that_are_missing_are_named_with_the_command_that_makes_them(warehouse, tmp_path):
    execute(warehouse, "DROP VIEW top_songs; DROP VIEW catalogue_match")
    file = tmp_path / "report.html"
    done = run(warehouse, "--html", str(file))
    assert_refused(done, 1, "top_songs, catalogue_match", "create_tables.py --views",
                   rolled_back=False)
    assert not file.exists()
    assert warehouse.run("create_tables.py", "--views").returncode == 0
    assert run(warehouse).returncode == 0


def test_a_user_needs_select_on_the_views_and_nothing_else_for_the_report(warehouse):
    role = f"{warehouse.database}_analyst"
    execute(warehouse, f"CREATE ROLE {role} LOGIN")
    warehouse.configure(HOST=str(warehouse.server.socket_folder), DB_PORT="5432", DB_USER=role)
    try:
        assert_refused(run(warehouse), 1, ", ".join(VIEWS), "not readable by this user", rolled_back=False)
        execute(warehouse, f"GRANT SELECT ON {', '.join(VIEWS)} TO {role}")
        assert "\nThe time of the load is unknown: " in run(warehouse).stdout
        execute(warehouse, f"GRANT SELECT ON loads TO {role}")
        assert "\nNo load has succeeded since the reset of 20" in run(warehouse).stdout
    finally:
        execute(warehouse, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_page_that_cannot_be_written_leaves_what_is_there(warehouse, tmp_path):
    file = tmp_path / "nowhere" / "report.html"
    assert_refused(run(warehouse, "--html", str(file)), 1, str(file), "--html FILE",
                   rolled_back=False)
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(WarehouseError, match="too long"):
        report.write(tmp_path / ("x" * 255), "new")
    other = tmp_path / f".page.html.{history.RUN}"
    other.write_text("somebody else's")
    with pytest.raises(WarehouseError, match="exists"):
        report.write(tmp_path / "page.html", "new")
    assert other.read_text() == "somebody else's"


def test_a_page_goes_where_a_link_leads_and_keeps_the_mode_of_the_old_one(tmp_path):
    file, link = tmp_path / "served.html", tmp_path / "report.html"
    link.symlink_to(file.name)
    for mode in (None, 0o640, 0o444):  # None: it is not there yet
        if mode:
            file.chmod(mode)
        report.write(link, f"new {mode}")
        assert link.is_symlink() and file.read_text() == f"new {mode}"
        assert not mode or file.stat().st_mode & 0o777 == mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "served.html"]


def test_a_page_is_written_into_a_pipe_or_a_device_and_does_not_replace_it(tmp_path):
    pipe, null = tmp_path / "pipe", tmp_path / "null"
    os.mkfifo(pipe)
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)) as reader:
        report.write(pipe, "new")
        assert reader.read() == "new" and pipe.is_fifo()
    null.symlink_to("/dev/null")
    report.write(null, "new")
    assert null.is_char_device()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["null", "pipe"]


@pytest.mark.parametrize("arguments", [
    ("--top", "0"), ("--top", "many"), ("--top", "1001"), ("--top", "9" * 20),
    ("--top", "9" * 5000), ("--html",), ("--html", ""), ("--html", "."), ("--html", ".."),
    ("--html", "/"), ("--html", "folder/"), ("--html", "-"), ("extra",),
])
def test_wrong_usage_exits_2(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        report.make_parser().parse_args(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m warehouse.report")


@pytest.mark.parametrize("room, sizes, most", [
    (60, [3, 80, 40], 25), (100, [10, 20], 20), (10, [50], 12), (100, [], 0)])
def test_a_narrow_column_leaves_its_room_to_the_wide_ones(room, sizes, most):
    assert report.fit_width(room, sizes) == most
