"""Boxes that a page does not show, each beside one that it does: moved, folded, clipped, shrunk, clear.

Expectations come from what browsers show; what may show after all, for a rule or a size that is not known, is read.
"""

import pytest

from ingestion.parse.sandbox import Sandbox
from tests.ingestion.outcomes import shows

CUT = "overflow:hidden"
FILLED = "-webkit-text-fill-color"


@pytest.fixture(scope="session")
def sandbox(roomy_sandbox: Sandbox) -> Sandbox:
    return roomy_sandbox


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        # Folded, unless something makes room.
        (f"width:0;{CUT};flex:1", f"width:0;{CUT};flex:none"),
        (f"height:0;{CUT};flex-grow:1", f"max-height:0;{CUT};flex-grow:1"),
        (f"height:0;{CUT};min-height:200px", f"height:0;{CUT};min-height:0"),
        (f"width:1px;min-width:100%;{CUT}", f"width:1px;min-height:100%;{CUT}"),
        (f"max-height:0;min-height:2em;{CUT}", f"max-height:0;min-width:2em;{CUT}"),
        ("block-size:0", f"block-size:0;{CUT}"),
        # Moved, if it can be.
        ("left:-9999px", "left:-9999px;position:absolute"),
        ("inset:-9999px", "inset:-9999px;position:fixed"),
        ("top:-9999px;position:static", "top:-9999px;position:relative"),
        ("transform:translateX(-50%)", "transform:translateX(-9999px)"),
        ("transform:translate3d(0,0,-9999px)", "transform:translate3d(0,-9999px,0)"),
        ("translate:-10px", "translate:-9999px"),
        # Shrunk, clipped, clear.
        ("transform:scale(-1)", "transform:rotate(3deg) scale(0)"),
        ("scale:1 1", "scale:0"),
        ("transform:scale(0);animation:in 1s", "transform:scale(0);animation:none"),
        ("clip:rect(0 0 0 0)", "clip:rect(0 0 0 0);position:absolute"),
        ("clip:rect(0,auto,auto,0);position:absolute", "clip:rect(1px,1px,1px,1px);position:absolute"),
        ("clip:rect(0px,90px,20px,0px);position:fixed", "clip:rect(0px,90px,0px,0px);position:fixed"),
        ("clip-path:inset(10%)", "clip-path:inset(50%)"),
        ("clip-path:inset(0 0 20% 0)", "clip-path:inset(0 0 100% 0 round 3px)"),
        ("clip-path:circle(50%)", "clip-path:circle(0)"),
        ("clip-path:polygon(0 0,100% 0,0 100%)", "clip-path:polygon(0 0,0 0,0 0)"),
        ("filter:opacity(60%) blur(1px)", "filter:blur(1px) opacity(0)"),
        ("content-visibility:auto", "content-visibility:hidden"),
    ],
)
def test_a_box_that_shows_is_read_and_its_twin_is_hidden(sandbox: Sandbox, shown: str, hidden: str) -> None:
    assert shows(sandbox, "", f"<div style='{shown}'>WORDS</div>")
    assert not shows(sandbox, "", f"<div style='{hidden}'>WORDS</div>")


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        (f".t{{height:0;{CUT}}}.a .t{{min-height:9px}}", f".t{{height:0;{CUT}}}.a .t{{top:0}}"),
        (".t{left:-9999px}.a .t{position:absolute}", ".t{left:-9999px;position:absolute}.a .t{color:red}"),
        (".t{transform:scale(0)}.t.on{transform:none}", ".t{transform:scale(0)}.t.on{top:0}"),
        (".t{clip-path:inset(50%)}.t.on{clip-path:none}", ".t{clip-path:inset(50%)}.t:hover{clip-path:none}"),
    ],
)
def test_a_box_that_another_rule_may_show_is_read(sandbox: Sandbox, shown: str, hidden: str) -> None:
    assert shows(sandbox, f"<style>{shown}</style>", "<div class=t>WORDS</div>")
    assert not shows(sandbox, f"<style>{hidden}</style>", "<div class=t>WORDS</div>")


def test_what_stands_in_a_line_is_not_transformed(sandbox: Sandbox) -> None:
    assert shows(sandbox, "", "<p>a <span style='transform:scale(0)'>WORDS</span></p>")
    assert not shows(sandbox, "", "<p>a <span style='transform:scale(0);display:inline-block'>WORDS</span></p>")


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        ("font-size:medium", "font-size:larger"),
        ("font-size:calc(10px + 1vw)", "font-size:120%"),
        ("font-size:var(--x)", "font-size:1.2em"),
        ("font:bold large serif", "font:inherit"),
    ],
)
def test_a_size_of_its_own_shows_in_what_is_tiny_and_a_part_of_it_does_not(
    sandbox: Sandbox, shown: str, hidden: str
) -> None:
    assert shows(sandbox, "", f"<div style='font-size:0'><p style='{shown}'>WORDS</p></div>")
    assert not shows(sandbox, "", f"<div style='font-size:0'><p style='{hidden}'>WORDS</p></div>")


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        ("color:hsl(0,0%,40%)", "color:hsl(0,0%,100%)"),
        ("color:hsl(240deg 100% 25% / 1)", "color:hsla(240, 100%, 25%, 0)"),
        ("color:beige", "color:ivory"),
        ("color:#eee", "color:#f0f0f0"),
        (f"{FILLED}:navy;color:#fff", f"{FILLED}:#fff;color:navy"),
        (f"{FILLED}:var(--x);color:#fff", f"{FILLED}:currentcolor;color:#fff"),
        (
            f"{FILLED}:transparent;background-clip:text;background-image:linear-gradient(red,blue)",
            f"{FILLED}:transparent;color:#333",
        ),
    ],
)
def test_a_colour_that_shows_is_read_and_its_twin_is_hidden(sandbox: Sandbox, shown: str, hidden: str) -> None:
    assert shows(sandbox, "", f"<div style='{shown}'><b>WORDS</b></div>")
    assert not shows(sandbox, "", f"<div style='{hidden}'><b>WORDS</b></div>")
