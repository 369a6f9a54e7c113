"""A generator that does what anything tells it: the worst model there could be behind the guards."""

from collections.abc import AsyncGenerator, Sequence

from evals.redteam.catalogue import Order
from rag.generation.protocol import GenerationRequest, Generator


class Obedient:
    """Writes the effect of every order that it reads in a passage or in the question, then what `honest` writes.

    Not verbatim: each of its sentences is verified as a model's is.
    """

    name = "obedient"
    verbatim = False

    def __init__(self, honest: Generator, orders: Sequence[Order]) -> None:
        self._honest = honest
        self._orders = orders
        self.obeyed: set[str] = set()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        for order in self._orders:
            read = next((one.number for one in request.passages if order.trigger in one.text), None)
            if read is None and order.trigger in request.question and request.passages:
                read = request.passages[0].number
            if read is not None:
                self.obeyed.add(order.trigger)
                effect = order.effect.replace("$(mark)", request.mark)
                yield f"{effect} [{read}]\n"
        async for piece in self._honest.generate(request):
            yield piece

    async def close(self) -> None:
        await self._honest.close()
