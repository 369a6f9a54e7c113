"""`ringfence policy`: the commands of `policies.cli`, on this installation's database and audit log."""

from policies.cli import build
from rag.api.commands.options import opened_database
from rag.api.desk import desk_for
from rag.settings import load_settings

policy = build(desk_for(lambda: opened_database(load_settings())))
"""The running service sees a change at its next question."""
