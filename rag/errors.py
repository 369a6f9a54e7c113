"""What can go wrong, in words for the caller.

    RingfenceError
    ├── Misuse                 the request is wrong; the same one will fail again        (exit 2)
    │   ├── NotFound           no such thing, or none that this caller may see
    │   └── Conflict           somebody else changed it, or the folder is in use
    ├── Unauthenticated        no, unknown or expired credentials: one message for all   (exit 4)
    ├── Denied                 the policy says no                                        (exit 4)
    ├── Limited                too much, too fast; later is fine                         (exit 1)
    ├── Unavailable            a part did not answer; retrying may help                  (exit 1)
    │   ├── PolicyUnreadable   rules or epoch could not be read: nothing is returned
    │   ├── IndexUnavailable
    │   ├── GeneratorUnavailable
    │   └── AuditUnavailable   the record could not be written: the answer is not given
    ├── Damaged                stored data or a model file is not what it must be        (exit 1)
    └── Interrupted            whoever ran the command stopped it: what was kept         (exit 130)

Every class has a stable `code`. Messages name identifiers, never document text or personal values.
`rag.api.errors` maps codes to HTTP, `rag.cli` to exit codes.
"""


class RingfenceError(Exception):
    """The root: catch this at a door, nothing wider."""

    code = "internal"
    exit_code = 1

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class Misuse(RingfenceError):
    code = "invalid_request"
    exit_code = 2


class NotFound(Misuse):
    code = "not_found"
    exit_code = 1


class Conflict(Misuse):
    code = "conflict"
    exit_code = 1


class Unauthenticated(RingfenceError):
    """Says nothing about which part of the credentials failed."""

    code = "unauthenticated"
    exit_code = 4

    def __init__(self) -> None:
        super().__init__("The credentials are missing, unknown, expired or not valid for this service.")


class Denied(RingfenceError):
    code = "denied"
    exit_code = 4


class Limited(RingfenceError):
    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: float, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(RingfenceError):
    code = "unavailable"


class PolicyUnreadable(Unavailable):
    code = "policy_unreadable"


class IndexUnavailable(Unavailable):
    code = "index_unavailable"


class GeneratorUnavailable(Unavailable):
    code = "generator_unavailable"


class AuditUnavailable(Unavailable):
    code = "audit_unavailable"


class Damaged(RingfenceError):
    code = "damaged"


class Interrupted(RingfenceError):
    code = "interrupted"
    exit_code = 130
