"""The one way a policy is changed by people: proposed, looked at, saved.

A proposal says what the edit would do before anything is stored. Saving it stores exactly what was proposed, or
nothing: where the policy, or the labels of a document, changed in between, it must be proposed again.
"""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from policies.administration import ADMINISTER, Administrator, administers_everything, require_administered
from policies.edits import Edit, InvalidEdit, PolicyError, require_applicable, require_tenant
from policies.history import History, Retry, Revision
from policies.plan import PlanTooLarge, plan
from policies.simulate import Simulation, simulate
from policies.snapshot import Snapshot
from policies.store import EditConflict, PolicyStore
from policies.survey.budget import require_searchable
from policies.survey.catalogue import Catalogue
from policies.survey.postings import Selection
from policies.survey.readers import everybody, label


class KeyReused(EditConflict):
    """The caller's name of a request already names another one."""

    code = "idempotency_key_reused"


class CanaryExposed(PolicyError):
    """After this edit, somebody could read a document that nobody may ever read."""

    code = "canary_exposed"


@dataclass(frozen=True, slots=True)
class Proposal:
    """An edit that may be made, and what it would do to the documents of this moment."""

    edit: Edit
    before: Snapshot
    after: Snapshot
    simulation: Simulation


def propose(before: Snapshot, edit: Edit, administrator: Administrator, catalogue: Catalogue) -> Proposal:
    """Check an edit of the policy in `before`, and what it would do. Stores nothing; takes seconds on large tenants.

    Who administers a part of the tenant is told about the documents she administers; the exposure of a canary is
    told to everybody.

    Raises:
        InvalidEdit: it cannot be applied, or somebody's rights would become too large to search with.
        NotAdministered: it touches what the administrator does not administer.
    """
    require_tenant(edit, before.tenant)
    require_administered(before, edit, administrator, catalogue)
    require_applicable(edit, before.rules, before.links)
    after = before.changed(edit, before.epoch + 1)
    try:
        require_searchable(before, after, everybody((before, after), catalogue))
    except PlanTooLarge as cause:
        raise InvalidEdit(f"This edit makes rights that cannot be searched with: {cause}.") from cause
    within = None if may_see_all(before, administrator) else administered(before, administrator, catalogue)
    return Proposal(edit, before, after, simulate(before, after, catalogue, within=within))


async def save(
    session: AsyncSession,
    proposal: Proposal,
    administrator: Administrator,
    *,
    reason: str,
    expose_canaries: bool = False,
    retry: Retry | None = None,
) -> int:
    """Make the proposed edit part of the caller's transaction and return the new epoch.

    Raises:
        CanaryExposed: and `expose_canaries` was not said, or not by one who administers the whole tenant.
        EditConflict: policy or labels changed since it was proposed.
        InvalidEdit: no reason given.
    """
    exposed = proposal.simulation.canaries
    if exposed and not (expose_canaries and may_see_all(proposal.before, administrator)):
        raise CanaryExposed(
            f"This edit would let {label(exposed[0].caller)} read the canary {exposed[0].document}, which "
            f"nobody may ever read ({len(exposed)} such pairs). It is almost certainly too wide. Who administers the "
            "whole tenant may save it all the same by saying so explicitly; that is recorded."
        )
    return await PolicyStore(session).apply(
        proposal.before.tenant,
        proposal.edit,
        author=administrator.name,
        reason=reason,
        expected_epoch=proposal.before.epoch,
        retry=retry,
    )


async def repeated(session: AsyncSession, tenant: str, administrator: Administrator, retry: Retry) -> Revision | None:
    """What this administrator already changed by the very same request, None where she did not.

    Raises:
        EditConflict: the key was used for another request.
    """
    earlier = await History(session, tenant).find_retry(administrator.name, retry.key)
    if earlier is not None and earlier.retry != retry:
        raise KeyReused("This idempotency key was used for another edit. Use a new key for each edit.")
    return earlier


def may_see_all(snapshot: Snapshot, administrator: Administrator) -> bool:
    """Whether she may read the whole policy and its history, and may expose a canary."""
    return administrator.callers is None or administers_everything(snapshot, administrator.callers)


def administered(snapshot: Snapshot, administrator: Administrator, catalogue: Catalogue) -> Selection:
    """The documents that she administers: what she is told about."""
    if administrator.callers is None:
        return catalogue.everything
    return catalogue.admitted(plan(snapshot, administrator.callers, ADMINISTER))
