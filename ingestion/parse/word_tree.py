"""Elements of Word: their names, what they state, and whether a property is on."""

from functools import cache
from itertools import islice

from docx.oxml.ns import qn
from lxml import etree

_FIRST, _BEFORE_MAX = 4, 200
OFF = ("0", "false", "off")


@cache
def w(name: str) -> str:
    """The name of an element or attribute of Word as the tree has it."""
    return str(qn(f"w:{name}"))


_RANGES = frozenset(
    w(f"{kind}{end}")
    for kind in (
        "bookmark",
        "commentRange",
        "perm",
        "moveFromRange",
        "moveToRange",
        "customXmlInsRange",
        "customXmlDelRange",
    )
    for end in ("Start", "End")
)


def value(element: etree._Element | None, default: str = "") -> str:
    return default if element is None else str(element.get(w("val"), default))


def is_on(element: etree._Element | None) -> bool:
    """Whether a property that is there is not switched off."""
    return element is not None and value(element, "true") not in OFF


def given(owner: etree._Element, kind: str) -> etree._Element | None:
    """The properties of a paragraph, a cell or a table, which the schema puts first, after bookmarks at most.

    Looked for among all its children, they would cost each run in a paragraph what the whole paragraph costs.
    """
    first = islice((child for child in islice(owner, _BEFORE_MAX) if child.tag not in _RANGES), _FIRST)
    return next((child for child in first if child.tag == w(f"{kind}Pr")), None)


def stated(owner: etree._Element, kind: str, name: str) -> etree._Element | None:
    """One of these properties."""
    properties = given(owner, kind)
    return None if properties is None else properties.find(w(name))
