"""`sources.yaml`: the sources of an installation, each under the name that is part of its documents' identity.

    sources:
      contracts:
        kind: posix
        path: /srv/contracts
        identities: {users: {"1001": user:ann}, groups: {"100": group:staff}}
      handbook:
        kind: git
        path: /srv/git/handbook.git
        reference: main

No secret stands in it; its place does: `token: {env: WIKI_TOKEN}` or `{file: /run/secrets/wiki}`.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ingestion.sources.kinds import Configured
from ingestion.sources.protocol import Source
from policies.files import strict_yaml
from policies.rules import InvalidRule, plain_name
from rag.errors import Misuse
from rag.invalid import problems


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    sources: dict[str, Configured]


_FILE = TypeAdapter(_File)


def open_source(file: Path, name: str) -> Source:
    """The source of this name in a `sources.yaml`.

    Raises:
        Misuse: no such file or source, or one that is not configured as it must be; says which field.
    """
    try:
        content = strict_yaml.load(file.read_bytes())
        configured = _FILE.validate_python(content).sources
    except OSError as cause:
        raise Misuse(f"The file {file} cannot be read ({cause.strerror}).", code="sources_invalid") from cause
    except strict_yaml.InvalidYaml as problem:
        raise Misuse(f"{file}: {problem}.", code="sources_invalid") from None
    except ValidationError as cause:
        raise Misuse(f"{file}: {problems(cause)}.", code="sources_invalid") from None
    if name not in configured:
        known = ", ".join(sorted(configured)) or "none"
        raise Misuse(f"{file} has no source {name!r}; it has: {known}.", code="sources_invalid")
    try:
        return configured[name].open(plain_name(name, "source"))
    except InvalidRule as problem:
        raise Misuse(f"{file}: {problem}.", code="sources_invalid") from None
