"""Initials in the index face: "A. Lee" meets Ann Lee before Bob Lee, and a bare letter betrays nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.privacy.faces import FaceMaker, initial_and_family, offline_domains
from rag.privacy.masked import MaskedText
from rag.privacy.tenant import TenantPrivacy

FACES = FaceMaker(b"\x01" * 32, b"\x02" * 32, offline_domains())
OTHER = FaceMaker(b"\x03" * 32, b"\x04" * 32, FACES.domains)
SAME = ("A. Lee", "Lee, A", "A Lee", "a. lee", "Lee, A.", "Lee A.", "Dr A. Lee", "A. M. Lee", "A. Lee's", "Á. Lee")

letters = st.sampled_from("abcdefghijklmnopqrstuvwxyz")
families = st.sampled_from(("lee", "o'brien", "garcía", "nguyen"))
given_names = st.builds(lambda first, rest: first + rest, letters, st.sampled_from(("nn", "lex", "oë")))


def words(value: str, entity: str = "PERSON") -> set[str]:
    return set(FACES.words(entity, value).split())


@given(given_names, families)
def test_initials_and_full_name_share_all_that_the_initials_say(name: str, family: str) -> None:
    full = words(f"{name} {family}")
    assert words(f"{name[0]}. {family}") == words(f"{family}, {name[0]}.") == full - words(name)
    assert full - words(name) - words(family), "the initial has a word of its own"


@given(given_names, given_names, families)
def test_another_initial_of_the_same_family_has_another_word(one: str, other: str, family: str) -> None:
    shared = words(f"{one[0]}. {family}") & words(f"{other} {family}")
    assert (shared == words(family)) == (one[0] != other[0])


@given(letters, families, families)
def test_an_initial_has_no_word_that_another_family_shares(letter: str, one: str, other: str) -> None:
    """So nobody can count letters: a word is of an initial and a family name together."""
    shared = words(f"{letter}. {one}") & words(f"{letter}. {other}")
    assert shared == (words(f"{letter}. {one}") if one == other else set())


@given(letters, letters)
def test_all_bare_letters_have_one_word(one: str, other: str) -> None:
    assert words(one) == words(f"{other}.") == words(f"Mr {other}")
    assert len(words(one)) == 1


@pytest.mark.parametrize("spelling", SAME)
def test_spellings_with_the_same_initial_have_the_same_words(spelling: str) -> None:
    assert initial_and_family(spelling) == ("a", "lee")
    assert words(spelling) == words("A. Lee")


@pytest.mark.parametrize("name", ["Lee", "Dr Lee", "A.", "A. L.", "AL", ""])
def test_what_lacks_a_given_or_a_family_name_has_no_initial(name: str) -> None:
    assert initial_and_family(name) is None


def test_mail_address_made_of_the_initial_meets_the_name() -> None:
    assert words("a.lee@acme.example", "EMAIL_ADDRESS") - {"acme"} == words("A. Lee")
    assert words("ann.lee@acme.example", "EMAIL_ADDRESS") - {"acme"} == words("Ann Lee")


def test_two_accounts_of_one_letter_and_a_number_stay_apart() -> None:
    assert words("x1001@acme.example", "EMAIL_ADDRESS") != words("x1002@acme.example", "EMAIL_ADDRESS")


def test_a_place_has_no_initial() -> None:
    assert len(words("High Street", "LOCATION")) == 2


def test_tenants_share_no_word_of_an_initial() -> None:
    assert words("A. Lee").isdisjoint(OTHER.words("PERSON", "A. Lee").split())


def asked(question: str, document: MaskedText, tenant: TenantPrivacy) -> set[str]:
    """The words of a question's index face that the document's has too."""
    held = set(document.index_face().split())
    known = {one.token for one in tenant.candidates(question) if one.part and held.issuperset(one.face.split())}
    return held & set(tenant.mask_question(question, known).index_face().strip("?").split())


QUESTIONS = ("Who is A. Lee?", "who is a. lee?", "Who is A Lee?", "Did Mr A. Lee sign?")


@pytest.mark.parametrize("question", QUESTIONS)
def test_question_with_initials_shares_more_with_her_than_with_her_namesake(
    tenant: TenantPrivacy, question: str
) -> None:
    ann, bob = (tenant.mask([f"Name: {name}"])[0] for name in ("Ann Lee", "Bob Lee"))
    assert len(asked(question, ann, tenant)) == 2
    assert len(asked(question, bob, tenant)) == 1


def test_article_before_a_name_is_no_initial(tenant: TenantPrivacy) -> None:
    bob = tenant.mask(["Name: Bob Lee"])[0]
    assert not any(one.part and " " in one.face for one in tenant.candidates("was a lee there"))
    assert asked("was a lee there", bob, tenant) == asked("was lee there", bob, tenant) != set()
