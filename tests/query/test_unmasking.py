"""Values given back by their tokens: to whom the policy lets see them in that document, and each time recorded."""

import json

import pytest

from policies.rules import Level
from rag.errors import AuditUnavailable, Misuse, NotFound
from rag.query.unmasking import TOKENS_MAX, give_back
from tests.query.company import BrokenAudit, Company, person, rule
from tests.query.test_reveal import token_in

NAME, MAIL = "Margaret Ellison", "margaret.ellison@acme.example"


async def test_a_value_is_given_back_where_she_may_read_and_unmask_it(company: Company) -> None:
    name = await token_in(company, "salaries", "PERSON")
    given = await give_back(company.ids["salaries"], [name[1:-1].lower()], person("hana"), company.parts)
    assert given.values == {name: NAME}
    assert given.withheld == ()
    assert NAME not in repr(given)


@pytest.mark.parametrize(
    ("who", "key", "entity"),
    [
        ("hana", "contacts", "PERSON"),  # reads it; unmasks names in another department only
        ("pia", "contacts", "PERSON"),  # unmasks addresses there, not names
        ("sam", "salaries", "PERSON"),  # does not read it
        ("hana", "contacts", "EMAIL_ADDRESS"),
    ],
)
async def test_others_are_told_that_there_is_none(company: Company, who: str, key: str, entity: str) -> None:
    token = await token_in(company, key, entity)
    absent = "<PERSON_ZZZZZZZZZZZZZZZZ>"
    refused = []
    for document, wanted in ((company.ids[key], token), ("doc_" + "0" * 32, token), (company.ids[key], absent)):
        with pytest.raises(NotFound) as raised:
            await give_back(document, [wanted], person(who), company.parts)
        refused.append((raised.value.message, raised.value.code))
    assert len(set(refused)) == 1


async def test_the_right_to_unmask_is_none_without_the_right_to_read(company: Company) -> None:
    token = await token_in(company, "salaries", "PERSON")
    await company.edit(add_rules=(rule("user:sam", action="unmask:PERSON", department="people", level=Level.SECRET),))
    with pytest.raises(NotFound):
        await give_back(company.ids["salaries"], [token], person("sam"), company.parts)
    await company.edit(add_rules=(rule("user:sam", department="people", level=Level.SECRET),))
    assert (await give_back(company.ids["salaries"], [token], person("sam"), company.parts)).values == {token: NAME}


async def test_a_token_must_stand_in_that_document(company: Company) -> None:
    """pia may unmask the address where it stands, and not by naming another document that she reads."""
    token = await token_in(company, "contacts", "EMAIL_ADDRESS")
    assert (await give_back(company.ids["contacts"], [token], person("pia"), company.parts)).values == {token: MAIL}
    await company.edit(add_rules=(rule("role:staff", action="unmask:EMAIL_ADDRESS", level=Level.SECRET),))
    with pytest.raises(NotFound):
        await give_back(company.ids["travel"], [token], person("pia"), company.parts)


async def test_an_assistant_narrows_what_its_person_may_see(company: Company) -> None:
    token = await token_in(company, "contacts", "EMAIL_ADDRESS")
    through = person("pia", assistant="assistant:helper")
    with pytest.raises(NotFound):
        await give_back(company.ids["contacts"], [token], through, company.parts)
    rights = (rule("assistant:helper", level=Level.SECRET), rule("assistant:helper", action="unmask:EMAIL_ADDRESS"))
    await company.edit(add_rules=rights)
    assert (await give_back(company.ids["contacts"], [token], through, company.parts)).values == {token: MAIL}


async def test_some_are_given_and_the_others_named(company: Company) -> None:
    mail, name = [await token_in(company, "contacts", kind) for kind in ("EMAIL_ADDRESS", "PERSON")]
    given = await give_back(company.ids["contacts"], [name, mail], person("pia"), company.parts)
    assert (given.values, given.withheld) == ({mail: MAIL}, (name,))


async def test_what_is_given_and_what_is_refused_is_recorded_first(company: Company) -> None:
    token, document = await token_in(company, "contacts", "EMAIL_ADDRESS"), company.ids["contacts"]
    await give_back(document, [token], person("pia"), company.parts)
    with pytest.raises(NotFound):
        await give_back(document, [token], person("sam"), company.parts)
    given = [json.loads(body) for body in await company.records("unmask")]
    refused = [json.loads(body) for body in await company.records("unmask_refused")]
    assert [(r["person"], r["document"], r["tokens"]) for r in given] == [("user:pia", document, [token[1:-1]])]
    assert [r["person"] for r in refused] == ["user:sam"]
    assert MAIL not in json.dumps([given, refused])
    for kind, who in (("unmask", "pia"), ("unmask_refused", "sam")):
        with pytest.raises(AuditUnavailable):
            await give_back(document, [token], person(who), company.with_parts(audit=BrokenAudit(kind)))


@pytest.mark.parametrize(
    "tokens", [[], ["Margaret Ellison"], ["<PERSON_1>"], ["PERSON_" + "0" * 16] * (TOKENS_MAX + 1)]
)
async def test_what_cannot_be_a_request_is_misuse_and_is_not_repeated(company: Company, tokens: list[str]) -> None:
    with pytest.raises(Misuse) as raised:
        await give_back(company.ids["contacts"], tokens, person("pia"), company.parts)
    assert not isinstance(raised.value, NotFound)
    assert "Ellison" not in raised.value.message


async def test_a_tightened_paragraph_keeps_its_values(company: Company) -> None:
    """The chunk's own labels decide, as for reading."""
    token = await token_in(company, "contacts", "EMAIL_ADDRESS")
    async with company.parts.database.unit_of_work() as session:
        connection = await session.connection()
        await connection.exec_driver_sql(
            "UPDATE chunk SET level_at_least = 4 WHERE document = ?", (company.ids["contacts"],)
        )
    with pytest.raises(NotFound):
        await give_back(company.ids["contacts"], [token], person("pia"), company.parts)
