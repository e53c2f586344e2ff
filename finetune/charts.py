"""The plots of a report, as inline SVG that matplotlib draws; colours follow the page's, and every plot has a text alternative."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from typing import Any

from finetune.metrics import Share

INK, FILL = "#010203", "#2f7fd1"  # the first becomes the page's own text colour; the second reads on light and dark


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot: title, what it shows in words, and how it is drawn on a matplotlib axis."""

    title: str
    alt: str
    draw: Callable[[Any], None]
    size: tuple[float, float] = (7.0, 3.5)  # inches


def bars(title: str, shares: Sequence[tuple[str, Share]]) -> Chart:
    """Shares with their intervals, first on top."""
    known = [(name, one) for name, one in shares if one.n]
    alt = "; ".join(f"{name}: {one}, {one.k} of {one.n}" for name, one in known)

    def draw(axis: Any) -> None:
        rates = [one.rate or 0.0 for _, one in known]
        low = [max(0.0, rate - (one.interval or (0, 0))[0]) for rate, (_, one) in zip(rates, known, strict=True)]
        high = [max(0.0, (one.interval or (0, 0))[1] - rate) for rate, (_, one) in zip(rates, known, strict=True)]
        axis.barh(range(len(known)), rates, xerr=[low, high], color=FILL, ecolor=INK, capsize=3, height=0.6)
        axis.set_yticks(range(len(known)), [name for name, _ in known])
        axis.invert_yaxis()
        axis.set_xlim(0, 1)
        axis.set_xlabel("share, with 95% interval")

    return Chart(title, alt, draw, (7.0, 1.2 + 0.4 * len(known)))


def matrix(title: str, rows: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]]) -> Chart:
    """A confusion matrix, shaded by the share of its row."""
    alt = "; ".join(
        f"{row}: " + ", ".join(f"{count} {column}" for column, count in zip(columns, line, strict=True))
        for row, line in zip(rows, counts, strict=True)
    )

    def draw(axis: Any) -> None:
        for y, line in enumerate(counts):
            for x, count in enumerate(line):
                part = count / (sum(line) or 1)
                axis.add_patch(_square(x, y, part))
                axis.text(x, y, str(count), ha="center", va="center", color=INK)
        axis.set_xticks(range(len(columns)), columns)
        axis.set_yticks(range(len(rows)), rows)
        axis.set_xlim(-0.5, len(columns) - 0.5)
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.set_xlabel("decided")
        axis.set_ylabel("label")

    return Chart(title, alt, draw, (1.8 + 1.1 * len(columns), 1.4 + 0.6 * len(rows)))


def _square(x: int, y: int, part: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=FILL, alpha=0.08 + 0.62 * part, edgecolor=INK, linewidth=0.5)


def curve(title: str, points: Sequence[tuple[float, float]], area: float) -> Chart:
    """A ROC curve."""

    def draw(axis: Any) -> None:
        axis.plot([x for x, _ in points], [y for _, y in points], color=FILL, linewidth=2)
        axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
        axis.set_xlabel("false alarms")
        axis.set_ylabel("recall")

    return Chart(title, f"ROC curve; the area under it is {area:.3f}", draw, (4.5, 4.0))


def histogram(title: str, values: Sequence[float], label: str) -> Chart:
    """How values are spread; everything beyond the 99th percentile stands in the last bar."""
    ordered = sorted(values)
    most = ordered[int(len(ordered) * 0.99)] if ordered else 0.0
    middle = ordered[len(ordered) // 2] if ordered else 0.0

    def draw(axis: Any) -> None:
        axis.hist([min(value, most) for value in values], bins=30, color=FILL)
        axis.set_xlabel(label)
        axis.set_ylabel("rows")

    return Chart(title, f"{len(values)} values; half are at most {middle:.1f}, 99 in 100 at most {most:.1f} {label}", draw)


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def svg(chart: Chart, number: int) -> str:
    """The plot for a page; `number` keeps its ids apart from those of other plots. Empty without matplotlib."""
    if not can_draw():
        return ""
    import matplotlib

    look: Any = {"svg.fonttype": "none", "svg.hashsalt": f"plot{number}", "font.family": "sans-serif", "font.size": 11, "text.color": INK,
            "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
            "axes.spines.right": False, "text.parse_math": False}  # fmt: skip
    with matplotlib.rc_context(look):
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        figure, out = Figure(figsize=chart.size, layout="constrained"), io.StringIO()
        chart.draw(figure.add_subplot())
        figure.patch.set_visible(False)
        for axis in figure.axes:
            axis.patch.set_visible(False)
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _inline(out.getvalue(), chart.alt, number)


def _inline(drawn: str, alt: str, number: int) -> str:
    """The svg element alone, in the page's colours and fonts, with its ids made the page's own."""
    body = re.sub(r"<metadata>.*?</metadata>", "", drawn[drawn.index("<svg") :], flags=re.S)
    body = re.sub(r'\b(id=")|(href="#)|(url\(#)', lambda m: f"{m[0]}p{number}-", body)
    body = body.replace(INK, "currentColor").replace("stroke: #000000", "stroke: currentColor")
    body = re.sub(r"font: [^;\"']*?px [^;\"]*", lambda m: m[0].split("px")[0] + "px system-ui, sans-serif", body)
    return body.replace("<svg ", f'<svg role="img" aria-label="{escape(alt, quote=True)}" ', 1)
