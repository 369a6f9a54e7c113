"""Markdown as its readers see it: words that only look like HTML, or like the definition of a link, are words.

Expectations come from CommonMark 0.31, GitHub's rendering, and what a text editor shows.
"""

import pytest

from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Sandbox
from rag.hidden_content import HiddenKind


@pytest.fixture(scope="session")
def sandbox(roomy_sandbox: Sandbox) -> Sandbox:
    return roomy_sandbox


def texts(sandbox: Sandbox, source: str) -> list[str]:
    return [block.text for block in sandbox.parse(source.encode(), "page.md").blocks]


@pytest.mark.parametrize(
    "line",
    [
        "Add the <script> tag to your page.",
        "Set the <title> of each page.",
        "Use <template>, <video> or <MASK>; SELECT is <select>, a field <textarea>.",
        "Text of <object> and <plaintext> is no data.",
        "<script> tags are not allowed.",
        "<title> is a tag, as <iframe src=a/> is.",
    ],
)
def test_a_tag_that_nothing_ends_is_a_word_and_takes_no_text_with_it(sandbox: Sandbox, line: str) -> None:
    assert " ".join(texts(sandbox, f"{line}\n\nThe notice.")) == f"{line} The notice."


@pytest.mark.parametrize(
    "markup",
    [
        "a <script>HIDDEN</script>b",
        "<script>\n\nHIDDEN</script>\nab",
        "<template>\n\nHIDDEN\n\n</template>\n\nab",
        "<noscript>\n\nHIDDEN</noscript>\n\nab",
        'a <iframe src="x"/>b',
        '<video src="x"/>\n\nab',
        "a <link rel=x>b",
    ],
)
def test_an_element_that_ends_hides_what_is_in_it_and_nothing_else(sandbox: Sandbox, markup: str) -> None:
    assert "".join(texts(sandbox, f"{markup}\n\nc")).replace(" ", "") == "abc"


def test_footnotes_and_words_that_nobody_refers_to_are_text(sandbox: Sandbox) -> None:
    source = """Rent is due[^1] by 5[^2].

[^1]: Section-4711
[^2]: https://a.example "The law"
[^3]: See the contract.

- [Owner]: Ann
- [State]:
  Open

> [Amount]: 12.50
> [Amount]: M\u00fcller
"""
    assert texts(sandbox, source) == [
        "Rent is due[^1] by 5[^2].",
        '[^1]: Section-4711\n[^2]: https://a.example "The law"\n[^3]: See the contract.',
        "- [Owner]: Ann",
        "- [State]:\nOpen",
        "[Amount]: 12.50\n[Amount]: M\u00fcller",
    ]


def test_definitions_of_links_and_comments_are_no_text(sandbox: Sandbox) -> None:
    source = """See [the law][law], [old] and ![a [new]](x.png).

[law]: law
[old]: Older
[new]: Newer
[left]: https://a.example
[file]: README.md
[//]: # (HIDDEN)
[//]: HIDDEN
[comment]: <> (HIDDEN)
[note]: word "HIDDEN"

    [Code]: Ann
"""
    assert texts(sandbox, source) == ["See the law, old and a new .", "[Code]: Ann"]


def test_a_marker_among_definitions_refuses_the_page(sandbox: Sandbox) -> None:
    for definition in ("[ringfence level=secret]: x", "[^1]: y\n[ringfence level=secret]: x"):
        with pytest.raises(Refused) as refused:
            texts(sandbox, f"{definition}\n\nmeant\n")
        assert refused.value.reason is Reason.BAD_MARKER
    parsed = sandbox.parse(b"[ringfence level=secret]\n\n[^1]: y\n\n[/ringfence]\n\nz\n", "page.md")
    assert [(int(block.tightening.level), block.text) for block in parsed.blocks] == [(4, "[^1]: y"), (0, "z")]


def test_what_html_hides_around_a_word_that_is_no_tag_stays_hidden(sandbox: Sandbox) -> None:
    parsed = sandbox.parse(b"<p hidden>a <script> b</p>\n\nc\n", "page.md")
    assert [block.text for block in parsed.blocks] == ["c"]
    assert parsed.hidden == {HiddenKind.INVISIBLE_TEXT: 1}
