"""A tenant's configuration: what is refused and why, what it does to findings, and its versions."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from rag.db.engine import Database
from rag.db.tables import DocumentRow, MaskingRow, VersionRow
from rag.errors import Conflict, Damaged, Misuse
from rag.privacy.cases import Case, as_yaml, parse_cases
from rag.privacy.company_patterns import BadPattern, CompanyPatterns, checked_pattern
from rag.privacy.configuration import ENTITIES, Configuration, configuration_digest, parse
from rag.privacy.configured import Change, Configurations
from rag.privacy.faces import offline_domains
from rag.privacy.findings import Finding, KnownValues
from rag.privacy.forms import FORMS, customer_forms
from rag.privacy.keys import MasterKey, TenantKeys
from rag.privacy.known_values import known_values_key
from rag.privacy.patterns import pattern_recognizers
from rag.privacy.recognize import Recognizer
from rag.privacy.review import Decision, decided
from rag.privacy.tenant import LEAVE, Privacy, TenantPrivacy
from rag.privacy.tenant_rules import DEFAULT, compiled
from rag.settings import PrivacySettings

KEYS = TenantKeys.of(b"\x01" * 32)
KEY = known_values_key(KEYS)
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
CHANGE = Change("operator:test", "a test", NOW)
WHOLE = """
entities:
  PERSON: {threshold: 0.5}
  US_SSN: {operator: redact}
  WEB_ADDRESS: {operator: token}
patterns:
  EMPLOYEE_ID: ['ACM-\\d{6}', '[A-Z]{2}\\d{5}']
never:
  - {value: Acme Support}
  - {value: info@acme.example}
always:
  - {value: Project Nightjar, entity: PERSON}
"""


def with_rules(recognizer: Recognizer, text: str) -> TenantPrivacy:
    rules = compiled(1, "d", parse(text, KEY)[0], (), KEY)
    return TenantPrivacy("acme", KEYS, recognizer, offline_domains(), rules)


def entities(privacy: TenantPrivacy, text: str) -> list[tuple[str, str]]:
    return [(one.entity, text[one.start : one.end]) for one in privacy.find([text])[0]]


def test_what_is_shown_is_read_back_as_the_same() -> None:
    configuration, made_from = parse(WHOLE, KEY)
    assert made_from is None
    assert Configuration.of_text(configuration.text) == configuration
    assert parse(configuration.text, b"x")[0] == configuration
    assert not any(word in configuration.text for word in ("Acme", "acme", "Nightjar", "info"))
    assert "Nightjar" not in repr(configuration)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("entities: {PERSONS: {operator: token}}", "'PERSONS' is no entity"),
        ("entities: {LITERAL: {operator: keep}}", "'LITERAL' is no entity"),
        ("entities: {SECRET: {operator: keep}}", "no secret may pass"),
        ("entities: {SECRET: {threshold: 0.5}}", "at any score"),
        ("entities: {PERSON: {operator: encrypt}}", "entities.PERSON.operator"),
        (
            "entities: {PERSON: {operator: keep}}\nalways: [{value: Ann Lee, entity: PERSON}]",
            "operator keep, but values",
        ),
        ("entities: {EMPLOYEE_ID: {operator: keep}}\npatterns: {EMPLOYEE_ID: ['AC\\d{4}']}", "operator keep, but"),
        ("entities: {PERSON: {threshold: 2}}", "entities.PERSON.threshold"),
        ("entities: {PERSON: {treshold: 0.2}}", "treshold"),
        ("patterns: {PERSON: ['ab\\d{4}']}", "none of them"),
        ("patterns: {EMPLOYEE_ID: ['(a+)+b']}", "repetition needs an end"),
        ("never: [{value: x@}]", "never, entry 1"),
        ("never: [{form: zzz}]", "not a form"),
        ("always: [{value: Ann Lee}]", "of which entity"),
        ("never: [{value: Ann Lee}]\nalways: [{value: ann lee, entity: PERSON}]", "never and under always"),
        ("never: [{value: !!python/object/apply:os.system ['x']}]", "not YAML"),
        ("{", "not YAML"),
        ("- 1", "file"),
        ("[" * 5000, "not YAML"),
        ("x" * 1_000_001, "longer"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(Misuse) as refused:
        parse(text, KEY)
    assert words in refused.value.message
    assert "Ann Lee" not in refused.value.message


def test_an_empty_file_is_the_default() -> None:
    assert parse("", KEY) == (Configuration(), None)
    assert configuration_digest(Configuration(), []) == ""


@pytest.mark.parametrize(
    "pattern", [r"ACM-\d{6}", r"(?:E|EMP)-?\d{3,8}", r"[A-Z]{2}\d{7}", r"(?:[A-Z]\d){4}", r"\d{4}/\d{4}", r"K\.\d{3}"]
)
def test_a_bounded_pattern_is_taken(pattern: str) -> None:
    assert checked_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+b", r"\d*", r"a.c.e", r"(?:\d{1,3}){1,8}", r"\d{0,60}\d{0,60}", r"(?=a)bcd", r"(?i)abc", r"(a)\1bc",
        "ab", "abc)", "(abc", "abc??", "[^a]bcd", "abc\\", "{3}", r"\w{3,20}", "a{9999}", "a{5,2}bcd", "x" * 201,
        "((((((abc))))))", "[z-a]bcd", r"\d{100}", "^abc$", "abc|", "",
    ],
)  # fmt: skip
def test_a_pattern_that_could_run_away_or_match_anything_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        checked_pattern(pattern)


@given(st.text(alphabet="abAB01-\\dw[]{}(),?|:.+* ", max_size=30), st.text(alphabet="abAB01- ", max_size=2000))
def test_whatever_is_taken_compiles_and_ends(pattern: str, text: str) -> None:
    try:
        checked_pattern(pattern)
    except BadPattern:
        return
    for one in CompanyPatterns([("EMPLOYEE_ID", [pattern])]).find(text):
        assert 3 <= one.end - one.start <= 64


def test_every_entity_that_is_found_can_be_configured() -> None:
    found = {form.entity for form in (*FORMS, *customer_forms(None))}
    for recognizer in pattern_recognizers(PrivacySettings()):
        found |= set(recognizer.supported_entities)
    assert found <= ENTITIES
    assert set(LEAVE) <= ENTITIES


def test_entities_are_turned_on_and_off(recognizer: Recognizer, tenant: TenantPrivacy) -> None:
    text = "Priya Raghunathan wrote to priya@acme.example, see https://acme.example/handbook today."
    assert {entity for entity, _ in entities(tenant, text)} == {"PERSON", "EMAIL_ADDRESS"}
    changed = "entities: {EMAIL_ADDRESS: {operator: keep}, WEB_ADDRESS: {operator: token}}"
    assert {entity for entity, _ in entities(with_rules(recognizer, changed), text)} == {"PERSON", "WEB_ADDRESS"}


def test_a_value_that_is_never_masked_stays_and_others_do_not(recognizer: Recognizer) -> None:
    privacy = with_rules(recognizer, "never: [{value: Margaret Ellison}, {value: INFO@acme.example}]")
    text = "MARGARET  Ellison and Bob Stone answer info@acme.example and bob@acme.example."
    assert entities(privacy, text) == [("PERSON", "Bob Stone"), ("EMAIL_ADDRESS", "bob@acme.example")]


def test_never_lets_no_document_forge_a_token(recognizer: Recognizer) -> None:
    privacy = with_rules(recognizer, "never: [{value: PERSON 0123456789ABCDEF, entity: PERSON}]")
    assert entities(privacy, "<PERSON_0123456789ABCDEF> said") == [("LITERAL", "<PERSON_0123456789ABCDEF>")]


def test_a_value_that_is_always_masked_and_a_company_number_are_found(recognizer: Recognizer) -> None:
    privacy = with_rules(recognizer, WHOLE)
    text = "The project nightjar file names ACM-123456, not ACM-1234567."
    assert entities(privacy, text) == [("PERSON", "project nightjar"), ("EMPLOYEE_ID", "ACM-123456")]


class Scripted:
    """Finds what it is told to, in the whole text and in a part of it."""

    def __init__(self, whole: Sequence[Finding], part: Sequence[Finding]) -> None:
        self._whole, self._part = whole, part

    def find(self, texts: Sequence[str], known: KnownValues | None = None, leave: object = None) -> list[list[Finding]]:
        return [list(self._whole if len(text) > 20 else self._part) for text in texts]


def test_a_finding_below_the_threshold_is_dropped_but_not_what_stands_inside_it() -> None:
    """The longest finding wins; dropping it must not leave a sure one inside it in clear."""
    configuration = parse("entities: {LOCATION: {threshold: 0.7}}", KEY)[0]
    rules = compiled(1, "d", configuration, (), KEY)
    finder = Scripted([Finding(0, 18, "LOCATION", 0.6)], [Finding(3, 9, "EMAIL_ADDRESS", 1.0)])
    assert rules.find(["x" * 40], finder, frozenset()) == [[Finding(3, 9, "EMAIL_ADDRESS", 1.0)]]
    sure = Scripted([Finding(0, 18, "LOCATION", 0.7)], [])
    assert rules.find(["x" * 40], sure, frozenset()) == [[Finding(0, 18, "LOCATION", 0.7)]]


def test_without_a_configuration_nothing_is_asked_differently() -> None:
    assert DEFAULT.digest == ""
    assert DEFAULT.left_of(LEAVE) == frozenset(LEAVE)
    findings = [Finding(0, 3, "PLACE", 0.1)]
    assert DEFAULT.permitted("Rom", findings, frozenset(LEAVE)) == findings


async def test_versions_are_kept_and_the_newest_counts(any_database: Database) -> None:
    async with any_database.unit_of_work() as session:
        store = Configurations(session, "acme")
        assert (await store.newest()).number == 0
        first = await store.set(parse(WHOLE, KEY)[0], CHANGE)
        again = await store.set(parse(WHOLE, KEY)[0], CHANGE)
        second = await store.set(Configuration(), CHANGE, made_from=1)
        with pytest.raises(Conflict):
            await store.set(parse(WHOLE, KEY)[0], CHANGE, made_from=1)
        assert [one.number for one in await store.history()] == [2, 1]
        assert (first.number, again.number, second.number, second.digest) == (1, 1, 2, "")
        assert (await store.get(1)).configuration == parse(WHOLE, KEY)[0]
        assert (await Configurations(session, "globex").newest()).number == 0


async def test_a_configuration_changed_behind_our_back_masks_nothing(
    database: Database, recognizer: Recognizer
) -> None:
    privacy = Privacy(MasterKey.of(b"\x07" * 32, "a test"), recognizer)
    async with database.unit_of_work() as session:
        await Configurations(session, "acme").set(parse(WHOLE, KEY)[0], CHANGE)
        assert (await privacy.for_tenant(session, "acme")).rules.version == 1
        assert (await privacy.for_tenant(session, "globex")).configuration == ""
    fresh = Privacy(MasterKey.of(b"\x07" * 32, "a test"), recognizer)
    async with database.unit_of_work() as session:
        await session.execute(update(MaskingRow).values(body=Configuration().text))
        with pytest.raises(Damaged):
            await fresh.for_tenant(session, "acme")


async def test_a_configuration_that_cannot_be_read_masks_nothing_until_it_is_set_again(database: Database) -> None:
    async with database.unit_of_work() as session:
        store = Configurations(session, "acme")
        await store.set(parse(WHOLE, KEY)[0], CHANGE)
        await session.execute(update(MaskingRow).values(body='{"entities":{"PERSON":{"operator":"vanish"}}}'))
        session.expire_all()
        with pytest.raises(Damaged, match="set the configuration again"):
            await store.rules(1, KEY)
        assert (await store.set(parse(WHOLE, KEY)[0], CHANGE)).number == 2
        assert (await store.rules(2, KEY)).version == 2


async def test_a_new_version_holds_for_the_next_text(database: Database, recognizer: Recognizer) -> None:
    privacy = Privacy(MasterKey.of(b"\x07" * 32, "a test"), recognizer)
    async with database.unit_of_work() as session:
        assert (await privacy.for_tenant(session, "acme")).rules.version == 0
        await Configurations(session, "acme").set(parse(WHOLE, KEY)[0], CHANGE)
        assert (await privacy.for_tenant(session, "acme")).rules.version == 1


async def test_documents_of_another_configuration_are_counted(any_database: Database) -> None:
    """The staged version counts where there is one: it is the next visible one."""
    made = {
        "a": [("published", "")],
        "b": [("published", ""), ("staged", "x")],
        "c": [("retired", ""), ("published", "x")],
    }
    async with any_database.unit_of_work() as session:
        for document, versions in made.items():
            session.add(
                DocumentRow(
                    id=document, tenant="acme", source="s", path_digest=document, path="", title="", media_type="",
                    department="hr", level=1, tags=[], owner="", shares=[], denied_shares=[], compartments=[],
                    flags=[], updated_at=NOW,
                )
            )  # fmt: skip
            await session.flush()
            for number, (state, by) in enumerate(versions):
                session.add(
                    VersionRow(
                        id=f"{document}{number}", document=document, tenant="acme", content_digest="", text="",
                        pipeline_digest="", masking_digest=by, state=state, policy_epoch=1, created_at=NOW,
                    )
                )  # fmt: skip
        await session.flush()
        store = Configurations(session, "acme")
        assert ((await store.standing("x")).current, (await store.standing("x")).outdated) == (2, 1)
        assert ((await store.standing("")).current, (await store.standing("")).outdated) == (1, 2)
        assert (await Configurations(session, "globex").standing("x")).outdated == 0


def test_the_newest_decision_about_a_value_counts() -> None:
    yes, no = (Decision("Ann Lee", "PERSON", personal) for personal in (True, False))
    first, _ = decided(Configuration(), [yes], KEY)
    second, refused = decided(first, [no, Decision("x", "ID_NUMBER", True)], KEY)
    assert (len(first.always), len(first.never)) == (1, 0)
    assert (len(second.always), len(second.never), refused) == (0, 1, 1)


def test_a_case_tells_what_is_not_as_it_should_be() -> None:
    text = "Ann Lee met Bo."
    masked, left = Case(text, "Ann Lee", True, "PERSON"), Case(text, "Bo", False)
    good = [Finding(0, 7, "PERSON", 1.0)]
    assert (masked.fault(good), left.fault(good)) == ("", "")
    assert "not all" in masked.fault([Finding(0, 3, "PERSON", 1.0)])
    assert "not as PERSON" in masked.fault([Finding(0, 7, "LOCATION", 1.0)])
    assert "to be left" in left.fault([Finding(12, 14, "PERSON", 1.0)])
    assert parse_cases(as_yaml([masked]) + as_yaml([left])) == [masked, left]


@pytest.mark.parametrize("text", ["{", "1", "- {text: Ann}", "- {text: Ann Lee, value: Bob, mask: true}"])
def test_cases_that_cannot_be_read_are_refused_without_their_text(text: str) -> None:
    with pytest.raises(Misuse) as refused:
        parse_cases(text)
    assert "Ann" not in refused.value.message
