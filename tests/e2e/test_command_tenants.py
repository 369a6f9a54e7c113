"""Whose a command's work is, as the database is told: see `policies.tenancy`."""

from typing import Any

from tests.e2e.test_command_table import commands  # noqa: F401 - a fixture

WITHOUT_ONE = {
    "deploy qdrant": "writes a file",
    "doctor": "looks at the whole installation",
    "keys list": "lists the keys of all tenants, where none is named",
    "keys revoke": "the key's id says which tenant",
    "keys rotate": "the key's id says which tenant",
    "policy test": "reads files alone",
    "privacy receipts key": "reads a file alone",
    "privacy receipts verify": "reads files alone",
    "serve": "each call says which tenant",
    "worker": "each job says which tenant",
}


def test_every_command_that_names_a_tenant_works_for_that_one_alone(
    commands: dict[str, Any],  # noqa: F811 - the fixture
) -> None:
    """`eval` makes companies of its own, in folders of its own."""

    def binds(command: Any) -> bool:
        return any(option.name == "tenant" and option.callback is not None for option in command.params)

    unbound = {name for name, command in commands.items() if not binds(command)}
    assert {name for name in unbound if not name.startswith("eval ")} == WITHOUT_ONE.keys()
