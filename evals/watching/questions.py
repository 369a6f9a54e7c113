"""What the watch asks, and the planes by which it tells where texts lie."""

from pathlib import Path

from evals.cases import FEEDBACK, kept_cases, read_cases
from evals.questions import load_questions
from evals.watching.asking import Watched
from rag.db.engine import Database
from rag.privacy.key_sources import open_keys
from rag.privacy.keys import existing_tenant_keys
from rag.privacy.unmask import tokens_in, unmask
from rag.privacy.vault import Vault
from rag.query.cells import planes_seed
from rag.settings import Settings

DEMO = "demo"


async def prepared(database: Database, settings: Settings, tenant: str, chosen: str) -> tuple[bytes, list[Watched]]:
    """What the tenant's planes follow from, and the questions of a set in the words in which people asked them.

    Raises:
        Misuse: the set has no question, or the file is none.
        NotFound: the tenant has no keys.
    """
    async with database.reading() as session:
        keys = await existing_tenant_keys(session, tenant, open_keys(settings))
        seed = planes_seed(keys.digests)
        if chosen == DEMO:
            return seed, [Watched(question.text) for question in load_questions()]
        found = await kept_cases(session, tenant) if chosen == FEEDBACK else read_cases(Path(chosen))
        tokens = {token.text for case in found for token in tokens_in(case.question)}
        originals = await Vault(tenant, keys.vault).open(session, tokens)
    expected = [frozenset(case.expected.positive_documents) for case in found]
    return seed, [
        Watched(unmask(case.question, originals), documents) for case, documents in zip(found, expected, strict=True)
    ]
