"""Charts as inline SVG, built from elements, so that text from the logs never becomes markup.

A unit of a chart is about a pixel on the narrowest card, so that its text stays legible on a phone.
Colours and fonts are those of page.css. Each mark has its number in a tooltip and in data-value.
"""

from datetime import timedelta
from xml.etree.ElementTree import Element, SubElement

from .answers import Answer, Row
from .text import cut, format_count, format_value, is_number, measure_width

WIDTH, NARROW = 360, 280
LETTER = 6.4  # upper bound of the average width of a letter at font size 12
LEFT, TOP, HEIGHT = 40, 8, 150  # plot area of a column chart
ROW = 36  # height of a bar with its text
MOST_DAYS, MOST_MONTHS, MOST_BARS = 92, 60, 25  # shown one by one in a chart


# ------------------------------------------------------------------- the charts of questions

def draw_days(section: Element, answer: Answer, head: str, parts: tuple[str, ...]) -> None:
    """Draw a column per day, stacked from its parts and the rest. Many days are summed by month or year."""
    unit, names, groups = group_days(answer.rows)
    series = {part: [sum(row[part] for row in group) for group in groups] for part in parts}
    others = [sum(row[head] - sum(row[part] for part in parts) for row in group)
              for group in groups]
    if any(others):
        series["other"] = others
    add_legend(section, *series)
    label = describe_most(answer, head)
    if unit != "day":
        label += f" Days are summed by {unit}."
        SubElement(section, "p").text = f"Days are summed by {unit}."
    room = int((WIDTH - LEFT) / LETTER / max(map(len, names)))
    section.append(stack_columns(label, names, series, label_step=-(-len(names) // min(6, room))))


def draw_columns(section: Element, answer: Answer, letters: int, label_step: int) -> None:
    """Draw a column of plays per row. Every label_step-th has a label, the first letters of its name."""
    section.append(stack_columns(
        describe_most(answer, "plays"), [get_name(row)[:letters] for row in answer.rows],
        {"plays": [row["plays"] for row in answer.rows]}, label_step))


def draw_bars(section: Element, answer: Answer, detail: str = "", unit: str = "",
              width: int = WIDTH) -> None:
    """Draw a bar of plays for each of the first MOST_BARS rows, below a line of text.

    The text is the name, followed by unit if given, and the value of the column detail in a softer colour.
    """
    if len(answer.rows) > MOST_BARS:
        SubElement(section, "p").text = (
            f"The chart shows the first {MOST_BARS}; the table has all {len(answer.rows):,}.")
    rows = answer.rows[:MOST_BARS]
    svg = start_chart(describe_most(answer, "plays"), len(rows) * ROW, width)
    most = max(row["plays"] for row in rows) or 1
    for i, row in enumerate(rows):
        y, number = i * ROW, format_plays(row)
        name, more = get_name(row), row[detail] if detail else ""
        if unit:
            name += f" {unit}" if name == "1" else f" {unit}s"
        if is_number(more):
            more = format_count(more, detail.removesuffix("s"))
        room = int((width - LETTER * len(number) - 12) / LETTER)
        short = cut(format_value(name), max(room - 12, room * 2 // 3) if more else room)
        words = add_words(svg, 0, y + 14, short, "name")
        left = room - measure_width(short) - 2
        if more and left > 3:
            softer = SubElement(words, "tspan", {"class": "soft", "dx": "8"})
            softer.text = cut(format_value(more), left)
        add_words(svg, width, y + 14, number, "number", "end")
        add_rect(svg, 0, y + 20, width, 7, "track", "", rx="3.5")
        tooltip = ", ".join(filter(None, (name, more, number)))
        add_rect(svg, 0, y + 20, max(1.0, width * row["plays"] / most), 7, "series1",
                 format_value(tooltip), row["plays"], rx="3.5")
    section.append(svg)


def draw_shares(section: Element, answer: Answer, colours: dict[str, str]) -> None:
    """Draw one bar for all plays, divided into the rows, and a line of text for each row."""
    svg = start_chart(describe_most(answer, "plays"), 42 + 26 * len(answer.rows), NARROW)
    whole, x = sum(row["plays"] for row in answer.rows) or 1, 0.0
    for i, row in enumerate(answer.rows):
        name, number = format_value(get_name(row)), format_plays(row)
        colour = colours.get(get_name(row), "series3")
        size = NARROW * row["plays"] / whole
        add_rect(svg, x, 4, max(0.0, size - 2), 26, colour, f"{name}: {number}", row["plays"],
                 rx="3")
        x += size
        y = 58 + 26 * i
        add_rect(svg, 0, y - 11, 12, 12, colour, "", rx="3")
        add_words(svg, 20, y, cut(name, 30), "name")
        add_words(svg, NARROW, y, number, "number", "end")
    section.append(svg)


def draw_heatmap(section: Element, answer: Answer, heads: tuple[str, ...]) -> None:
    """Draw a row of cells for each of these columns of the table: the more plays, the stronger the colour.

    So each row of the table becomes a column of cells. Every third has its name above.
    """
    cell_width, cell_height = (WIDTH - LEFT) / len(answer.rows), 24
    most, head, name = max((row[head], head, get_name(row)) for row in answer.rows for head in heads)
    label = f"{answer.question.title}. Most: {head} {name}, {format_count(most, 'play')}."
    svg = start_chart(label, 20 + cell_height * len(heads))
    for j, row in enumerate(answer.rows[::3]):
        add_words(svg, LEFT + 3 * j * cell_width, 12, get_name(row), "soft")
    for i, head in enumerate(heads):
        y = 20 + i * cell_height
        add_words(svg, 0, y + 15, head, "soft")
        for j, row in enumerate(answer.rows):
            plays = row[head]
            strength = {"fill-opacity": f"{0.12 + 0.88 * plays / (most or 1):.2f}"} if plays else {}
            add_rect(svg, LEFT + j * cell_width, y, cell_width - 1.5, cell_height - 1.5,
                     "series1" if plays else "track",
                     f"{head} {get_name(row)}: {format_count(plays, 'play')}", plays,
                     rx="2", **strength)
    section.append(svg)


def get_name(row: Row) -> str:
    """Return the name of a row: the value of its first column."""
    return next(iter(row.values()))


def format_plays(row: Row) -> str:
    return f"{format_value(row['plays'])}  ·  {row['%']:.1f} %"


def describe_most(answer: Answer, head: str) -> str:
    """Describe a chart for screen readers: its title and its largest value in the column head."""
    most = max(answer.rows, key=lambda row: row[head])
    number = format_count(most[head], head.removesuffix("s"))
    return f"{answer.question.title}. Most: {format_value(get_name(most))}, {number}."


def add_legend(parent: Element, *names: str) -> None:
    items = SubElement(parent, "ul", {"class": "legend"})
    for number, name in enumerate(names, start=1):
        item = SubElement(items, "li")
        SubElement(item, "i", {"class": f"series{number}"})
        SubElement(item, "span").text = name


def group_days(rows: list[Row]) -> tuple[str, list[str], list[list[Row]]]:
    """Group the rows by day, month or year.

    Returns the unit, and the name and the rows of each group in order of time, also of empty ones.
    """
    first, last = rows[0]["day"], rows[-1]["day"]
    days = (last - first).days + 1
    months = 12 * (last.year - first.year) + last.month - first.month + 1
    if days <= MOST_DAYS:
        unit, style = "day", "%-d %b" if first.year == last.year else "%-d %b %Y"
    elif months <= MOST_MONTHS:
        unit, style = "month", "%b %Y"
    else:
        unit, style = "year", "%Y"
    groups: dict[str, list[Row]] = {f"{first + timedelta(n):{style}}": [] for n in range(days)}
    for row in rows:
        groups[f"{row['day']:{style}}"].append(row)
    return unit, list(groups), list(groups.values())


# -------------------------------------------------------------------------------- marks and text

def start_chart(label: str, height: float, width: int = WIDTH) -> Element:
    svg = Element("svg", {
        "viewBox": f"0 0 {width} {height:g}", "role": "img", "aria-label": label})
    SubElement(svg, "title").text = label
    return svg


def add_rect(svg: Element, x: float, y: float, w: float, h: float, kind: str, tooltip: str,
             value: int | None = None, **attributes: str) -> None:
    """Add a mark, with a tooltip unless that is empty."""
    mark = SubElement(svg, "rect", {
        "x": f"{x:.2f}", "y": f"{y:.2f}", "width": f"{w:.2f}", "height": f"{h:.2f}", "class": kind,
        **({} if value is None else {"data-value": str(value)}), **attributes})
    if tooltip:
        SubElement(mark, "title").text = tooltip


def add_words(svg: Element, x: float, y: float, text: str, kind: str,
              anchor: str = "start") -> Element:
    element = SubElement(svg, "text", {"x": f"{x:.2f}", "y": f"{y:.2f}", "class": kind,
                                       "text-anchor": anchor})
    element.text = text
    return element


def stack_columns(label: str, names: list[str], series: dict[str, list[int]],
                  label_step: int = 1) -> Element:
    """Draw a column for each name, with its series stacked in order.

    Every label_step-th name is written, unless it would reach beyond the right edge.
    """
    svg = start_chart(label, TOP + HEIGHT + 24)
    totals = [sum(values) for values in zip(*series.values(), strict=True)]
    top = draw_scale(svg, max(totals, default=0))
    step = (WIDTH - LEFT) / max(1, len(names))
    gap = min(4.0, step / 5)
    for i, name in enumerate(names):
        base, x = TOP + HEIGHT, LEFT + i * step
        for number, (kind, values) in enumerate(series.items(), start=1):
            if values[i]:
                size = HEIGHT * values[i] / top
                base -= size
                noun = kind.removesuffix("s") if values[i] == 1 else kind
                add_rect(svg, x + gap / 2, base, step - gap, size, f"series{number}",
                         f"{name}: {format_value(values[i])} {noun}", values[i])
        if i % label_step == 0 and x + step / 2 + LETTER * len(name) / 2 <= WIDTH:
            add_words(svg, x + step / 2, TOP + HEIGHT + 16, name, "soft", "middle")
    return svg


def draw_scale(svg: Element, most: int) -> int:
    """Draw lines across the plot at round numbers, and return the number at the top."""
    step = next(unit * 10**power for power in range(20) for unit in (1, 2, 5)
                if unit * 10**power * 4 >= most)
    steps = max(1, -(-most // step))
    for i in range(steps + 1):
        y = TOP + HEIGHT - HEIGHT * i / steps
        SubElement(svg, "line", {"x1": f"{LEFT}", "x2": f"{WIDTH}", "y1": f"{y:.2f}",
                                 "y2": f"{y:.2f}", "class": "axis" if i == 0 else "rule"})
        add_words(svg, LEFT - 6, y + 4, format_short(i * step), "soft", "end")
    return steps * step


def format_short(number: int) -> str:
    """Format a round number in a few characters.

    >>> format_short(500), format_short(20_000), format_short(1_500_000)
    ('500', '20k', '1.5M')
    """
    if number >= 1_000_000:
        return f"{number / 1_000_000:g}M"
    return f"{number / 1_000:g}k" if number >= 10_000 else f"{number:,}"
