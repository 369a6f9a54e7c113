"""Reading policy files: the whole of one is parsed and validated, so that nothing of a broken one is ever used.

What may stand in a file is described in `policies.files.file_format`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from policies.edits import InvalidEdit, require_sound_links
from policies.files.file_format import WRITTEN_FORMS, PolicyFile
from policies.files.strict_yaml import SIZE_MAX, InvalidYaml, load
from policies.rules import InvalidRule, action_name

CASE_TENANT = "cases"
"""The tenant that a file's cases are decided in."""


class InvalidPolicyFile(ValueError):
    """A policy file that cannot be used: the message names the file, the place and why."""


def read_policy_file(path: Path) -> PolicyFile:
    """Parse and validate a file.

    Raises:
        InvalidPolicyFile: not readable, or whatever `read_policy_text` refuses.
    """
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_MAX + 1)
    except OSError as cause:
        raise InvalidPolicyFile(f"{path}: cannot be read ({cause.strerror or type(cause).__name__}).") from cause
    return read_policy_text(content, str(path))


def read_policy_text(text: str | bytes, name: str) -> PolicyFile:
    """Parse and validate the text of a policy file; errors speak of it as `name`.

    Raises:
        InvalidPolicyFile: not YAML, or more of it than `strict_yaml` reads; an unknown or repeated key;
            an invalid line; links in a circle or in chains too long; a case about a document that is not described.
    """
    try:
        content = load(text)
        file = PolicyFile.model_validate({} if content is None else content)
        _require_sound(file)
    except ValidationError as cause:
        raise InvalidPolicyFile(f"{name}: {_first_problem(cause)}.") from cause
    except InvalidEdit as cause:
        raise InvalidPolicyFile(f"{name}: links: {cause}") from cause
    except (InvalidYaml, InvalidRule) as cause:
        raise InvalidPolicyFile(f"{name}: {cause}.") from cause
    return file


def _require_sound(file: PolicyFile) -> None:
    """Build everything once: the domain types know what is valid."""
    for number, rule_line in enumerate(file.rules):
        with _place(f"rules.{number}"):
            rule_line.rules(CASE_TENANT)
    for number, link_line in enumerate(file.links):
        with _place(f"links.{number}"):
            link_line.link(CASE_TENANT)
    require_sound_links(file.links_in(CASE_TENANT))
    for name, document in file.documents.items():
        with _place(f"documents.{name}"):
            document.attributes(CASE_TENANT, name)
    for number, case in enumerate(file.cases):
        with _place(f"cases.{number}"):
            case.callers(CASE_TENANT)
            action_name(case.action)
            case.attributes(CASE_TENANT, file.documents)


@contextmanager
def _place(place: str) -> Iterator[None]:
    try:
        yield
    except InvalidRule as cause:
        raise InvalidRule(f"{place}: {cause}") from None


def _first_problem(cause: ValidationError) -> str:
    first = cause.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"] if part not in WRITTEN_FORMS) or "the file"
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"
