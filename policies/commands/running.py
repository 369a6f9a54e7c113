"""How a policy command runs: on which desk, with a sign of life while it works, and how it ends."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import typer

from policies.administration import Administrator, NotAdministered, administers_something
from policies.change import CanaryExposed
from policies.desk import PolicyDesk
from policies.edits import InvalidEdit, PolicyError
from policies.files.policy_file import InvalidPolicyFile
from policies.plan import PlanTooLarge
from policies.printing import plain
from policies.rules import InvalidRule
from policies.survey.readers import Disagreement
from policies.terminal import talk

FAILED, MISUSE, DENIED = 1, 2, 4
_Found = TypeVar("_Found")


def desk_of(context: typer.Context) -> PolicyDesk:
    desk = context.obj
    if not isinstance(desk, PolicyDesk):
        raise TypeError("the policy commands are made by policies.cli.build")
    return desk


def run(work: Coroutine[Any, Any, _Found], doing: str) -> _Found:
    """Wait for `work`; a terminal is told meanwhile that it is `doing` something.

    Raises:
        PolicyError: the labels of a stored document are not valid: nothing that the caller wrote.
    """
    terminal = talk()
    try:
        if not terminal.is_terminal:
            return asyncio.run(work)
        with terminal.status(f"{doing} ..."):
            return asyncio.run(work)
    except InvalidRule as cause:
        raise PolicyError(f"A stored document has labels that are not valid: {cause}. Ingest it again.") from cause


async def require_administering(desk: PolicyDesk, tenant: str, administrator: Administrator) -> None:
    """Raises NotAdministered for whoever administers nothing at all of the tenant."""
    if administrator.callers is None:
        return
    async with desk.parts.reading() as session:
        snapshot = await desk.parts.snapshots.get(session, tenant)
    if not administers_something(snapshot, administrator):
        raise NotAdministered(f"{administrator.name} administers nothing of tenant {tenant}.")


@contextmanager
def clear_errors() -> Iterator[None]:
    """One line on standard error, and the exit code that tells misuse from refusal and from failure."""
    try:
        yield
    except (InvalidRule, InvalidEdit, InvalidPolicyFile) as mistake:
        fail(str(mistake), MISUSE)
    except (NotAdministered, CanaryExposed) as refusal:
        fail(str(refusal), DENIED)
    except PlanTooLarge as cause:
        fail(f"This cannot be answered: {cause}.", FAILED)
    except (PolicyError, Disagreement) as failure:
        fail(str(failure), FAILED)


def fail(message: str, code: int) -> NoReturn:
    """End the command: the message as one line on standard error, whatever it quotes."""
    typer.echo(f"error: {plain(message)}", err=True)
    raise typer.Exit(code) from None
