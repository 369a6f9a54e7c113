"""Plots as SVG that stands in a page by itself: no script, no font and no style from elsewhere."""

import sys

from lxml import etree
from markupsafe import Markup
from pygal import XY, Config, HorizontalBar, PluginImportFixer
from pygal.graph.graph import Graph
from pygal.style import Style

from evals.runner.plots import Form, Plot

# Importing pygal puts a finder for its maps, of a form that Python has given up, into the way of every later import.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PluginImportFixer)]

_WIDTH = 760
_FONT = "system-ui, sans-serif"
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    font_family=_FONT,
    label_font_family=_FONT,
    # Told apart without seeing red and green, and dark enough on white.
    colors=("#0b6aa2", "#c45a00", "#3b7a57", "#7b3f98", "#8a6d00", "#5c5c5c"),
    opacity="1",
    transition="0s",
)


def svg_of(plot: Plot, number: int) -> Markup:
    """The plot as an `svg` element with its title; `number` tells it from the others of the page."""
    chart = _bars(plot) if plot.form is Form.BARS else _lines(plot)
    # By itself it would be random, and a page would differ each time it is written.
    chart.uuid = str(number)
    tree = chart.render_tree()
    # What only its script reads goes with the script.
    for unread in tree.xpath("//*[local-name()='script' or local-name()='desc'] | //comment()"):
        unread.getparent().remove(unread)
    title = etree.Element("{http://www.w3.org/2000/svg}title")
    title.text = plot.title
    tree.insert(0, title)
    tree.set("role", "img")
    tree.set("aria-label", plot.title)
    # Safe: pygal escapes labels, and what could load or run something was taken out.
    return Markup(etree.tostring(tree, encoding="unicode"))  # noqa: S704 - see above


def _config(height: int, series: int) -> Config:
    return Config(
        js=[], style=_STYLE, width=_WIDTH, height=height, explicit_size=False, disable_xml_declaration=True,
        show_legend=series > 1, legend_at_bottom=True, margin=8, truncate_legend=-1, truncate_label=28,
    )  # fmt: skip


def _bars(plot: Plot) -> Graph:
    rows = len(plot.labels) * len(plot.bars)
    chart = HorizontalBar(_config(70 + 14 * rows + 10 * len(plot.labels), len(plot.bars)))
    # Drawn from below, but read from above.
    chart.x_labels = list(reversed(plot.labels))
    chart.value_formatter = "{:.4g}".format
    for name, values in plot.bars.items():
        chart.add(name, list(reversed(values)))
    return chart


def _lines(plot: Plot) -> Graph:
    chart = XY(_config(300, len(plot.lines)), dots_size=2, x_label_rotation=20 if plot.labels else 0)
    chart.value_formatter = "{:.4g}".format
    if plot.labels:
        chart.x_labels = [{"value": at, "label": label} for at, label in enumerate(plot.labels)]
    for name, points in plot.lines.items():
        chart.add(name, list(points))
    return chart
