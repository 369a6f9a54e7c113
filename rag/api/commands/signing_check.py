"""Whether the key that signs the receipts of erasures is there, is kept well, and is the one that signed them."""

import asyncio
from collections import Counter

from policies.tenancy import every_tenant
from rag.api.commands.finding import BAD, GOOD, LOOK, Finding
from rag.api.commands.options import opened_database
from rag.privacy.receipts import Signers, find_signer, signers_of_all
from rag.settings import Settings

CHECK = "signing key"


def check_signing_key(settings: Settings) -> Finding:
    """Makes no key.

    Raises:
        Misuse: it cannot be read, others may read it, or it is none; says what to do.
    """
    signer = find_signer(settings)
    with every_tenant():
        signed = asyncio.run(_signed(settings))
    total = signed.by_key.total()
    if signer is None:
        if total:
            return Finding(CHECK, BAD, f"it is missing, but {total} receipts were signed. {_restore(signed.newest)}")
        return Finding(CHECK, LOOK, "it does not exist yet; it is made on first use")
    others = total - signed.by_key[signer.public_key]
    if signed.newest not in ("", signer.public_key):
        return Finding(CHECK, BAD, f"it is not the key of the newest receipt. {_restore(signed.newest)}")
    if others:
        return Finding(
            CHECK, LOOK, f"{others} of {total} receipts were signed with another key: verify these with --public-key"
        )
    return Finding(CHECK, GOOD, f"public key {signer.public_key}, {total} receipts signed with it")


def _restore(public_key: str) -> str:
    return (
        f"Restore signing.key from a backup, the one with public key {public_key}; without it, those receipts verify "
        "with `ringfence privacy receipts verify --public-key` only"
    )


async def _signed(settings: Settings) -> Signers:
    if settings.database.url is None and not (settings.data_dir / "ringfence.db").exists():
        return Signers("", Counter())
    async with opened_database(settings) as database, database.reading() as session:
        return await signers_of_all(session)
