"""What may leave in generated text: nothing personal that no source holds, and never a secret."""

import pytest

from rag.privacy.outgoing import SECRET_REMOVED, Outgoing, without_secrets
from rag.privacy.tenant import TenantPrivacy
from rag.privacy.unmask import tokens_in

ANN = "<PERSON_8K2MAB3C4D5E6F7G>"
KEY = "ghp_" + "a1B2" * 9
SOURCES = [f"{ANN} leads the review. Grafana is run by the platform team, write to desk@acme.example."]


def test_a_name_that_no_source_holds_becomes_a_token(tenant: TenantPrivacy) -> None:
    scanned = Outgoing(tenant, SOURCES).scan("The review is led by Henrietta Blackwood.")
    assert "Blackwood" not in scanned
    assert [token.entity for token in tokens_in(scanned)] == ["PERSON"]


def test_what_stands_in_a_source_stays(tenant: TenantPrivacy) -> None:
    sentence = f"{ANN} leads the review, write to desk@acme.example."
    assert Outgoing(tenant, SOURCES).scan(sentence) == sentence


@pytest.mark.parametrize("written", [ANN.lower(), f"[{ANN[1:-1]}]", ANN[1:-1], ANN[:-1], ANN.title()])
def test_a_token_of_a_source_is_made_whole(tenant: TenantPrivacy, written: str) -> None:
    """Written in lower case it would pass for somebody's secret, and be masked."""
    assert Outgoing(tenant, SOURCES).scan(f"The review is led by {written}.") == f"The review is led by {ANN}."


def test_a_token_that_no_source_holds_is_not_made_whole(tenant: TenantPrivacy) -> None:
    other = "<PERSON_ZZZZZZZZZZZZZZZZ>"
    assert other not in Outgoing(tenant, SOURCES).scan(f"The review is led by {other.lower()}.")


def test_a_name_introduced_in_one_sentence_is_found_in_the_next(tenant: TenantPrivacy) -> None:
    """Alone, the second sentence names nobody: a field is a place."""
    second = "It was moved by Field."
    assert Outgoing(tenant, SOURCES).scan(second) == second
    behind = Outgoing(tenant, SOURCES)
    behind.scan("The new head is Ann Field.")
    assert "Field" not in behind.scan(second)


def test_what_is_found_in_a_sentence_alone_is_found_behind_others_too(tenant: TenantPrivacy) -> None:
    behind = Outgoing(tenant, SOURCES)
    behind.scan("The new head is Mrs Henrietta Winter.")
    assert "Winter" not in behind.scan("Then Winter leads the review.")


def test_a_secret_is_removed_wherever_it_stands() -> None:
    text = f"Use {KEY} for the feed; password: Tr0ub4dor-7, then go on."
    assert without_secrets(text) == f"Use {SECRET_REMOVED} for the feed; password: {SECRET_REMOVED}, then go on."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Your password must be long.",
        f"password: {ANN}",
        "api key: <SECRET_8K2MAB3C4D5E6F7G>.",
        "A token of thanks.",
    ],
)
def test_text_without_secrets_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_removing_secrets_twice_is_removing_them_once() -> None:
    once = without_secrets(f"Bearer: {KEY} and sk-live-{'x9Y8' * 6}")
    assert without_secrets(once) == once


def test_a_sentence_that_stands_in_a_source_is_not_searched(tenant: TenantPrivacy) -> None:
    out = Outgoing(tenant, ["The desk is\nled by Henrietta Blackwood."])
    assert out.copied("The desk is led by Henrietta Blackwood.")
    assert out.scan("The desk is led by Henrietta Blackwood.") == "The desk is led by Henrietta Blackwood."


@pytest.mark.parametrize("sentence", ["The team is led by Henrietta Blackwood.", "esk is led by Henrietta", "", " "])
def test_one_that_differs_in_a_word_or_is_cut_within_one_is_searched(tenant: TenantPrivacy, sentence: str) -> None:
    assert not Outgoing(tenant, ["The desk is\nled by Henrietta Blackwood."]).copied(sentence)


def test_a_copied_sentence_is_context_for_the_next_one(tenant: TenantPrivacy) -> None:
    introduced = "The new head is Ann Field."
    behind = Outgoing(tenant, [introduced])
    assert behind.scan(introduced) == introduced
    alone = Outgoing(tenant, ["Nothing."])
    alone.scan(introduced)
    second = "Yesterday it was moved by Ann Field and Henrietta Blackwood."
    assert "Blackwood" not in behind.scan(second) and "Field" in behind.scan(second)
