"""What a model server can do wrong, and what follows from it. Messages never repeat what a server said.

Fault
├── Unreachable   no connection: nothing was sent. Asked again, elsewhere first
├── Busy          alive and full. Asked again after a wait
├── BadStream     took the request and did not answer it rightly. One other server may get it
│   └── ErrorEvent
├── Refused       will not take this request, whoever asks
└── LeftAlone     no server may be asked at this moment
"""

ADVICE = "Check RINGFENCE_GENERATOR__BASE_URL and the server, then retry."
BUSY_STATUS = frozenset({429, 503})
"""vLLM answers 503 when its queue is full, without saying when to come back."""
_REFUSALS = {
    400: (
        "did not take the request (status 400); mostly it is longer than the model's context",
        "Lower RINGFENCE_GENERATOR__CONTEXT_CHARS or RINGFENCE_GENERATOR__MAX_TOKENS, or raise the server's limit.",
    ),
    401: ("did not take the key (status 401)", "Check RINGFENCE_GENERATOR__API_KEY."),
    403: ("did not take the key (status 403)", "Check RINGFENCE_GENERATOR__API_KEY."),
    404: (
        "knows no such model or address (status 404)",
        "Check RINGFENCE_GENERATOR__MODEL and RINGFENCE_GENERATOR__BASE_URL, which ends in /v1.",
    ),
}
"""What a status means on vLLM, and what to do. Its own words are not repeated: servers quote the prompt in them."""


class Fault(Exception):
    """Completes "The model server ..."; `advice` is what to do. `counts` against the server's circuit breaker."""

    advice = ADVICE
    counts = True


class Unreachable(Fault):
    def __init__(self) -> None:
        super().__init__("could not be reached")


class Busy(Fault):
    """Nothing of an answer has been received; `retry_after_s` where the server said when to come back."""

    counts = False

    def __init__(self, what: str, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s


class BadStream(Fault):
    """The server's answer is not a complete stream of this format. Says what is wrong, never what was sent."""


class ErrorEvent(BadStream):
    """The server said in its stream that it failed; `status` is the one that an answer without a stream would have."""

    def __init__(self, status: int | None) -> None:
        super().__init__("reported an error in its stream" + ("" if status is None else f" (status {status})"))
        self.status = status


class Refused(Fault):
    """The same request will be refused again. `elsewhere`: another server may take it."""

    def __init__(self, what: str, advice: str, *, elsewhere: bool) -> None:
        super().__init__(what)
        self.advice = advice
        self.elsewhere = elsewhere
        self.counts = elsewhere


class LeftAlone(Fault):
    counts = False

    def __init__(self, why: str) -> None:
        super().__init__(f"is not asked at present: {why}")


def refusal_of(status: int) -> Fault:
    """What an answer with `status`, neither 200 nor busy, means."""
    if status >= 500:
        return BadStream(f"failed (status {status})")
    what, advice = _REFUSALS.get(status, (f"refused the request with status {status}", ADVICE))
    return Refused(what, advice, elsewhere=status != 400)
