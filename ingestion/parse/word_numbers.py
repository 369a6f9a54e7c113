"""Numbers that Word shows before paragraphs and stores nowhere: `§ 3`, `1.2`, `a)`. Contracts are cited by them."""

import re
from dataclasses import dataclass, field

from lxml import etree

from ingestion.parse.word_look import Looks
from ingestion.parse.word_tree import value, w

LEVELS = 9
LABEL_CHARS_MAX = 60
_NUMBER_MAX = 1_000_000
_ROMAN = tuple(
    zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"),
        strict=True,
    )
)


@dataclass(slots=True)
class _Level:
    start: int = 1
    format: str = "decimal"
    text: str = ""
    legal: bool = False
    begins_anew: int = LEVELS
    """So many of the levels above it let it begin anew; none, where it counts through the whole document."""


@dataclass(slots=True)
class _List:
    """One list of the document: its levels, and by level how far it has counted."""

    levels: dict[int, _Level] = field(default_factory=dict)
    by_style: dict[str, int] = field(default_factory=dict)
    counted: list[int | None] = field(default_factory=lambda: [None] * LEVELS)


@dataclass(slots=True)
class _Use:
    """What paragraphs name: a list, where it begins anew, and levels that look different here."""

    of: str = ""
    restarts: dict[int, int] = field(default_factory=dict)
    levels: dict[int, _Level] = field(default_factory=dict)


class Numbers:
    """Counts the numbered paragraphs of a document; to be asked for each in order, once."""

    def __init__(self, root: etree._Element | None, looks: Looks) -> None:
        """`root` is the part `numbering`, if there is one."""
        self._looks = looks
        self._lists: dict[str, _List] = {}
        self._uses: dict[str, _Use] = {}
        self._styled: dict[str, list[tuple[str, etree._Element | None]]] = {}
        self._restarted: set[tuple[str, int]] = set()
        for one in root.iterchildren(w("abstractNum")) if root is not None else ():
            self._lists[str(one.get(w("abstractNumId")))] = _list(one)
        for one in root.iterchildren(w("num")) if root is not None else ():
            self._uses[str(one.get(w("numId")))] = _use(one)
        self._link(root)

    def label(self, paragraph: etree._Element) -> str:
        """What stands before a paragraph; nothing where it has a bullet or a kind of number that is not known."""
        if not self._lists:
            return ""
        name, level = self._place(paragraph)
        use = self._uses.get(name, _Use())
        numbered = self._lists.get(use.of)
        levels = {**numbered.levels, **use.levels} if numbered else {}
        if numbered is None or level not in levels:
            return ""
        self._count(numbered, levels, name, level, use.restarts)
        return _shown(levels, numbered.counted, level)

    def _place(self, paragraph: etree._Element) -> tuple[str, int]:
        """The list and the level that a paragraph or its style names."""
        style = self._looks.style_of(paragraph)
        if style not in self._styled:
            chain = self._looks.chain(style)
            self._styled[style] = [(str(one.get(w("styleId"))), _numbering(one)) for one in chain]
        given = [(style, _numbering(paragraph)), *self._styled[style]]
        name, of = next(((_child(one, "numId"), of) for of, one in given if _child(one, "numId")), ("", ""))
        stated = next((_child(one, "ilvl") for _, one in given if _child(one, "ilvl")), None)
        numbered = self._lists.get(self._uses.get(name, _Use()).of)
        if stated is None and numbered is not None:
            return name, numbered.by_style.get(of, 0)
        return name, min(_number(stated, 0), LEVELS - 1)

    def _link(self, root: etree._Element | None) -> None:
        """Let lists that only name a style be the list of that style."""
        for one in root.iterchildren(w("abstractNum")) if root is not None else ():
            linked = value(one.find(w("numStyleLink")))
            names = (_child(_numbering(style), "numId") for style in self._looks.chain(linked))
            of = self._uses.get(next((name for name in names if name), ""), _Use()).of
            if of in self._lists:
                self._lists[str(one.get(w("abstractNumId")))] = self._lists[of]

    def _count(
        self, numbered: _List, levels: dict[int, _Level], name: str, level: int, restarts: dict[int, int]
    ) -> None:
        counted = numbered.counted
        before = counted[level]
        if level in restarts and (name, level) not in self._restarted:
            self._restarted.add((name, level))
            counted[level] = restarts[level]
        else:
            counted[level] = levels[level].start if before is None else before + 1
        for above in range(level):
            if counted[above] is None and above in levels:
                counted[above] = levels[above].start
        for below in range(level + 1, LEVELS):
            if below not in levels or level < levels[below].begins_anew:
                counted[below] = None


def _use(num: etree._Element) -> _Use:
    made = _Use(value(num.find(w("abstractNumId"))))
    for over in num.iterchildren(w("lvlOverride")):
        level = _number(over.get(w("ilvl")), 0)
        start, own = over.find(w("startOverride")), over.find(w("lvl"))
        if start is not None:
            made.restarts[level] = _number(value(start), 1)
        if own is not None and level < LEVELS:
            made.levels[level] = _level(own)
    return made


def _level(one: etree._Element) -> _Level:
    return _Level(
        _number(value(one.find(w("start"))), 1),
        value(one.find(w("numFmt")), "decimal"),
        value(one.find(w("lvlText")))[:LABEL_CHARS_MAX],
        one.find(w("isLgl")) is not None,
        _number(value(one.find(w("lvlRestart"))), LEVELS),
    )


def _list(abstract: etree._Element) -> _List:
    made = _List()
    for one in abstract.iterchildren(w("lvl")):
        level = _number(one.get(w("ilvl")), 0)
        if level >= LEVELS:
            continue
        made.levels[level] = _level(one)
        if style := value(one.find(w("pStyle"))):
            made.by_style[style] = level
    return made


def _shown(levels: dict[int, _Level], counts: list[int | None], level: int) -> str:
    own = levels[level]
    if own.format in ("bullet", "none"):
        return ""
    parts: list[str] = []
    for part in re.split(r"(%[1-9])", own.text):
        if not re.fullmatch(r"%[1-9]", part):
            parts.append(part)
            continue
        of = int(part[1]) - 1
        counted = counts[of]
        if counted is None or of > level:
            return ""
        one = _written(counted, "decimal" if own.legal else levels[of].format)
        if not one:
            return ""
        parts.append(one)
    return "".join(parts).strip()[:LABEL_CHARS_MAX]


def _written(number: int, kind: str) -> str:
    """Empty for a kind of number that is not known here."""
    if kind == "decimal":
        return str(number)
    if kind == "decimalZero":
        return f"{number:02}"
    lower = ""
    if kind in ("lowerRoman", "upperRoman"):
        lower = _roman(number) if 0 < number < 4000 else str(number)
    elif kind in ("lowerLetter", "upperLetter"):
        # After z come aa and bb.
        lower = chr(97 + (number - 1) % 26) * ((number - 1) // 26 + 1) if 0 < number <= 260 else str(number)
    return lower.upper() if kind.startswith("upper") else lower


def _roman(number: int) -> str:
    written = ""
    for size, sign in _ROMAN:
        written += sign * (number // size)
        number %= size
    return written


def _numbering(owner: etree._Element) -> etree._Element | None:
    return owner.find(f"{w('pPr')}/{w('numPr')}")


def _child(properties: etree._Element | None, name: str) -> str:
    return "" if properties is None else value(properties.find(w(name)))


def _number(given: str | None, default: int) -> int:
    return min(int(given), _NUMBER_MAX) if given is not None and re.fullmatch(r"[0-9]{1,9}", given) else default
