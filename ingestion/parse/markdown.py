"""Markdown, read as the page it renders to: so what is hidden there by HTML is hidden here too."""

import re

from markdown_it import MarkdownIt

from ingestion.parse import html
from ingestion.parse.document import DEPTH_MAX, Head, Reason, Refused
from ingestion.parse.pieces import Pieces, refuse_markers
from ingestion.parse.plain import decode

_FRONT_MATTER = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)\n", re.S)
_QUOTES = re.compile(rf"^(?: {{0,3}}> ?){{{DEPTH_MAX},}}", re.M)


def extract(data: bytes, pieces: Pieces) -> Head:
    text = decode(data).replace("\r\n", "\n")
    if _QUOTES.search(text):
        raise Refused(Reason.TOO_DEEP)
    # Line breaks are kept, as a marker stands on a line of its own and not in a paragraph of its own.
    parser = MarkdownIt("commonmark", {"maxNesting": DEPTH_MAX, "breaks": True}).enable("table")
    refuse_markers(_FRONT_MATTER.findall(text), "in the front matter")
    tokens = parser.parse(_FRONT_MATTER.sub("", text, count=1))
    if any(token.level >= DEPTH_MAX - 1 for token in tokens):
        # The parser stops descending there and would leave text out without a word.
        raise Refused(Reason.TOO_DEEP)
    html.collect(parser.renderer.render(tokens, parser.options, {}), pieces)
    return Head("text/markdown")
