"""Laws of masking: positions hold, nothing leaks, equal values look equal within a tenant only."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.db.engine import Database
from rag.errors import Damaged
from rag.privacy.keys import MasterKey
from rag.privacy.masked import MaskedText
from rag.privacy.outgoing import Outgoing
from rag.privacy.recognize import Recognizer
from rag.privacy.tenant import Privacy, TenantPrivacy
from rag.privacy.unmask import tokens_in, unmask

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

MAIL = """From: Ann Lee <ann.lee@meridian-freight.example>
To: bob stone <bob.stone@meridian-freight.example>
Subject: Travel

Hi Bob, call me on +44 20 7946 0018. My password: hunter2secret
Lee and A. Lee and ANN LEE'S desk, hunter2secret again.
"""

VALUES = ("Ann Lee", "ann.lee@x.com", "+44 20 7946 0018", "Priya Raghunathan", "MF-1042", "536-90-4399", "O'Brien")
LABELLED = ("Name: Bob Stone", "Dr Young", "password: hunter2x", "IBAN DE89 3704 0044 0532 0130 00")
BETWEEN = (" ", "\n", ", ", "; ", " | ", "the invoice", ":", "'s ", "<", ">", "é", "_", "\u2028")
FORGED = "<PERSON_0123456789ABCDEF>"
values = st.sampled_from((*VALUES, *LABELLED, FORGED))
company_text = st.lists(values | st.sampled_from(BETWEEN) | st.text(max_size=4), max_size=12).map("".join)


def plain(masked: MaskedText) -> str:
    """The reading text without its tokens."""
    return re.sub(r"<[A-Z_]+_[0-9A-Z]{16}>", "\x00", masked.reading)


@LAW
@given(company_text | st.text())
def test_every_text_is_masked_and_positions_point_at_what_they_claim(tenant: TenantPrivacy, text: str) -> None:
    masked = tenant.mask([text])[0]
    source, reading, rebuilt = 0, 0, ""
    for span in masked.spans:
        assert masked.reading[span.start : span.end] == span.token
        assert masked.reading[reading : span.start] == text[source : span.source_start]
        rebuilt += text[source : span.source_start] + text[span.source_start : span.source_end]
        source, reading = span.source_end, span.end
    assert masked.reading[reading:] == text[source:]
    assert rebuilt + text[source:] == text


@LAW
@given(company_text)
def test_every_token_of_a_reading_text_was_made_here(tenant: TenantPrivacy, text: str) -> None:
    """So no document can forge one, whatever is written around it."""
    masked = tenant.mask([text])[0]
    assert [token.text for token in tokens_in(masked.reading)] == [span.token for span in masked.spans]


@LAW
@given(company_text)
def test_masking_is_deterministic_and_a_masked_text_is_not_masked_again(tenant: TenantPrivacy, text: str) -> None:
    masked = tenant.mask([text])[0]
    assert tenant.mask([text])[0] == masked
    assert tenant.mask([masked])[0] is masked


@LAW
@given(company_text)
def test_adjoining_parts_carry_the_whole_index_face(tenant: TenantPrivacy, text: str) -> None:
    masked = tenant.mask([text])[0]
    whole = masked.index_face()
    for cut in range(0, len(masked.reading) + 1, 3):
        assert masked.index_face(0, cut) + masked.index_face(cut, len(masked.reading)) == whole
    originals = {value.token: value.original for value in masked.values}
    assert tenant.index_face_of_reading(masked.reading, originals) == whole


@LAW
@given(st.lists(values, min_size=1, max_size=6))
def test_no_value_that_was_found_is_left_in_either_face(tenant: TenantPrivacy, parts: list[str]) -> None:
    text = "\n".join(f"Note {number}: {part}." for number, part in enumerate(parts))
    masked = tenant.mask([text])[0]
    for value in masked.values:
        word = rf"(?<!\w){re.escape(value.original)}(?!\w)"
        assert not re.search(word, plain(masked))
        assert not re.search(word, masked.index_face())


def test_a_whole_message_is_masked_everywhere(tenant: TenantPrivacy) -> None:
    masked = tenant.mask([MAIL])[0]
    for value in ("ann", "lee", "bob", "stone", "7946", "hunter2secret"):
        assert value not in plain(masked).casefold()
        assert value not in masked.index_face().casefold()
    assert masked.entities["PERSON"] == 6
    assert "Subject: Travel" in masked.reading


def test_what_is_found_in_the_body_is_masked_in_title_and_path(tenant: TenantPrivacy) -> None:
    path, title, body = tenant.mask(["hr/ann_lee_review.docx", "Review of Lee", "Name: Ann Lee\nGrade: C"])
    assert "ann" not in plain(path).casefold() and path.reading.endswith("_review.docx")
    assert "Lee" not in title.reading
    assert body.entities["PERSON"] == 1


def test_original_text_comes_back_from_the_vaults_values(tenant: TenantPrivacy) -> None:
    text = "Name: Ann Lee\nMail: ann.lee@x.com\nCall +44 20 7946 0018"
    masked = tenant.mask([text])[0]
    assert unmask(masked.reading, {value.token: value.original for value in masked.values}) == text


def test_spellings_of_one_value_share_a_token(tenant: TenantPrivacy) -> None:
    def token(text: str) -> str:
        return tenant.mask([text])[0].spans[0].token

    assert token("Name: Ann Lee") == token("Name: ANN  LEE") == token("Name: ann lee")
    assert token("Mobile: +44 20 7946 0018") == token("Mobile: 020 7946 0018")
    assert token("Name: Ann Lee") != token("Name: Anna Lee")


def test_tenants_share_neither_tokens_nor_words(tenant: TenantPrivacy, other_tenant: TenantPrivacy) -> None:
    mine, theirs = tenant.mask(["Name: Ann Lee"])[0], other_tenant.mask(["Name: Ann Lee"])[0]
    assert mine.reading != theirs.reading
    assert mine.index_face() != theirs.index_face()
    assert tenant.digest("x", "a") != other_tenant.digest("x", "a")


def test_surname_and_mail_address_share_words_with_the_full_name(tenant: TenantPrivacy) -> None:
    full = tenant.mask(["Name: Dr. Ann Lee"])[0].index_face().removeprefix("Name: Dr. ").split()
    assert len(full) == 3 and all(word.isalpha() and word.istitle() for word in full)
    assert tenant.mask(["Dear Mr Lee, hello"])[0].index_face() == f"Dear Mr {full[2]}, hello"
    mail = tenant.mask(["to ann.lee@mail.meridian-freight.co.uk"])[0].index_face()
    assert mail == f"to {' '.join(full)} meridian freight"
    assert (
        tenant.mask(["Name: José O'Brien"])[0].index_face().split()[1:]
        == (tenant.mask(["jose.obrien@x.com"])[0].index_face().split()[:3])
    )


def test_mail_domain_that_is_the_name_is_not_readable(tenant: TenantPrivacy) -> None:
    assert "annlee" not in tenant.mask(["ann@annlee.com"])[0].index_face()


def test_part_that_cuts_a_token_takes_it_whole_or_not_at_all(tenant: TenantPrivacy) -> None:
    masked = tenant.mask(["Name: Ann Lee signed"])[0]
    span = masked.spans[0]
    face = masked.faces[span.token]
    assert masked.index_face(0, span.start + 3) == f"Name: {face}"
    assert masked.index_face(span.start + 3, span.end + 1) == " "


def test_erased_value_leaves_nothing_in_the_index_face(tenant: TenantPrivacy) -> None:
    masked = tenant.mask(["Name: Ann Lee signed"])[0]
    assert tenant.index_face_of_reading(masked.reading, {}) == "Name:  signed"


def held_by(document: MaskedText, tenant: TenantPrivacy, question: str) -> frozenset[str]:
    """The tokens of the question's candidates that the document holds, itself or as part of a name."""
    tokens = {value.token for value in document.values}
    return frozenset(one.token for one in tenant.candidates(question) if one.token in tokens)


QUESTIONS = ("what did ann lee sign", "WHAT DID ANN LEE SIGN?", "what did lee sign", "What did Lee's team sign?")


@pytest.mark.parametrize("question", [*QUESTIONS, "who is 77123?"])
def test_question_meets_what_a_document_holds_in_any_case(tenant: TenantPrivacy, question: str) -> None:
    document = tenant.mask(["Name: Ann Lee\nEmployee ID: 77123"])[0]
    masked = tenant.mask_question(question, held_by(document, tenant, question))
    words = set(document.index_face().split())
    assert words & set(re.findall(r"\w+", masked.index_face()))
    assert not re.search(r"(?i)\b(ann|lee|77123)\b", plain(masked))


def test_everyday_words_of_a_question_stay_words(tenant: TenantPrivacy) -> None:
    """A tenant that employs Will Price must still be able to ask what the price will be in May."""
    document = tenant.mask(["Name: Will Price\nName: May Grant"])[0]
    question = "what will the price of the grant be in may"
    known = held_by(document, tenant, question)
    by_name = held_by(document, tenant, "what did will price and May Grant sign")
    assert tenant.mask_question(question, known).reading == question
    masked = tenant.mask_question("what did will price and May Grant sign", by_name | known)
    assert masked.entities["PERSON"] >= 1 and "May Grant" not in masked.reading


def test_generated_text_keeps_only_allowed_personal_data(tenant: TenantPrivacy) -> None:
    token = tenant.mask(["Name: Ann Lee"])[0].spans[0].token
    text = f"Ann Lee and Bob Stone signed; mail bob.stone@x.com. {token} agreed."
    scanned = tenant.scan_output(text, allowed={"Ann Lee"})
    assert scanned.startswith("Ann Lee and <PERSON_") and token in scanned
    assert "Bob" not in scanned and "stone@" not in scanned
    assert tenant.scan_output(text, allowed={"Ann Lee", "Bob Stone", "bob.stone@x.com"}) == text
    assert tenant.scan_output("Lee signed for Grafana.", allowed={"Ann Lee"}) == "Lee signed for Grafana."


def test_generated_text_keeps_what_its_sources_say(tenant: TenantPrivacy) -> None:
    text = "Priya Raghunathan runs it."
    assert tenant.scan_output(text, sources=["it is run: priya raghunathan runs it"]) == text
    assert "Priya" not in tenant.scan_output(text, sources=["somebody runs it"])


def test_nothing_with_originals_shows_them(tenant: TenantPrivacy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    masked = tenant.mask([MAIL])[0]
    outgoing = Outgoing(tenant, [MAIL])
    outgoing.scan(MAIL)
    for shown in (masked, masked.values, masked.values[0], tenant, tenant.vault, outgoing):
        assert not re.search(r"(?i)ann|lee|stone|hunter", repr(shown)), type(shown)
    assert not [record for record in caplog.records if re.search("(?i)ann|stone|hunter", record.getMessage())]


def test_threads_get_the_same_result(tenant: TenantPrivacy) -> None:
    expected = tenant.mask([MAIL])[0]
    with ThreadPoolExecutor(4) as pool:
        assert all(masked == expected for masked in pool.map(lambda text: tenant.mask([text])[0], [MAIL] * 8))


async def test_tenant_privacy_is_the_same_after_a_restart(database: Database, recognizer: Recognizer) -> None:
    master = MasterKey.of(b"\x09" * 32, "test")
    async with database.unit_of_work() as session:
        first = await Privacy(master, recognizer).for_tenant(session, "acme")
    async with database.unit_of_work() as session:
        second = await Privacy(master, recognizer).for_tenant(session, "acme")
        other = Privacy(MasterKey.of(b"\x08" * 32, "test"), recognizer)
        with pytest.raises(Damaged):
            await other.for_tenant(session, "acme")
    assert first.mask([MAIL]) == second.mask([MAIL])
    assert first.digest("path", "a") == second.digest("path", "a")
