"""The commands of this room, one module each. Asking for one imports its module and no other.

The entry points name `rag.api.commands:serve` and so on; importing all of them for each would make the quick ones
wait for the libraries of the slow ones.
"""

from collections.abc import Mapping
from importlib import import_module

_MODULES: Mapping[str, str] = {
    "serve": "serving",
    "ask": "asking",
    "doctor": "diagnosis",
    "keys": "keyring",
    "policy": "policy_edits",
    "audit": "audit_trail",
    "privacy": "personal_data",
    "deploy": "deploying",
    "index": "index_group",
    "feedback": "feedback_group",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no command {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
