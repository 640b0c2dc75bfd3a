"""The report as one HTML page: no script, nothing from elsewhere, charts with tables behind them.

It is built as elements, so whatever the logs wrote is text and never markup.
"""

from datetime import date
from pathlib import Path
from typing import Callable
from xml.etree.ElementTree import Element, SubElement, tostring

from . import charts
from .charts import Bar
from .questions import Answer, Report, Total, covered
from .text import counted, is_number, shown

STYLE = Path(__file__).with_name("page.css")
# Nothing may be fetched or run, even if something slipped through.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
MOST_DAYS, MOST_MONTHS, MOST_BARS = 92, 60, 25  # that a chart shows one by one


def page(report: Report) -> str:
    """The whole document."""
    html = Element("html", {"lang": "en"})
    head(SubElement(html, "head"))
    main = SubElement(SubElement(html, "body"), "main")
    header(SubElement(main, "header"), report.total)
    grid = SubElement(main, "div", {"class": "grid"})
    for answer in report.answers:
        card(grid, answer)
    SubElement(SubElement(main, "footer"), "p").text = (
        "All times are UTC. A play is a song that was started (a NextSong event); a listener is a"
        " user who is logged in. Every play counts once in each answer.")
    return "<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html") + "\n"


def head(parent: Element) -> None:
    SubElement(parent, "meta", {"charset": "utf-8"})
    SubElement(parent, "meta", {"http-equiv": "Content-Security-Policy", "content": POLICY})
    SubElement(parent, "meta", {
        "name": "viewport", "content": "width=device-width, initial-scale=1"})
    SubElement(parent, "meta", {"name": "color-scheme", "content": "light dark"})
    SubElement(parent, "link", {"rel": "icon", "href": "data:,"})
    SubElement(parent, "title").text = "What people listen to on Sparkify"
    SubElement(parent, "style").text = STYLE.read_text("utf-8")


def header(parent: Element, total: Total) -> None:
    SubElement(parent, "h1").text = "What people listen to on Sparkify"
    SubElement(parent, "p", {"class": "covered"}).text = covered(total).splitlines()[-1]
    if not total.plays:
        return
    tiles = SubElement(parent, "dl", {"class": "tiles"})
    for name, value in (("plays", shown(total.plays)), ("listeners", shown(total.listeners)),
                        ("sessions", shown(total.sessions)),
                        ("hours of music", f"{total.hours:,.0f}")):
        tile = SubElement(tiles, "div")
        SubElement(tile, "dt").text = name
        SubElement(tile, "dd").text = value


def card(parent: Element, answer: Answer) -> None:
    """Title, purpose, chart, and the table behind it."""
    section = SubElement(parent, "section", {"id": answer.view})
    SubElement(section, "h2").text = answer.title
    SubElement(section, "p").text = answer.purpose
    CHARTS[answer.view](section, answer)
    details = SubElement(section, "details")
    SubElement(details, "summary").text = "Table"
    table(SubElement(details, "div", {"class": "scroll"}), answer)


def table(parent: Element, answer: Answer) -> None:
    numeric = [is_number(value) for value in answer.rows[0]]
    element = SubElement(parent, "table")
    SubElement(element, "caption").text = answer.title
    for part, tag, rows in (("thead", "th", [answer.heads]), ("tbody", "td", answer.rows),
                            ("tfoot", "td", answer.ends)):
        group = SubElement(element, part)
        for row in rows:
            line = SubElement(group, "tr")
            for value, is_right in zip(row, numeric):
                kind = "number" if is_right else "day" if isinstance(value, date) else ""
                cell = SubElement(line, tag, {"class": kind} if kind else {})
                cell.text = shown(value)


def legend(parent: Element, *names: str) -> None:
    listed = SubElement(parent, "ul", {"class": "legend"})
    for number, name in enumerate(names, start=1):
        item = SubElement(listed, "li")
        SubElement(item, "i", {"class": f"series{number}"})
        SubElement(item, "span").text = name


# ----------------------------------------------------------------------------------------- charts

def label_of(answer: Answer, value: int) -> str:
    """What is read aloud in a chart's place; value is the column that the chart shows."""
    most = max(answer.rows, key=lambda row: row[value])
    number = counted(most[value], answer.heads[value].removesuffix("s"))
    return f"{answer.title}. Most: {shown(most[0])}, {number}."


def by_day(section: Element, answer: Answer) -> None:
    """Columns of days; of months, or years, where they would be too many."""
    stacked = {
        "plays_by_day": {"paid": lambda row: row[3], "free": lambda row: row[2],
                         "other": lambda row: row[1] - row[2] - row[3]},
        "listeners_by_day": {"returning": lambda row: row[3], "new": lambda row: row[2]},
    }[answer.view]
    unit, names, rows = periods(answer.rows)
    series = {name: [sum(map(value, group)) for group in rows] for name, value in stacked.items()}
    series = {name: values for name, values in series.items() if any(values) or name != "other"}
    legend(section, *series)
    label = label_of(answer, 1)
    if unit != "day":
        label += f" Days are summed by {unit}."
        SubElement(section, "p").text = f"Days are summed by {unit}."
    room = int((charts.WIDTH - charts.LEFT) / charts.LETTER / max(map(len, names)))
    section.append(charts.columns(label, names, series, every=-(-len(names) // min(6, room))))


def periods(rows: list[tuple]) -> tuple[str, list[str], list[list[tuple]]]:
    """The rows by day, month or year: the unit, the name of each from the first to the last, and
    its rows, if any."""
    first, last = rows[0][0], rows[-1][0]
    if (last - first).days < MOST_DAYS:
        style = "%b" if first.year == last.year else "%b %Y"
        return "day", [f"{row[0].day} {row[0]:{style}}" for row in rows], [[row] for row in rows]
    unit, number_of, name_of = "month", month_number, month_name
    if number_of(last) - number_of(first) >= MOST_MONTHS:
        unit, number_of, name_of = "year", (lambda day: day.year), str
    groups: dict[int, list[tuple]] = {
        number: [] for number in range(number_of(first), number_of(last) + 1)}
    for row in rows:
        groups[number_of(row[0])].append(row)
    return unit, list(map(name_of, groups)), list(groups.values())


def month_number(day: date) -> int:
    return day.year * 12 + day.month - 1


def month_name(number: int) -> str:
    return f"{date(number // 12, number % 12 + 1, 1):%b %Y}"


def upright(letters: int, every: int) -> Callable[[Element, Answer], None]:
    """Columns of plays, named by the first letters of every n-th row."""

    def draw(section: Element, answer: Answer) -> None:
        section.append(charts.columns(
            label_of(answer, 1), [row[0][:letters] for row in answer.rows],
            {"plays": [row[1] for row in answer.rows]}, every))

    return draw


def by_weekday_hour(section: Element, answer: Answer) -> None:
    days, hours = answer.heads[1:8], [row[0] for row in answer.rows]
    values = [[row[1 + day] for row in answer.rows] for day in range(7)]
    most, day, hour = max((count, day, hour) for day, counts in zip(days, values)
                          for hour, count in zip(hours, counts))
    label = f"{answer.title}. Most: {day} {hour}, {counted(most, 'play')}."
    section.append(charts.heatmap(label, list(days), hours, values))


def ranked(value: int, detail: int | None = None,
           across: int = charts.WIDTH) -> Callable[[Element, Answer], None]:
    """Bars of the first rows: value is the column that they show, detail one that tells more."""

    def draw(section: Element, answer: Answer) -> None:
        if len(answer.rows) > MOST_BARS:
            SubElement(section, "p").text = (
                f"The chart shows the first {MOST_BARS}; the table has all {len(answer.rows):,}.")
        section.append(charts.bars(label_of(answer, value), [
            Bar(row[0], row[value], row[detail] if detail else "", f"  ·  {row[value + 1]:.1f} %")
            for row in answer.rows[:MOST_BARS]], across))

    return draw


def parts(section: Element, answer: Answer) -> None:
    section.append(charts.share(label_of(answer, 1), [
        Bar(row[0], row[1], note=f"  ·  {row[2]:.1f} %", kind=KINDS.get(row[0], "series3"))
        for row in answer.rows]))


KINDS = {"paid": "series1", "free": "series2",
         "song in the catalogue": "series1", "only the artist": "series2", "neither": "rest"}


def by_session(section: Element, answer: Answer) -> None:
    section.append(charts.bars(label_of(answer, 2), [
        Bar(f"{row[0]} play{'s' * (row[0] != '1')}", row[2], counted(row[1], "session"),
            f"  ·  {row[3]:.1f} %") for row in answer.rows]))


CHARTS = {
    "plays_by_day": by_day,
    "listeners_by_day": by_day,
    "top_songs": ranked(2, detail=1),
    "top_artists": ranked(1),
    "plays_by_hour": upright(letters=5, every=4),
    "plays_by_weekday": upright(letters=3, every=1),
    "plays_by_weekday_hour": by_weekday_hour,
    "plays_by_level": parts,
    "listening_by_session": by_session,
    "listening_by_user": ranked(2, detail=1),
    "plays_by_location": ranked(1),
    "plays_by_browser": ranked(1, across=charts.NARROW),
    "catalogue_match": parts,
}
