"""Giving values back on the path of a question: only from what this reader may read, however tokens are written."""

import pytest

from policies.rules import Level
from rag.domain import Answer
from rag.privacy.unmask import tokens_in
from rag.query.answer import ClaimReady, answer, ask
from tests.query.company import Company, person, rule
from tests.query.test_answer import SALARY, Writer, everything

PARKING = "What do parking permits cost?"


async def token_in(company: Company, key: str, entity: str) -> str:
    """A token that stands in one of the company's documents."""
    async with company.parts.database.reading() as session:
        from_sql = await session.connection()
        rows = await from_sql.exec_driver_sql(
            "SELECT text FROM document_version WHERE document = ?", (company.ids[key],)
        )
        return next(token.text for token in tokens_in(rows.scalar_one()) if token.entity == entity)


def salary_of(name: str) -> str:
    return f"The salary of {name} is 84,000 euros since January [1].\n"


async def written(company: Company, who: str, question: str, *pieces: str) -> Answer:
    return await answer(question, person(who), company.with_parts(generator=Writer(*pieces)))


async def test_a_token_cut_anywhere_by_a_stream_is_given_back_as_if_it_were_whole(company: Company) -> None:
    ann = await token_in(company, "salaries", "PERSON")
    whole = salary_of(ann)
    at = whole.index(ann)
    expected = await written(company, "hana", SALARY, whole)
    assert "Margaret Ellison" in expected.text
    for cut in range(at, at + len(ann) + 1, 4):
        given = await written(company, "hana", SALARY, whole[:cut], whole[cut:])
        assert given.text == expected.text
    assert (await written(company, "hana", SALARY, *whole)).text == expected.text


async def test_a_token_that_a_generator_changed_is_given_back_to_whom_it_is_allowed(company: Company) -> None:
    ann = await token_in(company, "salaries", "PERSON")
    core = ann[1:-1]
    for changed in (ann.lower(), f"[{core}]", f"{{{core}}}", core, f"<{core}", f"{core}>", ann.title()):
        given = await written(company, "hana", SALARY, salary_of(changed))
        assert given.text == "The salary of Margaret Ellison is 84,000 euros since January. [1]", changed


async def test_a_repeated_token_is_given_back_each_time(company: Company) -> None:
    ann = await token_in(company, "salaries", "PERSON")
    given = await written(
        company, "hana", SALARY, f"The salary of {ann}, of {ann}, is 84,000 euros since January [1].\n"
    )
    assert given.text.count("Margaret Ellison") == 2


async def test_a_changed_token_is_no_way_around_the_policy(company: Company) -> None:
    """sam reads the suppliers' document, and may unmask nothing in it."""
    mail = await token_in(company, "contacts", "EMAIL_ADDRESS")
    claim = "Her address is {} [1].\n"
    for changed in (mail, mail.lower(), f"[{mail[1:-1]}]"):
        refused = await written(company, "sam", "What is the address of the contact person?", claim.format(changed))
        allowed = await written(company, "pia", "What is the address of the contact person?", claim.format(changed))
        assert refused.text == f"Her address is {mail}. [1]"
        assert allowed.text == "Her address is margaret.ellison@acme.example. [1]"


@pytest.mark.parametrize("typed", ["{}", "{} please", "what is {}"])
async def test_a_token_typed_into_the_question_is_resolved_from_readable_documents_only(
    company: Company, typed: str
) -> None:
    """The same token stands in two documents. Both readers may unmask names in `people`; only one reads it."""
    ann = await token_in(company, "salaries", "PERSON")
    await company.edit(add_rules=(rule("user:sam", action="unmask:PERSON", department="people", level=Level.SECRET),))
    question = f"{SALARY} {typed.format(ann)}"
    reader = await written(company, "hana", question, salary_of(ann))
    other = await written(
        company, "sam", question, salary_of(ann), f"Parking permits cost 40 euros a month {ann} [1].\n"
    )
    assert "Margaret Ellison" in reader.text
    assert "ellison" not in everything(other).lower()


async def test_a_generator_never_sees_a_token_that_was_typed(company: Company) -> None:
    """It could copy it. What stands in the question is another token: that of a text shaped like one."""
    ann = await token_in(company, "salaries", "PERSON")
    writer = Writer("Nothing.")
    await answer(f"{PARKING} {ann}", person("sam"), company.with_parts(generator=writer))
    assert ann not in writer.requests[0].question
    assert "<LITERAL_" in writer.requests[0].question


async def test_titles_and_quotes_are_given_back_like_the_text(company: Company) -> None:
    given = await written(company, "hana", SALARY, salary_of(await token_in(company, "salaries", "PERSON")))
    other = await written(company, "finn", SALARY, "Nothing of it.\n")
    assert [citation.quote for citation in given.citations] == [
        "The salary of Margaret Ellison is 84,000 euros since January."
    ]
    assert other.citations == ()


async def test_each_claim_of_a_stream_leaves_without_what_is_personal(company: Company) -> None:
    writer = Writer(
        "Parking permits cost 40 euros a month, see ",
        "the permit form today [1].\n",
        "Ask Henri",
        "etta Blackwood [1].\n",
    )
    events = [e async for e in ask(PARKING, person("sam"), company.with_parts(generator=writer))]
    texts = [event.text for event in events if isinstance(event, ClaimReady)]
    assert len(texts) == 1
    assert "40 euros" in texts[0]


async def test_a_secret_never_leaves_whatever_the_policy_says(company: Company) -> None:
    """`unmask:SECRET` is a right that gives nothing; the one for names next to it gives names."""
    async with company.parts.database.unit_of_work() as session:
        tenant = await company.parts.privacy.for_tenant(session, "acme")
        masked = tenant.mask(["The feed is read with password: Tr0ub4dor-7 by Margaret Ellison."])[0]
        await tenant.vault.store(session, masked.values)
        connection = await session.connection()
        document = company.ids["salaries"]
        change = "UPDATE document_version SET text = ? WHERE document = ?"
        await connection.exec_driver_sql(change, (masked.reading, document))
        change = 'UPDATE chunk SET "end" = ? WHERE document = ?'
        await connection.exec_driver_sql(change, (len(masked.reading), document))
    await company.edit(add_rules=(rule("role:people", action="unmask:SECRET", level=Level.SECRET),))
    given = await written(company, "hana", SALARY, masked.reading + " [1]\n")
    assert "Margaret Ellison" in given.text
    assert "<SECRET_" in given.text
    assert "Tr0ub4dor" not in everything(given)
