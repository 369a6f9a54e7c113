"""Texts of a few bytes to some kilobytes that a pattern could be read on for minutes: each is read like any other.

A pattern that goes back over what it has read would take longer than the ten seconds of processor time there are here.
"""

import pytest

from ingestion.parse.document import Reason, Refused
from ingestion.parse.sandbox import Sandbox
from ingestion.parse.sniff import Kind, kind_of
from tests.ingestion.outcomes import said
from tests.ingestion.test_mail_bodies import alternatives


@pytest.fixture(scope="session")
def sandbox(roomy_sandbox: Sandbox) -> Sandbox:
    return roomy_sandbox


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.md", "<!---->" * 40 + "Words."),
        ("a.txt", "<?xml" * 40_000 + "\n\nWords."),
        ("a.html", "<p>Words.</p><" + "a" * 80_000),
        ("a.html", "<meta" * 400 + "charset=" + " " * 2_000 + "<p>Words.</p>"),
        ("a.html", "<p>Words.</p>" + "<!" * 40_000 + ">"),
        ("a.py", "[" + " " * 80_000 + "\n\nWords."),
    ],
    ids=["comments", "declarations", "tag", "charset", "bogus comments", "section"],
)
def test_a_small_text_that_was_made_to_keep_a_pattern_busy_is_read(sandbox: Sandbox, name: str, source: str) -> None:
    assert "Words." in str(said(sandbox.parse(source.encode(), name)))


def test_an_address_that_never_ends_does_not_keep_the_comparison_of_alternatives_busy(sandbox: Sandbox) -> None:
    message = alternatives(("plain", "<" + "@" * 80_000), ("html", "<p>Words.</p>"))
    assert "Words." in str(said(sandbox.parse(message, "a.eml")))


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("<!-- a --> <!-- b -->\n<!DOCTYPE  html><p>x", Kind.HTML),
        ("<?xml version='1.0'?>\n<!----><html lang=en>", Kind.HTML),
        ("\n<HTML>", Kind.HTML),
        ("<!-- <html> --> words", Kind.PLAIN),
        ("<!-- <html>", Kind.PLAIN),
        ("<htmlx>", Kind.PLAIN),
    ],
)
def test_a_page_is_known_by_what_stands_behind_its_comments(source: str, kind: Kind) -> None:
    assert kind_of(source.encode(), "") is kind


def test_quotes_within_quotes_are_counted_with_any_spaces_between_them(sandbox: Sandbox) -> None:
    for mark in (">", "> ", ">  ", ">    "):
        with pytest.raises(Refused) as refused:
            sandbox.parse((mark * 99 + "x\n").encode(), "a.md")
        assert refused.value.reason is Reason.TOO_DEEP
