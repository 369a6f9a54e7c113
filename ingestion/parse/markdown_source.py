"""Where the text of a Markdown file only looks like HTML or like the definition of a link: its readers see words there.

`Add the <script> tag` begins no program, and `[^1]: Section-4711` is a note to whoever knows footnotes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from markdown_it.token import Token

from ingestion.parse.html_flow import NEVER_SHOWN, tags

# Text behind these would vanish. GitHub shows the tags of some even where they are closed; a page does not.
_SWALLOWING = (NEVER_SHOWN - tags("embed link meta")) | tags("dialog noembed noframes plaintext select textarea xmp")
_ENDLESS = "plaintext"
_TAG = re.compile(r"""<(/?)([a-zA-Z][\w-]*+)(?:[^<>"']|"[^"]*+"|'[^']*+')*+>?""")
_ENDS_ITSELF = re.compile(r"""<[\w-]+/>|.*[\s"']/>""", re.S)
_FOOTNOTE = "^"
_COMMENT = "//"
_PLAIN = re.compile(r"\w[\w-]*(?:[.,]\d+)*[%€$]?")
"""A destination that is no address: it stands for itself."""

Definitions = Mapping[str, Any]
"""What the parser found out about a page: `references` by label and `duplicate_refs`, each with its lines."""


def show_unclosed(tokens: Sequence[Token]) -> None:
    """Make text of tags that would have all that follows them vanish, as nothing ends them. Changes the tokens.

    In a line of text the end has to stand in the same paragraph, between blocks anywhere behind.
    """
    ended: set[str] = set()
    for token in reversed(tokens):
        if token.type == "html_block":
            token.content = _escaped(token.content, ended)
        within: set[str] = set()
        for child in reversed(token.children or ()):
            if child.type == "html_inline" and _escaped(child.content, within) != child.content:
                child.type = "text"
        ended |= within


def _escaped(markup: str, ended: set[str]) -> str:
    """The markup with those tags as text that nothing ends, neither in it nor among `ended`, which it adds to."""
    parts: list[str] = []
    end = len(markup)
    for tag in reversed(list(_TAG.finditer(markup))):
        name = tag.group(2).lower()
        if tag.group(1):
            ended.add(name)
        elif name in _SWALLOWING and (name not in ended or name == _ENDLESS) and not _ENDS_ITSELF.fullmatch(tag[0]):
            parts.append(f"&lt;{markup[tag.start() + 1 : end]}")
            end = tag.start()
    return "".join((markup[:end], *reversed(parts)))


def with_definitions(text: str, tokens: Sequence[Token], found: Definitions) -> str:
    """The text in which those definitions of links are escaped that are none: footnotes, and words nobody refers to.

    A comment (`[//]: # (...)`) and an address that is left over stay what no page shows.
    """
    lines = text.split("\n")
    for definition in _meant_as_text(set(_labels(tokens)), found):
        at = definition["map"][0]
        lines[at] = lines[at].replace("[", "\\[", 1)
    return "\n".join(lines)


def _meant_as_text(used: set[str], found: Definitions) -> Iterator[Mapping[str, Any]]:
    first = ((label, definition, label in used) for label, definition in found.get("references", {}).items())
    again = ((definition["label"], definition, False) for definition in found.get("duplicate_refs", ()))
    for label, definition, is_used in (*first, *again):
        plain = not definition["title"] and _PLAIN.fullmatch(unquote(definition["href"])) and label != _COMMENT
        if label.startswith(_FOOTNOTE) or (plain and not is_used):
            yield definition


def _labels(tokens: Sequence[Token]) -> Iterator[str]:
    stack = list(tokens)
    while stack:
        token = stack.pop()
        if "label" in token.meta:
            yield token.meta["label"]
        stack.extend(token.children or ())
