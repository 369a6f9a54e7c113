"""What `deploy/` holds is valid, asks for its secrets and drops its rights. Images are not built here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ingestion.worker import GRACE_S
from rag.settings import load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def hadolint(dockerfile: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("hadolint")
    return subprocess.run([tool, str(dockerfile)], capture_output=True, text=True, timeout=60)


def compose_schema(file: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run(
        [tool, "--builtin-schema", "vendor.compose-spec", str(file)], capture_output=True, text=True, timeout=60
    )


def test_the_dockerfile_passes_its_linter_and_a_broken_one_does_not(tmp_path: Path) -> None:
    assert hadolint(DEPLOY / "Dockerfile").stdout == ""
    broken = tmp_path / "Dockerfile"
    broken.write_text("FROM python:latest\nRUN cd /tmp && pip install flask\n")
    assert hadolint(broken).returncode != 0


def test_the_image_runs_as_a_numeric_user_and_not_as_root() -> None:
    final_stage = (DEPLOY / "Dockerfile").read_text().split("\nFROM ")[-1]
    users = re.findall(r"^USER (\S+)$", final_stage, re.MULTILINE)
    assert users == ["10001:10001"]


def test_the_image_holds_every_package_the_command_line_needs() -> None:
    copied = set(re.findall(r"^COPY (\w+) \w+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
    assert {"policies", "rag", "ingestion"} <= copied


def test_the_compose_file_meets_the_specification_and_a_typo_does_not(tmp_path: Path) -> None:
    result = compose_schema(DEPLOY / "compose.yaml")
    assert result.returncode == 0, result.stdout
    broken = tmp_path / "compose.yaml"
    broken.write_text(
        (DEPLOY / "compose.yaml").read_text().replace("    networks: [front, back]", "    netwroks: [back]")
    )
    assert compose_schema(broken).returncode != 0


def test_only_the_api_is_published_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8080:8080"]}


def test_the_back_network_has_no_way_out_and_only_the_api_stands_in_both() -> None:
    assert COMPOSE["networks"]["back"]["internal"] is True
    assert [name for name, service in COMPOSE["services"].items() if "front" in service["networks"]] == ["api"]


def test_what_reads_pictures_of_pages_is_off_by_default_and_reaches_and_is_reached_by_nobody_else() -> None:
    docling = COMPOSE["services"]["docling"]
    assert (docling["profiles"], docling["networks"]) == (["docling"], ["pages"])
    assert COMPOSE["networks"]["pages"]["internal"] is True
    assert {name for name, one in COMPOSE["services"].items() if "pages" in one["networks"]} == {
        *("docling", "worker", "ingest")
    }
    assert not {"ports", "volumes"} & set(docling)
    assert docling["cap_drop"] == ["ALL"]
    assert re.search(r":v\d+\.\d+\.\d+\}$", docling["image"])


def test_where_scans_are_read_by_docling_the_settings_lead_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in COMPOSE["services"]["worker"]["environment"].items():
        if name.startswith("RINGFENCE_INGESTION__"):
            monkeypatch.setenv(
                name, value.replace("${RINGFENCE_OCR:-none}", "docling").replace("${DOCLING_API_KEY:-}", "")
            )
    settings = load_settings().ingestion
    assert (settings.ocr, settings.docling_url) == ("docling", "http://docling:5001")
    assert settings.docling_api_key is None
    sync_wait_s = float(COMPOSE["services"]["docling"]["environment"]["DOCLING_SERVE_MAX_SYNC_WAIT"])
    assert sync_wait_s > settings.ocr_wall_s


@pytest.mark.parametrize("name", ["api", "worker", "ingest"])
def test_our_containers_drop_all_capabilities_and_write_only_to_their_volume(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


def test_every_secret_must_be_given_and_the_example_gives_none() -> None:
    required = set(re.findall(r"\$\{([A-Z_]+):\?", (DEPLOY / "compose.yaml").read_text()))
    example = dict(
        line.split("=", 1) for line in (DEPLOY / "example.env").read_text().splitlines() if line and line[0] != "#"
    )
    assert required == set(example)
    assert set(example.values()) == {""}
    cluster = {"QDRANT_URL", "QDRANT_SHARDS", "QDRANT_REPLICAS", "QDRANT_WRITE_CONSISTENCY"}
    scans = {"RINGFENCE_OCR", "DOCLING_API_KEY", "DOCLING_IMAGE"}
    with_a_default = {"RINGFENCE_IMAGE", "RINGFENCE_PUBLIC_URL", "DOCUMENTS_DIR", *cluster, *scans}
    assert set(re.findall(r"\$\{([A-Z_]+)[:}]", (DEPLOY / "compose.yaml").read_text())) == required | with_a_default


@pytest.mark.parametrize("service", ["api", "worker", "ingest"])
def test_every_setting_the_compose_file_gives_is_known(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in COMPOSE["services"][service]["environment"].items():
        given = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value)
        monkeypatch.setenv(name, re.sub(r"\$\{.*?\}", "placeholder", given))
    settings = load_settings()
    assert settings.index.kind == "server"
    assert settings.generator.kind == "openai"
    assert settings.database_url.startswith("postgresql+psycopg://")


def test_the_health_of_each_of_our_containers_is_asked_of_itself() -> None:
    worker, ingest = (COMPOSE["services"][name] for name in ("worker", "ingest"))
    port = worker["environment"]["RINGFENCE_INGESTION__WORKER_PORT"]
    assert f":{port}/livez" in worker["healthcheck"]["test"][-1]
    assert ingest["healthcheck"] == {"disable": True}
    assert ":8080/readyz" in (DEPLOY / "Dockerfile").read_text()
    assert worker["stop_grace_period"] == f"{int(GRACE_S) + 10}s"
