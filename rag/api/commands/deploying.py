"""`ringfence deploy`: files for running the parts on servers of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from rag.api.commands.options import talk
from rag.api.commands.qdrant_nodes import Nodes, compose_file
from rag.errors import Misuse

deploy = typer.Typer(name="deploy", no_args_is_help=True, add_completion=False, help="Write files for servers.")

_NAME = "qdrant-cluster.yaml"
_MAJORITY = 3
"""Nodes from which a cluster goes on deciding about collections when one is lost."""


@deploy.callback()
def deploy_group() -> None:
    """Without it, a single command would lose its name."""


@deploy.command("qdrant")
def qdrant_command(
    nodes: Annotated[int, typer.Option(min=2, max=32, help="Nodes of the cluster.")] = 3,
    replicas: Annotated[int, typer.Option(min=1, max=32, help="Copies of each shard, each on a node of its own.")] = 2,
    shards: Annotated[
        int, typer.Option(min=1, max=256, help="Shards of a tenant's collection; more where one is too large a node.")
    ] = 1,
    write_consistency: Annotated[
        int, typer.Option(min=1, max=32, help="Copies that must have taken a write. With 1, a lost node stops none.")
    ] = 1,
    tls: Annotated[bool, typer.Option("--tls", help="Certificates between nodes and towards the service.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="New file to write. Default: standard output.")
    ] = None,
) -> None:
    """Write a compose file of a Qdrant cluster, with the settings that spread collections over it."""
    if not write_consistency <= replicas <= nodes:
        raise Misuse(
            f"--write-consistency {write_consistency}, --replicas {replicas} and --nodes {nodes} do not go together: "
            "each is at most the next."
        )
    wanted = Nodes(nodes, shards, replicas, write_consistency, tls)
    if output is None:
        typer.echo(compose_file(wanted, _NAME), nl=False)
    else:
        _write_new(output, compose_file(wanted, output.name))
        talk().print(f"Written to {output}. What to put into deploy/.env stands at its top.")
    if nodes < _MAJORITY:
        talk().print("With two nodes, the loss of one stops the making and changing of collections: three are better.")


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Misuse(f"{path} exists already; move it away or name another file.") from None
    except OSError as cause:
        raise Misuse(f"{path} cannot be written ({type(cause).__name__}).") from None
