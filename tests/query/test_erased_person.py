"""What an erased person leaves in answers, streams and opened passages: her token, for every reader."""

from datetime import UTC, datetime

from rag.privacy.erasure import erase
from rag.privacy.erasure_plan import Planner, Wanted
from rag.privacy.faces import offline_domains
from rag.privacy.keys import tenant_keys
from rag.privacy.receipts import Signer
from rag.privacy.vault import Vault
from rag.query.answer import ClaimReady, Finished, ask
from rag.query.parts import Options
from rag.query.passages import open_passage
from tests.query.company import TENANT, Company, person

SALARY = "What is the salary of Margaret Ellison?"


async def erase_margaret(company: Company) -> None:
    parts = company.parts
    async with parts.database.unit_of_work() as session:
        keys = await tenant_keys(session, TENANT, parts.privacy.master)
        plan = await Planner(TENANT, keys, offline_domains()).plan(session, [Wanted("Margaret Ellison", "test")])
        vault, signer = Vault(TENANT, keys.vault), Signer.of(b"\x05" * 32)
        await erase(session, plan, vault, signer, by="operator:test", reason="17", now=datetime.now(UTC))


async def shown(company: Company) -> tuple[str, str, str]:
    """The pieces of the stream, the whole answer, and the passage that it cites, as hana sees them."""
    pieces, whole, passage = list[str](), "", ""
    async for event in ask(SALARY, person("hana"), company.parts, Options()):
        if isinstance(event, ClaimReady):
            pieces.append(event.text)
        elif isinstance(event, Finished):
            whole = event.answer.text
            cited = event.answer.citations[0]
            place = cited.document, cited.version, cited.span
            passage = (await open_passage(*place, person("hana"), company.parts)).text
    return "".join(pieces), whole, passage


async def test_an_erased_person_is_found_by_her_name_and_stays_a_token_everywhere(company: Company) -> None:
    """The question still finds the document: it is turned into the same token. Nobody is told whose it is."""
    for text in await shown(company):
        assert "Margaret Ellison" in text and "84,000" in text
    await erase_margaret(company)
    for text in await shown(company):
        assert "84,000" in text
        assert "<PERSON_" in text
        assert "Margaret" not in text and "Ellison" not in text
