"""The source of a page, before it is parsed: what of it is markup, and where it would end too early. Untrusted text."""

import re
from collections.abc import Iterator, Sequence

from lxml.html import HtmlElement, HTMLParser, fragment_fromstring

from ingestion.parse.document import DEPTH_MAX, Reason, Refused
from ingestion.parse.html_flow import tags

# Elements whose end tag may be left out do not nest in themselves; unclosed ones would look deep.
_NOT_COUNTED = tags(
    "area base body br col colgroup dd dt embed head hr html img input li link meta optgroup",
    "option p param rp rt source tbody td tfoot th thead tr track wbr",
)
# Here and below, what is taken is not given back: a page that closes nothing would be read once per character else.
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*+)([^<>]*+)>")
_NO_TEXT = re.compile(r"<[!?]")
_NO_TAGS_INSIDE = re.compile(r"<!--|<(script|style)(?=[\s/>])", re.I)
_ENDS = {"script": re.compile(r"</script(?=[\s/>])", re.I), "style": re.compile(r"</style(?=[\s/>])", re.I)}
# No browser closes a page with these: what follows goes on where they stand. The parser ends the page at `</html>`.
_PAGE_END = re.compile(r"</(?:body|html)(?:[\s/][^<>]*+)?>", re.I)
_BODY = re.compile(r"""<body(\s(?:[^<>"']|"[^"<]*+"|'[^'<]*+')*+)>""", re.I)

_LATE_BODY = "misplaced <body>"
_PROBLEMS_MAX = 100
_LOOKED_AT = ("bgcolor", "background", "text", "style", "class", "id", "hidden")


def unended(text: str) -> str:
    """The page without the tags that seem to end it; in text that shows as it is they are no text to miss."""
    return _PAGE_END.sub(" ", text)


def add_body_attributes(text: str, root: HtmlElement, problems: Sequence[str]) -> None:
    """Give the body those of every `<body>`, the first of each name: the parser forgets one that comes late.

    `problems` are the parser's, which has no more than so many of them.
    """
    body = root.find("body")
    if not any(_LATE_BODY in problem for problem in problems) and len(problems) < _PROBLEMS_MAX:
        return
    said = " ".join(attributes for part in _markup(text) for attributes in _BODY.findall(part))
    if body is None or not said:
        return
    # Of two attributes of one name the parser takes the first.
    late = fragment_fromstring(f"<p {said}></p>", parser=HTMLParser(encoding="utf-8"))
    for name in _LOOKED_AT:
        value = late.get(name)
        if value is not None and name not in body.attrib:
            body.set(name, value)


def comments(text: str) -> Iterator[str]:
    """Also what else no browser shows between these brackets. One pass, however many are left open."""
    at = 0
    while found := _NO_TEXT.search(text, at):
        closing = "-->" if text.startswith("<!--", found.start()) else ">"
        end = text.find(closing, found.start() + 2)
        end = len(text) if end < 0 else end
        yield text[found.start() : end]
        at = end


def refuse_depth(text: str) -> None:
    depth = 0
    for part in _markup(text):
        for closing, name, rest in _TAG.findall(part):
            if name.lower() in _NOT_COUNTED or rest.endswith("/"):
                continue
            depth = max(0, depth - 1) if closing else depth + 1
            if depth > 2 * DEPTH_MAX:
                raise Refused(Reason.TOO_DEEP)


def _markup(text: str) -> Iterator[str]:
    """The text without comments, programs and style sheets, where a `<` begins no tag. One pass."""
    at = 0
    while found := _NO_TAGS_INSIDE.search(text, at):
        yield text[at : found.start()]
        name = found.group(1)
        end = _ENDS[name.lower()].search(text, found.end()) if name else None
        at = end.start() if end else text.find("-->", found.end()) if not name else -1
        if at < 0:
            return
    yield text[at:]
