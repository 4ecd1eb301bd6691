# SPDX-License-Identifier: MIT
"""The ledger's chart: how many times Xen's cost each operation has, in SVG by pygal."""
import re

import pygal
from pygal.style import Style

from labkit.bench import table

STYLE = Style(background="white", plot_background="white", colors=("#2a6f97", "#bc4b32"),
              font_family="sans-serif", label_font_size=11, major_label_font_size=11, title_font_size=16)
ROW_HEIGHT = 22     # of the chart's pixels


def draw(rows):
    """Text of an SVG file with a bar for each row that both hypervisors have."""
    bars = [(f"{row.group}: {table.cells(row)[0]}", row.ratio("zelo", "xen")) for row in rows]
    bars = [bar for bar in reversed(bars) if bar[1] is not None]     # the first is drawn at the foot
    chart = pygal.HorizontalBar(js=[], style=STYLE, width=1000, height=140 + ROW_HEIGHT * len(bars), margin=10,
                                spacing=2, truncate_label=-1, truncate_legend=-1, legend_at_bottom=True,
                                print_values=True, print_values_position="top",
                                value_formatter=lambda value: "" if value is None else f"{value:.2f}",
                                title="Instructions of Zelo for one of Xen")
    chart.x_labels = [label for label, _ in bars]
    chart.add("at most Xen's", [ratio if ratio <= 1 else None for _, ratio in bars])
    chart.add("more", [ratio if ratio > 1 else None for _, ratio in bars])
    drawn = re.sub(r"<!--.*?-->", "", chart.render(is_unicode=True))     # the day is in a comment
    return re.sub(r"\bchart-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "chart", drawn)     # another name each time
