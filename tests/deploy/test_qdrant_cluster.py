"""The file that `ringfence deploy qdrant` writes: valid, with one cluster in it, and without a secret."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rag.api.commands.qdrant_nodes import IMAGE
from rag.cli import main
from rag.settings import load_settings
from tests.deploy.test_deploy import COMPOSE, compose_schema
from tests.e2e.test_command_table import ENTRY_POINTS


def ringfence(*words: str) -> int:
    return main(["deploy", "qdrant", *words], ENTRY_POINTS)


def written(folder: Path, *words: str) -> tuple[str, dict[str, Any]]:
    path = folder / "qdrant-cluster.yaml"
    assert ringfence(*words, "--output", str(path)) == 0
    text = path.read_text()
    return text, yaml.safe_load(text)


def test_the_file_meets_the_compose_specification(tmp_path: Path) -> None:
    """With certificates there is everything in it that can be."""
    written(tmp_path, "--tls", "--nodes", "5")
    result = compose_schema(tmp_path / "qdrant-cluster.yaml")
    assert result.returncode == 0, result.stdout


def test_every_node_but_the_first_joins_the_first_and_keeps_a_volume_of_its_own(tmp_path: Path) -> None:
    _, made = written(tmp_path, "--nodes", "3")
    nodes = list(made["services"].values())
    uris = [node["command"][node["command"].index("--uri") + 1] for node in nodes]
    assert uris == [f"http://qdrant-{number}:6335" for number in (1, 2, 3)]
    assert "--bootstrap" not in nodes[0]["command"]
    assert {node["command"][node["command"].index("--bootstrap") + 1] for node in nodes[1:]} == {uris[0]}
    assert len({node["volumes"][0] for node in nodes}) == len(made["volumes"]) == 3
    aliases = [node["networks"]["back"]["aliases"] for node in nodes]
    assert aliases == [["qdrant", f"qdrant-{number}"] for number in (1, 2, 3)]


def test_nodes_ask_for_the_key_and_are_reached_from_inside_alone(tmp_path: Path) -> None:
    text, made = written(tmp_path)
    for node in made["services"].values():
        assert "ports" not in node
        assert node["environment"]["QDRANT__SERVICE__API_KEY"].startswith("${QDRANT_API_KEY:?")
        assert node["environment"]["QDRANT__CLUSTER__ENABLED"] == "true"
    assert made["networks"]["back"]["internal"] is True
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) == {"QDRANT_API_KEY"}


def test_the_first_node_is_the_server_of_the_compose_file(tmp_path: Path) -> None:
    """The two files are given to Docker together: same name, image, volume and network."""
    _, made = written(tmp_path)
    single, first = COMPOSE["services"]["qdrant"], made["services"]["qdrant"]
    assert first["image"] == single["image"] == IMAGE
    assert first["volumes"] == single["volumes"]
    assert {**first["environment"], **single["environment"]} == first["environment"]


def test_what_it_says_belongs_into_the_environment_is_what_the_service_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, _ = written(tmp_path, "--shards", "2", "--replicas", "3", "--write-consistency", "2", "--tls")
    given = dict(re.findall(r"^#   (QDRANT_\w+)=(\S+)$", text, re.MULTILINE))
    asked = COMPOSE["services"]["api"]["environment"]
    for name, value in asked.items():
        found = re.fullmatch(r"\$\{(\w+):-.*\}", value)
        if name.startswith("RINGFENCE_INDEX__") and found and found[1] in given:
            monkeypatch.setenv(name, given[found[1]])
    index = load_settings().index
    assert (index.shards, index.replicas, index.write_consistency) == (2, 3, 2)
    assert index.url == "https://qdrant:6333"


def test_with_certificates_both_ports_and_every_address_have_them(tmp_path: Path) -> None:
    text, made = written(tmp_path, "--tls")
    for node in made["services"].values():
        environment = node["environment"]
        assert environment["QDRANT__SERVICE__ENABLE_TLS"] == environment["QDRANT__CLUSTER__P2P__ENABLE_TLS"] == "true"
        assert all(word.startswith("https://") for word in node["command"] if "://" in word)
    assert "RINGFENCE_INDEX__CA_FILE" in text


@pytest.mark.parametrize(
    "words", [("--replicas", "4", "--nodes", "3"), ("--write-consistency", "3", "--replicas", "2"), ("--nodes", "1")]
)
def test_numbers_that_cannot_be_are_misuse(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert ringfence(*words) == 2
    assert capsys.readouterr().out == ""


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, _ = written(tmp_path)
    assert ringfence("--nodes", "5", "--output", str(tmp_path / "qdrant-cluster.yaml")) == 2
    assert (tmp_path / "qdrant-cluster.yaml").read_text() == text
    assert ringfence() == 0
    assert yaml.safe_load(capsys.readouterr().out) == yaml.safe_load(text)
