"""The report as one HTML page, with charts and tables, without scripts or external files.

It is built from elements, so that text from the logs never becomes markup.
"""

from datetime import date
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from .answers import Answer, Report, describe_total
from .text import format_value, is_number

STYLE = Path(__file__).with_name("page.css")
# A second defence: the browser may neither fetch nor run anything.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def make_page(report: Report) -> str:
    """Make the HTML document."""
    html = Element("html", {"lang": "en"})
    add_head(SubElement(html, "head"))
    main = SubElement(SubElement(html, "body"), "main")
    add_header(SubElement(main, "header"), report)
    grid = SubElement(main, "div", {"class": "grid"})
    for answer in report.answers:
        add_card(grid, answer)
    SubElement(SubElement(main, "footer"), "p").text = (
        "All times are UTC. A play is a song that was started (a NextSong event); a listener is a"
        " user who is logged in. Every play counts once in each answer.")
    return "<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html") + "\n"


def add_head(parent: Element) -> None:
    SubElement(parent, "meta", {"charset": "utf-8"})
    SubElement(parent, "meta", {"http-equiv": "Content-Security-Policy", "content": POLICY})
    SubElement(parent, "meta", {
        "name": "viewport", "content": "width=device-width, initial-scale=1"})
    SubElement(parent, "meta", {"name": "color-scheme", "content": "light dark"})
    SubElement(parent, "link", {"rel": "icon", "href": "data:,"})
    SubElement(parent, "title").text = "What people listen to on Sparkify"
    SubElement(parent, "style").text = STYLE.read_text("utf-8")


def add_header(parent: Element, report: Report) -> None:
    total = report.total
    SubElement(parent, "h1").text = "What people listen to on Sparkify"
    SubElement(parent, "p", {"class": "covered"}).text = (
        f"{describe_total(total).splitlines()[-1]} {report.as_of}")
    if not total.plays:
        return
    tiles = SubElement(parent, "dl", {"class": "tiles"})
    for name, value in (("plays", total.plays), ("listeners", total.listeners),
                        ("sessions", total.sessions), ("hours of music", total.hours)):
        tile = SubElement(tiles, "div")
        SubElement(tile, "dt").text = name
        SubElement(tile, "dd").text = f"{value:,.0f}"


def add_card(parent: Element, answer: Answer) -> None:
    """Add a section with title, purpose, chart and table."""
    question = answer.question
    section = SubElement(parent, "section", {"id": question.view})
    SubElement(section, "h2").text = question.title
    SubElement(section, "p").text = question.purpose
    question.chart(section, answer)
    details = SubElement(section, "details")
    SubElement(details, "summary").text = "Table"
    add_table(SubElement(details, "div", {"class": "scroll"}), answer)


def add_table(parent: Element, answer: Answer) -> None:
    numeric = [is_number(value) for value in answer.rows[0].values()]
    element = SubElement(parent, "table")
    SubElement(element, "caption").text = answer.question.title
    heads = [{head: head for head in answer.question.heads}]
    for part, tag, rows in (("thead", "th", heads), ("tbody", "td", answer.rows),
                            ("tfoot", "td", answer.end_rows)):
        group = SubElement(element, part)
        for row in rows:
            line = SubElement(group, "tr")
            for value, is_numeric in zip(row.values(), numeric, strict=True):
                kind = "number" if is_numeric else "day" if isinstance(value, date) else ""
                cell = SubElement(line, tag, {"class": kind} if kind else {})
                cell.text = format_value(value)
