"""Charts as inline SVG, built as elements: no text of the logs is ever pasted into markup.

They are as many units wide as the narrowest card has pixels, nearly, so that their letters stay
legible on a phone. Colours and fonts are the page's: see page.css. Each mark tells its numbers
where the mouse rests on it, and has them in data-value.
"""

from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement

from .text import counted, fitted, shown, width

WIDTH, NARROW = 360, 280
LETTER = 6.4  # units that a letter of 12 takes, at most, on average
LEFT, TOP, HEIGHT = 40, 8, 150  # of the plot of columns
ROW = 36  # height of a bar with its words


class Bar(NamedTuple):
    """name: of which detail tells more, in a softer colour."""

    name: str
    value: int
    detail: str = ""
    note: str = ""
    kind: str = "series1"


def chart(label: str, height: float, across: int = WIDTH) -> Element:
    svg = Element("svg", {
        "viewBox": f"0 0 {across} {height:g}", "role": "img", "aria-label": label})
    SubElement(svg, "title").text = label
    return svg


def rect(svg: Element, x: float, y: float, w: float, h: float, kind: str, told: str,
         value: int | None = None, **attributes: str) -> None:
    """A mark; told is what it says of itself."""
    mark = SubElement(svg, "rect", {
        "x": f"{x:.2f}", "y": f"{y:.2f}", "width": f"{w:.2f}", "height": f"{h:.2f}", "class": kind,
        **({} if value is None else {"data-value": str(value)}), **attributes})
    if told:
        SubElement(mark, "title").text = told


def words(svg: Element, x: float, y: float, text: str, kind: str,
          anchor: str = "start") -> Element:
    element = SubElement(svg, "text", {"x": f"{x:.2f}", "y": f"{y:.2f}", "class": kind,
                                       "text-anchor": anchor})
    element.text = text
    return element


def columns(label: str, names: list[str], series: dict[str, list[int]], every: int = 1) -> Element:
    """A column for each name, its series stacked in this order; every n-th name is written, but
    for a last one that would reach beyond the edge."""
    svg = chart(label, TOP + HEIGHT + 24)
    totals = [sum(values) for values in zip(*series.values())]
    top = scale(svg, max(totals, default=0))
    step = (WIDTH - LEFT) / max(1, len(names))
    gap = min(4.0, step / 5)
    for i, name in enumerate(names):
        base, x = TOP + HEIGHT, LEFT + i * step
        for number, (kind, values) in enumerate(series.items(), start=1):
            if values[i]:
                size = HEIGHT * values[i] / top
                base -= size
                told = kind.removesuffix("s") if values[i] == 1 else kind
                rect(svg, x + gap / 2, base, step - gap, size, f"series{number}",
                     f"{name}: {shown(values[i])} {told}", values[i])
        if i % every == 0 and x + step / 2 + LETTER * len(name) / 2 <= WIDTH:
            words(svg, x + step / 2, TOP + HEIGHT + 16, name, "soft", "middle")
    return svg


def scale(svg: Element, most: int) -> int:
    """Lines across the plot at round numbers; returns the number at its top."""
    step = next(unit * 10**power for power in range(20) for unit in (1, 2, 5)
                if unit * 10**power * 4 >= most)
    steps = max(1, -(-most // step))
    for i in range(steps + 1):
        y = TOP + HEIGHT - HEIGHT * i / steps
        SubElement(svg, "line", {"x1": f"{LEFT}", "x2": f"{WIDTH}", "y1": f"{y:.2f}",
                                 "y2": f"{y:.2f}", "class": "axis" if i == 0 else "rule"})
        words(svg, LEFT - 6, y + 4, short(i * step), "soft", "end")
    return steps * step


def short(number: int) -> str:
    """A round number in few letters.

    >>> short(500), short(20_000), short(1_500_000)
    ('500', '20k', '1.5M')
    """
    if number >= 1_000_000:
        return f"{number / 1_000_000:g}M"
    return f"{number / 1_000:g}k" if number >= 10_000 else f"{number:,}"


def bars(label: str, rows: list[Bar], across: int = WIDTH) -> Element:
    """A bar for each row, below its words, the longest one first if they come so."""
    svg = chart(label, len(rows) * ROW, across)
    most = max((row.value for row in rows), default=0) or 1
    for i, row in enumerate(rows):
        y, number = i * ROW, shown(row.value) + row.note
        room = int((across - LETTER * len(number) - 12) / LETTER)
        name = fitted(shown(row.name), room if not row.detail else max(room - 12, room * 2 // 3))
        line = words(svg, 0, y + 14, name, "name")
        if row.detail and (left := room - width(name) - 2) > 3:
            detail = SubElement(line, "tspan", {"class": "soft", "dx": "8"})
            detail.text = fitted(shown(row.detail), left)
        words(svg, across, y + 14, number, "number", "end")
        rect(svg, 0, y + 20, across, 7, "track", "", rx="3.5")
        told = ", ".join(filter(None, (row.name, row.detail, shown(row.value) + row.note)))
        rect(svg, 0, y + 20, max(1.0, across * row.value / most), 7, row.kind, shown(told),
             row.value, rx="3.5")
    return svg


def share(label: str, parts: list[Bar], across: int = NARROW) -> Element:
    """One bar for the whole, cut into its parts, with a line of words for each."""
    svg = chart(label, 42 + 26 * len(parts), across)
    whole, x = sum(part.value for part in parts) or 1, 0.0
    for i, part in enumerate(parts):
        size = across * part.value / whole
        told = f"{shown(part.name)}: {shown(part.value)}{part.note}"
        rect(svg, x, 4, max(0.0, size - 2), 26, part.kind, told, part.value, rx="3")
        x += size
        y = 58 + 26 * i
        rect(svg, 0, y - 11, 12, 12, part.kind, "", rx="3")
        words(svg, 20, y, fitted(shown(part.name), 30), "name")
        words(svg, across, y, shown(part.value) + part.note, "number", "end")
    return svg


def heatmap(label: str, rows: list[str], names: list[str], values: list[list[int]],
            every: int = 3) -> Element:
    """A cell for each row and name, the darker the more; every n-th name is written above."""
    cell_width, cell_height = (WIDTH - LEFT) / len(names), 24
    svg = chart(label, 20 + cell_height * len(rows))
    most = max(map(max, values)) or 1
    for j, name in enumerate(names):
        if j % every == 0:
            words(svg, LEFT + j * cell_width, 12, name, "soft")
    for i, row in enumerate(rows):
        y = 20 + i * cell_height
        words(svg, 0, y + 15, row, "soft")
        for j, name in enumerate(names):
            value = values[i][j]
            strength = {"fill-opacity": f"{0.12 + 0.88 * value / most:.2f}"} if value else {}
            rect(svg, LEFT + j * cell_width, y, cell_width - 1.5, cell_height - 1.5,
                 "series1" if value else "track", f"{row} {name}: {counted(value, 'play')}", value,
                 rx="2", **strength)
    return svg
