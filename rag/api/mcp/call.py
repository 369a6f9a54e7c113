"""One request at `/mcp`: who calls, for whom, and what it stands on."""

from dataclasses import dataclass

from fastapi import Request

from rag.api.caller import record_denial, required_principal
from rag.api.parts import AppParts, AppState
from rag.api.scopes import admits_tool
from rag.domain import Principal
from rag.errors import Denied
from rag.identity.credentials import Bearer


@dataclass(frozen=True, slots=True)
class Call:
    """Made of the verified headers of this request alone; there are no sessions to take anything from."""

    request: Request
    state: AppState
    bearer: Bearer
    named: Principal | None

    @property
    def parts(self) -> AppParts:
        return self.state.parts

    async def for_tool(self, tool: str) -> Principal:
        """The person the call is for, counted against her rate, if the key may be used for `tool`.

        Raises:
            Denied: it may not (`scope_required`), or it names nobody (`person_required`). Both are recorded.
            Limited: she or the assistant asks too often.
        """
        if not admits_tool(tool, self.bearer):
            await record_denial(self.parts, self.bearer, "scope_required")
            raise Denied(
                f"This key may not be used for {tool!r}. `ringfence keys list` shows its scopes.", code="scope_required"
            )
        return await self.principal()

    async def principal(self) -> Principal:
        """The person the call is for, counted against her rate. Raises as `for_tool` does."""
        return await required_principal(self.request, self.bearer, self.named)

    def note(self, **facts: object) -> None:
        """Put ids and numbers into the request's line in the log."""
        self.request.scope["ringfence.log"] |= facts
