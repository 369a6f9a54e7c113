"""Pointing garak, an outside scanner, at the API: the configuration of its REST client.

Its detectors count quoted text as a hit, so they are given the answer alone and no citations. The key stays out of the
file: garak puts it from the environment where `$KEY` stands.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from evals.runner.values import Json
from rag.api.schemas import MODEL
from rag.errors import Misuse

KEY_VARIABLE = "RINGFENCE_API_KEY"
PROBES = "latentinjection,promptinject,encoding,web_injection,exploitation,ansiescape,dan,leakreplay"
"""Families that fit a service that answers from documents."""
_TIMEOUT_S = 120


def garak_config(url: str, person: str | None) -> Mapping[str, Json]:
    """What `garak --target_type rest -G FILE` reads. `person` is named by an assistant's key that may name people."""
    named: dict[str, Json] = {} if person is None else {"X-Ringfence-Person": person}
    generator: dict[str, Json] = {
        "name": "ringfence",
        "uri": f"{url.rstrip('/')}/v1/chat/completions",
        "method": "post",
        "key_env_var": KEY_VARIABLE,
        "headers": {"Authorization": "Bearer $KEY", "Content-Type": "application/json", **named},
        "req_template_json_object": {"model": MODEL, "messages": [{"role": "user", "content": "$INPUT"}]},
        "response_json": True,
        "response_json_field": "$.choices[0].message.content",
        "request_timeout": _TIMEOUT_S,
        "ratelimit_codes": [429],
        # Questions that the service refuses (too long, not Unicode, empty) are no answers to be judged.
        "skip_codes": [400, 413],
    }
    return {"rest": {"RestGenerator": generator}}


def write_garak_config(path: Path, url: str, person: str | None) -> str:
    """Write the configuration, and return the command that uses it.

    Raises:
        Misuse: the file cannot be written.
    """
    try:
        path.write_text(json.dumps(garak_config(url, person), indent=2) + "\n", encoding="utf-8")
    except OSError as cause:
        raise Misuse(f"{path} cannot be written: {cause.strerror}.", code="cannot_write") from cause
    return f"{KEY_VARIABLE}=rf_... garak --target_type rest -G {path} --probes {PROBES}"
