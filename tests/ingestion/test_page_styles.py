"""What shows on a page although a style might hide it, and twins that nothing shows.

Of a style that is not certain nothing is taken for hidden; expectations come from what browsers show.
"""

import pytest

from ingestion.parse.sandbox import Sandbox
from tests.ingestion.outcomes import shows

WHITE = "color:#fff"


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        # Rules that may say otherwise, and such as cannot.
        (".t{display:none}.t.on{display:block}", ".t{display:none}.t.on{color:red}"),
        (".t{display:none}.t.on{display:block}", ".t{display:none}.t.on{display:none}"),
        (".t{opacity:0}.t.on{opacity:1}", ".t{opacity:0}.off{opacity:1}"),
        (
            ".t{display:none}@media (min-width:600px){.t{display:block}}",
            ".t{display:none}@media print{.t{display:block}}",
        ),
        (
            ".t{display:none}@media (min-width:600px){.on{display:block}}",
            ".t{display:none}@media (min-width:600px){div{display:block}}",
        ),
        (".t{display:none}@supports (display:grid){.t{display:grid}}", ".t{display:none}.t:hover{display:block}"),
        (
            ".t{display:none}div:not(.x){display:block!important}",
            ".t{display:none!important}div:not(.x){display:block}",
        ),
        ('.t{display:none}[data-on="yes no"]{display:block}', ".t{display:none}[data-off]{display:block}"),
        (".t{opacity:0;animation:in 1s forwards}", ".t{opacity:0}@keyframes in{to{opacity:1}}"),
        # Rules within rules.
        (".t{top:0;.x{display:none;}}", ".x{top:0}.t{.x{top:0}display:none}"),
        (".t{.x{color:#fff}}", ".t{.x{top:0;}color:#fff;}"),
        (".t{display:none;@media (min-width:600px){display:block}}", ".t{display:none;@media print{display:block}}"),
        (".t{display:none;&.on{display:block}}", ".t{display:none;&:hover{display:block}}"),
        (".t{display:none;.dark &{display:block}}", ".t{display:none;.dark .x{display:block}}"),
        ("#t{display:none;.t&{display:block}}", "#t{display:none;.x{display:block}}"),
        # Moved, and moved off the page.
        (".t{margin-left:-100%}", ".t{margin-left:-9999px}"),
        (".t{margin:0;margin-top:-100px}", ".t{margin-top:-1000px}"),
        (".t{text-indent:-100px;padding-left:100px}", ".t{text-indent:-999em}"),
        # Papers.
        (f":root{{background:#000}}body{{{WHITE}}}p{{color:red}}", f":root{{background:#fff}}.t{{{WHITE}}}"),
        (f"html[data-later]{{background:#000}}.t{{{WHITE}}}", f"[data-later]{{background:#000}}.t{{{WHITE}}}"),
        (f"html[data-theme=dark]{{background:#000}}.t{{{WHITE}}}", f"html[lang=de]{{color:red}}.t{{{WHITE}}}"),
        (f".t{{{WHITE}}}.t::before{{content:'';background:#000}}", f".t{{{WHITE}}}.t::before{{content:'';color:red}}"),
        (f".t{{{WHITE}}}.t:after{{background-image:url(x)}}", f".t{{{WHITE}}}::-webkit-scrollbar{{background:#000}}"),
        (f".t{{{WHITE};text-shadow:0 0 3px #000}}", f".t{{{WHITE};text-shadow:none}}"),
        (f".t{{{WHITE};-webkit-text-stroke:1px #000}}", f".t{{{WHITE};-webkit-text-stroke:0}}"),
        (
            ".t{color:transparent;background:linear-gradient(red,blue);-webkit-background-clip:text}",
            ".t{color:transparent;background:linear-gradient(red,blue)}",
        ),
        (f"@import 'other.css';.t{{{WHITE}}}", f"/* */.t{{{WHITE}}}"),
    ],
)
def test_what_a_style_may_show_is_read_and_its_twin_is_hidden(sandbox: Sandbox, shown: str, hidden: str) -> None:
    body = '<div class="t on" id=t data-on="yes no">WORDS</div>'
    root = "<html data-theme=dark lang=en>"
    known = "<style>.on,#t{top:0}</style>"
    assert shows(sandbox, f"{known}<style>{shown}</style>", body, root)
    assert not shows(sandbox, f"{known}<style>{hidden}</style>", body, root)


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        (
            f"<link rel=stylesheet href=a.css><p style='{WHITE}'>WORDS</p>",
            f"<link rel=icon href=a.ico><p style='{WHITE}'>WORDS</p>",
        ),
        (
            f"<link rel=stylesheet href=a.css><p style='{WHITE}'>WORDS</p>",
            f"<link rel=stylesheet href=a.css><p style='{WHITE};background:#fff'>WORDS</p>",
        ),
        (
            f"<div><img src=a.jpg width=600><div style='position:absolute;top:9px;{WHITE}'>WORDS</div></div>",
            f"<div><img src=a.jpg width=1><div style='position:absolute;top:9px;{WHITE}'>WORDS</div></div>",
        ),
        (
            f"<div><img src=a.jpg style='position:absolute'><p style='{WHITE}'>WORDS</p></div>",
            f"<div><img src=a.jpg style='position:absolute'></div><p style='{WHITE}'>WORDS</p>",
        ),
        (
            "<div><img src=a.jpg><p style='color:#333'>WORDS</p></div>",
            f"<div><img src=a.jpg><p style='{WHITE}'>WORDS</p></div>",
        ),
        ("<span aria-hidden=true>WORDS</span>", "<span hidden>WORDS</span>"),
        ("<p style='display:flex' hidden>WORDS</p>", "<p style='color:red' hidden>WORDS</p>"),
        (
            "<table><tr><td style='width:1px;overflow:hidden'>WORDS<td>x</table>",
            "<table><tr><td><div style='width:1px;overflow:hidden'>WORDS</div>x<td>y</table>",
        ),
        ("<dialog open>WORDS</dialog>", "<dialog>WORDS</dialog>"),
        ("<div>WORDS</div>", "<div popover>WORDS</div>"),
        ("<noscript>x</noscript><p>WORDS</p>", "<noframes>WORDS</noframes>"),
        ("<p>WORDS</p>", "<noembed>WORDS</noembed>"),
    ],
)
def test_what_stands_in_an_element_that_shows_it_is_read_and_its_twin_is_hidden(
    sandbox: Sandbox, shown: str, hidden: str
) -> None:
    assert shows(sandbox, "", shown)
    assert not shows(sandbox, "", hidden)


def test_a_class_with_a_colon_in_its_name_is_found(sandbox: Sandbox) -> None:
    sheet = "<style>.hidden{display:none}@media (min-width:768px){.md\\:flex{display:flex}}</style>"
    assert shows(sandbox, sheet, '<div class="hidden md:flex">WORDS</div>')
    assert not shows(sandbox, sheet, '<div class="hidden flex">WORDS</div>')


def test_a_sheet_that_was_made_to_keep_its_reader_busy_is_read(sandbox: Sandbox) -> None:
    nested = "".join(f".a{n}{{" for n in range(20_000)) + "display:none"
    many = f"{','.join(f'.b{n}' for n in range(10_000))}{{{'@media (x){color:red}' * 10_000}}}"
    rivals = "".join(f".c .t{{color:#{n:06x}}}" for n in range(10_000))
    assert shows(sandbox, f"<style>{many}{rivals}{nested}</style>", "<i class=t>a</i>" * 3_000 + "<p>WORDS</p>")
