"""What a PDF page holds and does not show, found by drawing the page with and without its text.

Text whose absence changes no pixel is not seen, whatever the reason: unpainted, covered, clipped, of the colour of what
is behind it, on a layer that is off, beside the page. So no reason has to be thought of beforehand. Two remain: what is
too small to read; and, the other way round, what was read from a scan and written unpainted over it, or under it.

Of long documents, only those pages are drawn that rules leave in doubt; and where the time for that is spent, what they
leave in doubt is hidden.
"""

from collections.abc import Callable, Iterable
from functools import cache, partial

import pypdfium2
import pypdfium2.raw as pdfium

from ingestion.parse import pdf_clip, pdf_glance, pdf_plain
from ingestion.parse.pdf_budget import Budget
from ingestion.parse.pdf_camera import Camera, Shot
from ingestion.parse.pdf_glyphs import Glyph, Stretch, height_at, stretches
from ingestion.parse.pdf_objects import OBJECTS_MAX, Box, Objects, Placed, key, objects
from ingestion.parse.pdf_scan import Scan
from ingestion.parse.pdf_toggle import Switches, apart

_NEVER_PAINTED = (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP)
SMALLEST_PT = 2.0
"""Height of the lines of the smallest print that anybody reads."""
OBJECTS_LATE_MAX = 60_000
"""On a page, when the time for pictures is spent."""
BY_RULES_MAX = 400
"""Texts of a page from which on pictures cost less than rules."""
IMAGE_PX_MAX = 60_000_000
"""Of the images of one page, all unpacked at once."""
IMAGES_PX_MAX = 1_000_000_000
"""Of those of a document: ten seconds and more."""


class Examiner:
    """Examines the pages of one document. What would cost more than all of them may is taken for hidden."""

    def __init__(self, budget: Budget) -> None:
        self.images = 0
        """Pages that hold some."""
        self.undrawn = 0
        """Pages that were examined by rules alone."""
        self.unexamined = 0
        """Pages with text that was taken for hidden because seeing it would cost too much."""
        self._budget = budget
        self._pixels_left = IMAGES_PX_MAX
        self._unexamined_now = False

    def unseen(self, page: pypdfium2.PdfPage, text: pypdfium2.PdfTextPage) -> set[int]:
        """The characters, spaces aside, that the page does not show. It must not be drawn or changed afterwards."""
        self._budget.next_page()
        self._unexamined_now = False
        hidden = self._hidden(page, text)
        self.unexamined += self._unexamined_now
        return {glyph.at for glyph in hidden}

    def _hidden(self, page: pypdfium2.PdfPage, text: pypdfium2.PdfTextPage) -> list[Glyph]:
        drawn = objects(page, OBJECTS_MAX if self._budget.allows(1) else OBJECTS_LATE_MAX)
        self.images += bool(drawn.images)
        shown: Box = page.get_bbox()
        # By rules only once: asking for each object costs.
        clear = cache(lambda: pdf_plain.clear(text, drawn, shown))
        by_rules = self._budget.is_begun and (len(drawn.texts) <= BY_RULES_MAX or not self._budget.allows(1))
        if drawn.texts and by_rules and all(key(one.handle) in clear() for one in drawn.texts):
            self.undrawn += 1
            return []
        scan = Scan(drawn, shown)
        only = self._at_a_glance(page, text, drawn, scan)
        if only is not None and not only:
            return []
        found = stretches(text, only)
        pictured = drawn
        if not drawn.complete:
            # What is text is known from the text page. What was read from a scan is not told from what is unpainted.
            pictured = Objects([Placed(one.handle, 0, 0, None) for one in found.values()])
            scan = Scan(pictured, shown)
        hidden, painted, covered, clips = _sorted(found, text, pictured, scan)
        if clips:
            hidden += self._clipped(page, drawn, clips)
        if painted or covered:
            hidden += self._by_pictures(_Scene(page, pictured, scan, self._budget), painted, covered, clear)
        return hidden

    def _at_a_glance(
        self, page: pypdfium2.PdfPage, text: pypdfium2.PdfTextPage, drawn: Objects, scan: Scan
    ) -> set[int] | None:
        """The characters that are to be looked at; None for all of them."""
        lines = pdf_glance.lines(text)
        if lines is None or not drawn.complete:
            return None
        orders = {key(one.handle): one.order for one in drawn.texts}
        rest = [line for line in lines if not _is_of_scan(line, text, scan, orders)]
        # Where there are images, lines are looked at more closely anyhow; to unpack them is what costs.
        on_images = [line for line in rest if scan.has_image_near(line)]
        plain = [line for line in rest if not scan.has_image_near(line)]
        if pdf_glance.meet(rest):
            return None
        if plain:
            if not self._budget.allows(2):
                return None
            plain = pdf_glance.unclear(text, plain, *_with_and_without_text(page, drawn, self._budget))
        of_lines = [pdf_glance.indices(text, line) for line in [*on_images, *plain]]
        if any(one is None for one in of_lines):
            return None
        return {index for one in of_lines if one is not None for index in one}

    def _by_pictures(
        self, scene: "_Scene", painted: list[Stretch], covered: list[Stretch], clear: Callable[[], set[int]]
    ) -> list[Glyph]:
        groups, too_many = apart(painted)
        if not self._budget.allows(2):
            return self._by_rules(painted, clear) + self._taken_for_hidden(covered)
        on_images = covered + [one for one in painted if any(scene.scan.has_image_at(g.box) for g in one.glyphs)]
        unpacked = bool(on_images) and self._may_unpack(scene.drawn)
        hidden, undrawn = scene.hidden(groups, covered, unpacked=unpacked)
        unjudged = too_many if unpacked else too_many + on_images
        return hidden + self._by_rules(undrawn, clear) + self._taken_for_hidden(unjudged)

    def _clipped(self, page: pypdfium2.PdfPage, drawn: Objects, clips: list[Stretch]) -> list[Glyph]:
        """Those of the letters without paint that are not seen."""
        if not drawn.complete or not pdf_clip.paint(drawn, clips):
            return _glyphs(clips)
        if not self._budget.allows(pdf_clip.SHOTS) or not self._may_unpack(drawn):
            return self._taken_for_hidden(clips)
        return pdf_clip.unseen(page, drawn, clips, self._budget)

    def _by_rules(self, undrawn: list[Stretch], clear: Callable[[], set[int]]) -> list[Glyph]:
        self.undrawn += bool(undrawn)
        return self._taken_for_hidden([one for one in undrawn if key(one.handle) not in clear()])

    def _taken_for_hidden(self, unjudged: list[Stretch]) -> list[Glyph]:
        self._unexamined_now |= bool(unjudged)
        return _glyphs(unjudged)

    def _may_unpack(self, drawn: Objects) -> bool:
        pixels = sum(one.pixels() for one in drawn.images)
        if pixels > min(IMAGE_PX_MAX, self._pixels_left):
            return False
        self._pixels_left -= pixels
        return True


def _is_of_scan(line: Box, text: pypdfium2.PdfTextPage, scan: Scan, orders: dict[int, int]) -> bool:
    if not scan.has_image_near(line):
        return False
    of_line = pdf_glance.indices(text, line)
    handle = pdfium.FPDFText_GetTextObject(text.raw, of_line.start) if of_line else None
    if not handle or line[3] - line[1] < SMALLEST_PT:
        return False
    return scan.shows(line, orders.get(key(handle), 0), is_painted=_is_painted(handle), wholly=True) is True


def _with_and_without_text(page: pypdfium2.PdfPage, drawn: Objects, budget: Budget) -> tuple[Camera, Shot, Shot]:
    switches, camera = Switches(page, drawn), Camera(page, budget)
    switches.set_all(drawn.images, on=False)
    with_text = camera.shot()
    switches.set_all(drawn.texts, on=False)
    bare = camera.shot() if drawn.shapes else camera.paper()
    switches.set_all([*drawn.texts, *drawn.images], on=True)
    return camera, with_text, bare


def _is_painted(handle: pdfium.FPDF_PAGEOBJECT) -> bool:
    return pdfium.FPDFTextObj_GetTextRenderMode(handle) not in _NEVER_PAINTED


class _Scene:
    """A page that pictures are taken of."""

    def __init__(self, page: pypdfium2.PdfPage, drawn: Objects, scan: Scan, budget: Budget) -> None:
        self.drawn = drawn
        self.scan = scan
        self._budget = budget
        self._page = page
        self._switches = Switches(page, drawn)

    def hidden(
        self, groups: list[list[Stretch]], covered: list[Stretch], *, unpacked: bool
    ) -> tuple[list[Glyph], list[Stretch]]:
        """Of the groups and of what stands over scans, the characters that are not seen; images only if `unpacked`.
        And what there was no time for.

        Text is taken for no cover: a stamp across a page would else take letters out of its words.
        """
        self._switches.stand_in(one for group in groups for one in group if one.blank)
        self._switches.set_all(self.drawn.texts, on=False)
        self._switches.set_all(self.drawn.images, on=unpacked)
        for group in groups:
            self._set(group, on=False)
        camera = Camera(self._page, self._budget)
        bare = camera.shot()
        hidden: list[Glyph] = []
        undrawn: list[Stretch] = []
        for group in groups:
            if not self._budget.allows(1):
                undrawn += group
                continue
            self._set(group, on=True)
            with_text = camera.shot()
            self._set(group, on=False)
            for stretch in group:
                hidden += _unseen(stretch, partial(camera.differ, with_text, bare))
        if unpacked:
            hidden += _glyphs(one for one in covered if camera.is_uniform(bare, one.box))
        return hidden, undrawn

    def _set(self, group: list[Stretch], *, on: bool) -> None:
        for stretch in group:
            self._switches.set_text(stretch, on=on)


def _sorted(
    found: dict[int, Stretch], text: pypdfium2.PdfTextPage, drawn: Objects, scan: Scan
) -> tuple[list[Glyph], list[Stretch], list[Stretch], list[Stretch]]:
    """What is hidden for certain, what is painted, what was read from a scan that something covers there, and what may
    be the outline of what is painted.
    """
    orders = {key(one.handle): one.order for one in drawn.texts}
    hidden: list[Glyph] = []
    painted: list[Stretch] = []
    covered: list[Stretch] = []
    clips: list[Stretch] = []
    for name, stretch in found.items():
        if height_at(text, stretch.glyphs[0].at) < SMALLEST_PT:
            hidden += stretch.glyphs
            continue
        is_painted = _is_painted(stretch.handle)
        rest: list[Glyph] = []
        for word in stretch.words():
            shown = scan.shows(word.box, orders.get(name, 0), is_painted=is_painted)
            if shown is None:
                covered.append(word)
            elif not shown:
                rest += word.glyphs
        if rest and (is_painted or pdf_clip.is_clip(stretch.handle)):
            (painted if is_painted else clips).append(Stretch(stretch.handle, rest, stretch.blank))
        else:
            hidden += rest
    return hidden, painted, covered, clips


def _unseen(stretch: Stretch, is_seen: Callable[[Box], bool]) -> list[Glyph]:
    """Marks go with the letters before them, or after: a dot or a dash is too little to tell by."""
    letters = [glyph for glyph in stretch.glyphs if not glyph.is_mark] or stretch.glyphs
    seen = {glyph.at: is_seen(glyph.box) for glyph in letters}
    now = seen[letters[0].at]
    hidden: list[Glyph] = []
    for glyph in stretch.glyphs:
        now = seen.get(glyph.at, now)
        if not now:
            hidden.append(glyph)
    return hidden


def _glyphs(stretches: Iterable[Stretch]) -> list[Glyph]:
    return [glyph for one in stretches for glyph in one.glyphs]
