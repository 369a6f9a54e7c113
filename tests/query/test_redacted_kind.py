"""A kind that the tenant redacts: given back to nobody from that moment on, in documents masked before as well."""

from datetime import UTC, datetime

from rag.privacy.configuration import parse
from rag.privacy.configured import Change, Configurations
from tests.query.company import TENANT, Company
from tests.query.test_answer import SALARY
from tests.query.test_reveal import salary_of, token_in, written


async def choose(company: Company, operator: str) -> None:
    async with company.parts.database.unit_of_work() as session:
        configuration, _ = parse(f"entities: {{PERSON: {{operator: {operator}}}}}", b"no values")
        change = Change("operator:test", "a test", datetime.now(UTC))
        await Configurations(session, TENANT).set(configuration, change)


async def test_a_redacted_kind_is_given_back_to_nobody_and_set_back_it_is_again(company: Company) -> None:
    salary = salary_of(await token_in(company, "salaries", "PERSON"))
    assert "Margaret Ellison" in (await written(company, "hana", SALARY, salary)).text
    await choose(company, "redact")
    assert "Ellison" not in (await written(company, "hana", SALARY, salary)).text
    await choose(company, "token")
    assert "Margaret Ellison" in (await written(company, "hana", SALARY, salary)).text
