"""The demo as a user has it: the real command, the real service, the official client, three people."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import openai
import pytest
import yaml

from tests.copies import bytes_written
from tests.e2e.conftest import DOCUMENTS, TENANT, CommandLine, Service, serving

pytestmark = pytest.mark.timeout(600)  # several processes load the models, on a machine that may be busy

HR, ENGINEER, CONTRACTOR = "ines.halvorsen", "tomas.okafor", "jonas.weidmann"
ALLOWANCE = "What is the travel allowance per day?"
ALLOWANCE_OF = {HR: "64 euros", ENGINEER: "56 euros", CONTRACTOR: "38 euros"}
ABOUT_A_PERSON = "What did Elin Sorensen sign?"


def headers(service: Service, person: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {service.operator_key}",
        "X-Ringfence-Tenant": TENANT,
        "X-Ringfence-Person": person,
    }


def client(service: Service, person: str) -> openai.OpenAI:
    extra = {name: value for name, value in headers(service, person).items() if name != "Authorization"}
    return openai.OpenAI(
        base_url=f"{service.url}/v1", api_key=service.operator_key, default_headers=extra, max_retries=0
    )


def answer(service: Service, person: str, question: str) -> dict[str, object]:
    """The completion as JSON, by the official client."""
    with client(service, person) as openai_client:
        completion = openai_client.chat.completions.create(
            model="ringfence", messages=[{"role": "user", "content": question}]
        )
    return json.loads(completion.model_dump_json())


def text_of(completion: dict) -> str:
    return completion["choices"][0]["message"]["content"]


def test_the_whole_company_is_ingested_and_nothing_failed(ingested: tuple[Path, dict]) -> None:
    documents = [p for p in DOCUMENTS.rglob("*") if p.is_file() and p.name != "ringfence.yaml"]
    assert len(documents) >= 60
    assert ingested[1]["counts"]["new"] == len(documents)
    assert ingested[1]["counts"]["failed"] == 0


@pytest.mark.parametrize("person", [HR, ENGINEER, CONTRACTOR])
def test_one_question_has_the_right_answer_for_each_of_three_people(service: Service, person: str) -> None:
    completion = answer(service, person, ALLOWANCE)
    assert ALLOWANCE_OF[person] in text_of(completion)
    assert not any(other in text_of(completion) for name, other in ALLOWANCE_OF.items() if name != person)
    assert completion["ringfence"]["found"] is True
    assert completion["ringfence"]["citations"]


def test_a_stream_says_the_same_as_the_whole_answer(service: Service) -> None:
    with client(service, ENGINEER) as openai_client:
        stream = openai_client.chat.completions.create(
            model="ringfence", messages=[{"role": "user", "content": ALLOWANCE}], stream=True
        )
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(pieces) == text_of(answer(service, ENGINEER, ALLOWANCE))


def test_a_citation_opens_for_its_reader_and_for_nobody_else(service: Service) -> None:
    citation = answer(service, HR, ALLOWANCE)["ringfence"]["citations"][0]
    own = httpx.get(citation["url"], headers=headers(service, HR))
    other = httpx.get(citation["url"], headers=headers(service, CONTRACTOR))
    absent = httpx.get(
        citation["url"].replace(citation["document"], "doc_" + "0" * 32), headers=headers(service, CONTRACTOR)
    )
    assert own.status_code == 200
    assert own.json()["text"] == citation["quote"]
    assert other.status_code == absent.status_code == 404
    assert {k: v for k, v in other.json().items() if k not in ("instance", "request_id")} == {
        k: v for k, v in absent.json().items() if k not in ("instance", "request_id")
    }


def test_a_message_is_found_by_the_name_in_it_although_every_name_is_masked(service: Service) -> None:
    whole = answer(service, HR, ABOUT_A_PERSON)
    assert "confidentiality agreement" in text_of(whole)
    lower = answer(service, HR, ABOUT_A_PERSON.lower())
    assert "confidentiality agreement" in text_of(lower)
    assert answer(service, ENGINEER, ABOUT_A_PERSON)["ringfence"]["found"] is False


def test_no_name_of_the_message_stands_anywhere_on_disk(ingested: tuple[Path, dict]) -> None:
    for file in (f for f in ingested[0].rglob("*") if f.is_file()):
        assert b"Sorensen" not in bytes_written(file), file
    assert any(b"confidentiality agreement" in f.read_bytes() for f in ingested[0].rglob("*.db*"))


def test_what_no_readable_document_says_is_said_to_be_missing(service: Service) -> None:
    completion = answer(service, CONTRACTOR, "What is the chemical composition of the moon?")
    assert completion["ringfence"]["found"] is False
    assert completion["ringfence"]["citations"] == []
    assert "did not find" in text_of(completion)


def test_a_revocation_by_another_process_holds_on_the_next_question(company: CommandLine) -> None:
    with serving(company) as running:
        assert ALLOWANCE_OF[HR] in text_of(answer(running, HR, ALLOWANCE))
        url = answer(running, HR, ALLOWANCE)["ringfence"]["citations"][0]["url"]
        reason = ("--tenant", TENANT, "--reason", "moved to another department")
        company.fresh("policy", "link", f"user:{HR}", "role:employee", *reason)
        company("policy", "unlink", f"user:{HR}", "role:hr-manager", *reason)
        company("policy", "unlink", f"user:{HR}", "group:hr", *reason)
        assert ALLOWANCE_OF[HR] not in text_of(answer(running, HR, ALLOWANCE))
        assert httpx.get(url, headers=headers(running, HR)).status_code == 404
        company("policy", "link", f"user:{HR}", "group:hr", *reason)
        assert ALLOWANCE_OF[HR] in text_of(answer(running, HR, ALLOWANCE))


def test_documents_ingested_while_the_service_runs_are_answered_from_and_removed_ones_are_not(
    company: CommandLine, tmp_path: Path
) -> None:
    folder = tmp_path / "news"
    folder.mkdir()
    (folder / "ringfence.yaml").write_text(yaml.safe_dump({"department": "public", "level": "public"}))
    (folder / "fountain.md").write_text("# Fountain\n\nThe fountain in the yard runs from May until September.\n")
    (folder / "keep.md").write_text("# Bicycles\n\nBicycles are parked behind the gate house.\n")
    question = "When does the fountain in the yard run?"
    with serving(company) as running:
        assert answer(running, ENGINEER, question)["ringfence"]["found"] is False
        company("ingest", str(folder), "--tenant", TENANT)
        assert "May until September" in text_of(answer(running, ENGINEER, question))
        (folder / "fountain.md").unlink()
        assert company.json("ingest", str(folder), "--tenant", TENANT)["counts"]["removed"] == 1
        assert answer(running, ENGINEER, question)["ringfence"]["found"] is False


def test_the_log_names_who_asked_and_verifies_until_a_byte_is_changed(company: CommandLine) -> None:
    company.fresh("ask", ALLOWANCE, "--as", HR, "--tenant", TENANT)
    shown = company("audit", "show", "--tenant", TENANT, "--json").stdout
    assert f"user:{HR}" in shown
    assert "allowance" not in shown
    company.fresh("audit", "verify", "--tenant", TENANT)
    database = next(company.data_dir.glob("*.db"))
    changed = subprocess.run(
        [sys.executable, "-c", "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); "
         "d.execute(\"UPDATE audit_record SET body = replace(body, 'ines', 'anna')\"); d.commit()", str(database)],
        check=False,
    )  # fmt: skip
    assert changed.returncode == 0
    company("audit", "verify", "--tenant", TENANT, expect=1)


def test_a_second_service_on_the_same_folder_or_port_is_refused_in_one_line(
    service: Service, company: CommandLine
) -> None:
    same_folder = service.command("serve", "--port", "1", expect=1)
    assert "in use by process" in same_folder.stderr
    same_port = company("serve", "--port", service.url.rsplit(":", 1)[1], expect=1)
    for refused in (same_folder, same_port):
        assert "Traceback" not in refused.stderr


def test_a_killed_service_and_a_lost_index_are_made_whole_by_the_next_start(company: CommandLine) -> None:
    with serving(company) as running:
        before = text_of(answer(running, HR, ALLOWANCE))
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
    shutil.rmtree(company.data_dir / "index")
    with serving(company) as running:
        assert text_of(answer(running, HR, ALLOWANCE)) == before
    again = company.json("ingest", str(DOCUMENTS), "--tenant", TENANT)
    assert again["counts"]["unchanged"] == sum(again["counts"].values())


def test_doctor_finds_nothing_wrong_and_names_the_generator(company: CommandLine) -> None:
    assert "extractive" in company.fresh("doctor").stdout
