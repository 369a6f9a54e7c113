"""What an operator does with values of its kind: in both faces, in the vault, in questions and in what leaves."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.db.engine import Database
from rag.privacy import mask as masking
from rag.privacy.configuration import ENTITIES, configuration_digest, parse
from rag.privacy.faces import REDACTION, TOKEN, FaceMaker, offline_domains, redaction
from rag.privacy.findings import Finding
from rag.privacy.forms import TOKEN_SHAPE
from rag.privacy.keys import TenantKeys
from rag.privacy.known_values import known_values_key
from rag.privacy.operators import Operator
from rag.privacy.outgoing import Outgoing, without_secrets
from rag.privacy.recognize import Recognizer
from rag.privacy.tenant import TenantPrivacy
from rag.privacy.tenant_rules import compiled
from rag.privacy.unmask import stand_ins_in, token_of, tokens_in, unmask, with_whole_tokens
from rag.privacy.vault import Vault, VaultValue
from rag.query.guard import inert

KEYS = TenantKeys.of(b"\x01" * 32)
KEY = known_values_key(KEYS)
FACES = FaceMaker(KEYS.tokens, KEYS.words, offline_domains())
TEXT = "Priya Raghunathan (priya@acme.example) has SSN 536-90-4399. Raghunathan signed, her SSN is 536-90-4399."
REDACT = "entities: {PERSON: {operator: redact}, US_SSN: {operator: redact}}"
KEEP = "entities: {PERSON: {operator: keep}, EMAIL_ADDRESS: {operator: token}}"


def with_rules(recognizer: Recognizer, text: str) -> TenantPrivacy:
    rules = compiled(1, "d", parse(text, KEY)[0], (), KEY)
    return TenantPrivacy("acme", KEYS, recognizer, offline_domains(), rules)


def test_a_redacted_value_shows_its_kind_in_both_faces_and_goes_to_no_vault(recognizer: Recognizer) -> None:
    (masked,) = with_rules(recognizer, REDACT).mask([TEXT])
    (mail,) = tokens_in(masked.reading)
    assert masked.reading == (
        f"<PERSON_REDACTED> ({mail.text}) has SSN <US_SSN_REDACTED>. <PERSON_REDACTED> signed, her SSN is "
        "<US_SSN_REDACTED>."
    )
    assert [(one.entity, one.original) for one in masked.values] == [("EMAIL_ADDRESS", "priya@acme.example")]
    assert masked.index_face().startswith("person (") and "has SSN us ssn. person signed" in masked.index_face()
    assert masked.entities == {"PERSON": 2, "US_SSN": 2, "EMAIL_ADDRESS": 1}


def test_without_an_operator_the_same_values_are_tokens(tenant: TenantPrivacy) -> None:
    (masked,) = tenant.mask([TEXT])
    assert not REDACTION.search(masked.reading)
    assert {one.entity for one in masked.values} == {"PERSON", "US_SSN", "EMAIL_ADDRESS"}


def test_a_kept_kind_stays_and_what_stands_inside_it_does_not(recognizer: Recognizer) -> None:
    privacy = with_rules(recognizer, KEEP)
    (masked,) = privacy.mask([TEXT])
    assert masked.reading.startswith("Priya Raghunathan (<EMAIL_ADDRESS_")
    assert {one.entity for one in masked.values} == {"US_SSN", "EMAIL_ADDRESS"}
    shown = {entity: privacy.operator(entity) for entity in ("PERSON", "US_SSN", "WEB_ADDRESS")}
    assert shown == {"PERSON": Operator.KEEP, "US_SSN": Operator.TOKEN, "WEB_ADDRESS": Operator.KEEP}


def test_a_secret_can_be_redacted(recognizer: Recognizer) -> None:
    """It may not be kept, and a token of it would be given back to nobody: so a tenant may do without the original."""
    (masked,) = with_rules(recognizer, "entities: {SECRET: {operator: redact}}").mask(["password: Tr0ub4dor-7"])
    assert (masked.reading, masked.values) == ("password: <SECRET_REDACTED>", ())


def test_masking_what_is_masked_changes_nothing(recognizer: Recognizer) -> None:
    privacy = with_rules(recognizer, REDACT)
    (once,) = privacy.mask([TEXT])
    assert privacy.mask([once]) == [once]


def test_no_document_can_claim_that_something_was_redacted(tenant: TenantPrivacy) -> None:
    """What stands in the text is a value of its own; words that only resemble it stay."""
    (masked,) = tenant.mask(["<PERSON_REDACTED> paid, PERSON_REDACTED and <PERSON> did not."])
    assert re.fullmatch(r"<LITERAL_\w{16}> paid, PERSON_REDACTED and <PERSON> did not\.", masked.reading)
    assert [one.original for one in masked.values] == ["<PERSON_REDACTED>"]


def test_a_redaction_is_never_a_token_and_resolves_to_nothing() -> None:
    for entity in (*ENTITIES, "LITERAL"):
        shown = redaction(entity)
        assert not TOKEN.search(shown) and tokens_in(shown) == [] and token_of(shown) is None
        assert [(one.entity, one.text, one.redaction) for one in stand_ins_in(shown)] == [(entity, shown, True)]
        assert TOKEN_SHAPE.fullmatch(shown)
        assert unmask(shown, {shown: "x", FACES.token(entity, "x"): "x"}) == shown == with_whole_tokens(shown, [shown])


VALUES = st.lists(st.tuples(st.sampled_from(sorted(ENTITIES)), st.text("ab1 @.", min_size=1, max_size=8)), max_size=12)


@given(VALUES, st.sets(st.sampled_from(sorted(ENTITIES))), st.text("xy <>_", max_size=3))
def test_offsets_are_exact_whatever_the_operators(values: list[tuple[str, str]], redacted: set[str], gap: str) -> None:
    """Each span points at what stands for a value and at the value; parts of the index face join to the whole."""
    text, findings = gap, list[Finding]()
    for entity, value in values:
        findings.append(Finding(len(text), len(text) + len(value), entity, 1.0))
        text += value + gap
    masked = masking.apply(text, findings, FACES, redacted)
    for span, (entity, value) in zip(masked.spans, values, strict=True):
        assert text[span.source_start : span.source_end] == value
        assert masked.reading[span.start : span.end] == span.token
        assert (span.token == redaction(entity)) == (entity in redacted)
    assert masked.reading == gap + "".join(span.token + gap for span in masked.spans)
    assert not {one.entity for one in masked.values} & redacted
    middle = len(masked.reading) // 2
    assert masked.index_face(0, middle) + masked.index_face(middle) == masked.index_face()


def test_a_stored_text_has_the_index_face_that_it_was_embedded_with(recognizer: Recognizer) -> None:
    privacy = with_rules(recognizer, REDACT)
    (masked,) = privacy.mask([TEXT])
    originals = {one.token: one.original for one in masked.values}
    assert privacy.index_face_of_reading(masked.reading, originals) == masked.index_face()


def test_a_question_is_masked_as_the_documents_are(recognizer: Recognizer) -> None:
    question = "What did Priya Raghunathan sign?"
    redacting, keeping = with_rules(recognizer, REDACT), with_rules(recognizer, KEEP)
    assert redacting.mask_question(question, ()).reading == "What did <PERSON_REDACTED> sign?"
    assert redacting.mask_question(question, ()).index_face() == "What did person sign?"
    assert keeping.mask_question(question, ()).reading == keeping.mask_question(question, ()).index_face() == question


def test_what_leaves_obeys_the_operators(recognizer: Recognizer) -> None:
    sentence = "The review is led by Henrietta Blackwood."
    redacted = Outgoing(with_rules(recognizer, REDACT), [""]).scan(sentence)
    assert redacted == "The review is led by <PERSON_REDACTED>."
    assert Outgoing(with_rules(recognizer, REDACT), [redacted]).scan(redacted) == redacted
    assert Outgoing(with_rules(recognizer, KEEP), [""]).scan(sentence) == sentence
    assert without_secrets("password: <SECRET_REDACTED>") == "password: <SECRET_REDACTED>"
    assert inert(redacted, ()) == redacted, "it looks like a tag and is none"


def test_another_operator_is_another_configuration(recognizer: Recognizer) -> None:
    digests = {
        configuration_digest(parse(f"entities: {{PERSON: {{operator: {one}}}}}", KEY)[0], []) for one in Operator
    }
    assert len(digests | {""}) == 4


async def test_of_a_redacted_kind_nothing_opens_although_it_is_still_held(any_database: Database) -> None:
    vault = Vault("acme", KEYS.vault)
    ann, mail = (
        VaultValue(FACES.token(entity, value), entity, value)
        for entity, value in (("PERSON", "Ann Lee"), ("EMAIL_ADDRESS", "ann@acme.example"))
    )
    async with any_database.unit_of_work() as session:
        await vault.store(session, [ann, mail])
        both = [ann.token, mail.token]
        assert await vault.open(session, both) == {ann.token: "Ann Lee", mail.token: "ann@acme.example"}
        assert await vault.open(session, both, without={"PERSON"}) == {mail.token: "ann@acme.example"}
        assert await Vault("globex", KEYS.vault).forget(session, {"PERSON"}) == 0
        assert await vault.forget(session, {"PERSON"}) == 1
        assert await vault.known(session, both) == {mail.token}


@pytest.mark.parametrize("entity", sorted(ENTITIES - {"SECRET"}))
def test_every_other_entity_can_have_every_operator(entity: str) -> None:
    for operator in Operator:
        configuration, _ = parse(f"entities: {{{entity}: {{operator: {operator}}}}}", KEY)
        assert configuration.operators == {entity: operator}
        assert parse(configuration.text, b"x")[0] == configuration
