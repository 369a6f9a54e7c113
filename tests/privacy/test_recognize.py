"""What is found and what is left alone, on text as companies write it."""

import logging
from pathlib import Path
from shutil import copytree

import pytest

from rag.errors import Damaged
from rag.privacy.model import model_folder, verify
from rag.privacy.recognize import Finding, Recognizer, load_recognizer, resolve_overlaps
from rag.privacy.tenant import TenantPrivacy
from rag.settings import PrivacySettings

FOUND = [
    ("From: Ann Lee <ann.lee@x.com>", "PERSON", "Ann Lee"),
    ("From: ann lee <ann.lee@x.com>", "PERSON", "ann lee"),
    ('To: "Okafor, Chidi" <chidi@partner.example>', "PERSON", "Okafor"),
    ("Name: ANN LEE", "PERSON", "ANN LEE"),
    ("**Name:** xiu ying", "PERSON", "xiu ying"),
    ("Approved by: A. Lee, 3 May 2026", "PERSON", "A. Lee"),
    ("| Name | Role |\n|---|---|\n| Sofia Marchetti | Driver |", "PERSON", "Sofia Marchetti"),
    ("id,last_name,first_name\n1,Flowers,Ann\n2,,Bob", "PERSON", "Flowers"),
    ("id;manager;grade\n1;Tom Field;C", "PERSON", "Tom Field"),
    ("Manager | Bob Stone\nGrade | C", "PERSON", "Bob Stone"),
    ("Dear Mr Grant, thank you.", "PERSON", "Grant"),
    ("It was signed by Mr Lee and Mrs Young.", "PERSON", "Young"),
    ("Hi Bob,\n\nthe report is late.", "PERSON", "Bob"),
    ("See you then.\n\nBest regards,\nAnn Okafor\nHead of Sales", "PERSON", "Ann Okafor"),
    ("Priya Raghunathan approved the invoice.", "PERSON", "Priya Raghunathan"),
    ("JOHN MCALLISTER IS THE NEW CFO", "PERSON", "JOHN MCALLISTER"),
    ("mail mia.o'brien@corp.local today", "EMAIL_ADDRESS", "mia.o'brien@corp.local"),
    ("mail (ann@meridian-freight.example).", "EMAIL_ADDRESS", "ann@meridian-freight.example"),
    ("Call +44 20 7946 0018 now", "PHONE_NUMBER", "+44 20 7946 0018"),
    ("Call (555) 010-1234 now", "PHONE_NUMBER", "(555) 010-1234"),
    ("Mobile: 555-0142", "PHONE_NUMBER", "555-0142"),
    ("office 212-555-0187 ext. 44", "PHONE_NUMBER", "212-555-0187 ext. 44"),
    ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
    ("card 4111 1111 1111 1111 expired", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("SSN 536-90-4399", "US_SSN", "536-90-4399"),
    ("SSN 536\u201190\u20114399", "US_SSN", "536\u201190\u20114399"),
    ("SSN 536\u201390\u20134399", "US_SSN", "536\u201390\u20134399"),
    ("SSN \uff15\uff13\uff16-90-4399", "US_SSN", "\uff15\uff13\uff16-90-4399"),
    ("ask MF\u20111042", "EMPLOYEE_ID", "MF\u20111042"),
    ("Mobile: 555\u20110142", "PHONE_NUMBER", "555\u20110142"),
    ("mail ann.lee\uff20x.com today", "EMAIL_ADDRESS", "ann.lee\uff20x.com"),
    ("NI number: AB 12 34 56 C", "UK_NINO", "AB 12 34 56 C"),
    ("NHS 943 476 5919", "UK_NHS", "943 476 5919"),
    ("server 10.2.3.4 is down", "IP_ADDRESS", "10.2.3.4"),
    ("lives at 12 High Street, London, SW1A 1AA.", "LOCATION", "12 High Street, London, SW1A 1AA"),
    ("Hauptstraße 12, 10115 Berlin", "LOCATION", "Hauptstraße 12, 10115 Berlin"),
    ("Date of birth: 12 March 1985", "DATE_OF_BIRTH", "12 March 1985"),
    ("name,dob\nAnn,1980-01-02", "DATE_OF_BIRTH", "1980-01-02"),
    ("E-12345 moved", "EMPLOYEE_ID", "E-12345"),
    ("ask MF-1042", "EMPLOYEE_ID", "MF-1042"),
    ("Employee ID: 77123", "EMPLOYEE_ID", "77123"),
    ("passport no. 533401234", "ID_NUMBER", "533401234"),
    ("password: hunter2secret", "SECRET", "hunter2secret"),
    ("Password: swordfish\n", "SECRET", "swordfish"),
    ("AKIAIOSFODNN7EXAMPLE", "SECRET", "AKIAIOSFODNN7EXAMPLE"),
    ("key ghp_abcdefghijklmnopqrstuvwxyz0123456789", "SECRET", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
    ("see https://intranet.example/users/ann.lee.", "URL", "https://intranet.example/users/ann.lee"),
    ("postgres://ann:pw@db.example/x", "URL", "postgres://ann:pw@db.example/x"),
    ("<PERSON_0123456789ABCDEF> said", "LITERAL", "<PERSON_0123456789ABCDEF>"),
    ("person_0123456789abcdef said", "LITERAL", "person_0123456789abcdef"),
]

LEFT_ALONE = [
    "# Remote Work Policy\n\n## Data Retention\n\nEmployees must submit expense reports within 30 days.",
    "Kafka and Grafana run on Kubernetes; Terraform builds it.",
    "The Finance Team in Berlin reviews contracts of Acme Ltd in Germany on Tuesday.",
    "Invoice INV-20391 of 2024-03-01 for 1,250.00 EUR is due on 31 March 2024.",
    "Mark the invoice as paid. Will the price rise in May?",
    "Dear Team,\n\nplease read ISO-27001 and RFC 2119.\n\nBest regards,\nHuman Resources",
    "Owner: Finance Team\nTo: All Employees\nContact: Service Desk",
    "| Role | Grade | Salary |\n|---|---|---|\n| Warehouse Lead | C | 41,000 |",
    "Password: must be at least 12 characters. The password is required.",
    "See https://docs.python.org/3/library and www.example.org for details.",
    "Version 3.11 takes 1024 MB; order 4711-0815 was shipped on 01/02/2024.",
]

KEY_BLOCK = (
    "-----BEGIN RSA PRIVATE KEY-----\n" + ("MIIEowIBAAKCAQEA0123456789abcdef\n" * 40) + "-----END RSA PRIVATE KEY-----"
)


@pytest.mark.parametrize(("text", "entity", "value"), FOUND, ids=[f"{e}-{i}" for i, (_, e, _) in enumerate(FOUND)])
def test_personal_data_is_found(recognizer: Recognizer, text: str, entity: str, value: str) -> None:
    found = [(finding.entity, text[finding.start : finding.end]) for finding in recognizer.find([text])[0]]
    assert (entity, value) in found


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_carries_the_meaning_is_left_alone(recognizer: Recognizer, text: str) -> None:
    """Headings, products, companies, places, dates and amounts are what documents are searched for."""
    assert [text[f.start : f.end] for f in recognizer.find([text])[0]] == []


def test_a_number_with_other_hyphens_is_the_same_value(tenant: TenantPrivacy) -> None:
    plain, typeset, ranged = tenant.mask(["SSN 536-90-4399", "SSN 536\u201190\u20114399", "weeks 12\u201314 of 2026"])
    assert plain.reading == typeset.reading != "SSN 536-90-4399"
    assert ranged.reading == "weeks 12\u201314 of 2026"


def test_private_key_is_found_whole(recognizer: Recognizer) -> None:
    text = f"the key:\n{KEY_BLOCK}\nand more"
    assert [text[f.start : f.end] for f in recognizer.find([text])[0]] == [KEY_BLOCK]


def test_names_are_found_in_every_part_of_a_long_text(recognizer: Recognizer) -> None:
    filler = "The committee discussed the schedule of the warehouse.\n" * 150
    text = f"Priya Raghunathan spoke.\n{filler}Name: Tomasz Zielinski\n{filler}Mail ann@x.com."
    found = {text[finding.start : finding.end] for finding in recognizer.find([text])[0]}
    assert {"Priya Raghunathan", "Tomasz Zielinski", "ann@x.com"} <= found


def test_batch_gives_what_single_texts_give(recognizer: Recognizer) -> None:
    texts = [text for text, _, _ in FOUND]
    assert recognizer.find(texts) == [recognizer.find([text])[0] for text in texts]


def test_longest_wins_and_the_rest_of_a_loser_is_kept() -> None:
    text = "ann lee ann@x.com"
    name, mail = Finding(0, 11, "PERSON", 0.8), Finding(8, 17, "EMAIL_ADDRESS", 1.0)
    assert resolve_overlaps(text, [mail, name]) == [
        Finding(0, 11, "PERSON", 0.8),
        Finding(12, 17, "EMAIL_ADDRESS", 1.0),
    ]
    same = [Finding(0, 7, "PERSON", 0.8), Finding(0, 7, "SECRET", 0.9)]
    assert resolve_overlaps(text, same) == resolve_overlaps(text, same[::-1]) == [same[1]]


def test_changed_model_file_is_refused_before_loading(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    copytree(model_folder(), folder)
    verify(folder)
    (folder / "ner" / "cfg").write_text("{}")
    with pytest.raises(Damaged, match="ner/cfg"):
        verify(folder)


def test_missing_or_added_model_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    copytree(model_folder(), folder)
    (folder / "added.py").write_text("x = 1")
    with pytest.raises(Damaged, match=r"added\.py"):
        verify(folder)
    (folder / "added.py").unlink()
    (folder / "tokenizer").unlink()
    with pytest.raises(Damaged, match="tokenizer"):
        verify(folder)


def test_no_log_carries_a_value(recognizer: Recognizer, caplog: pytest.LogCaptureFixture) -> None:
    """Presidio logs an IBAN that fails its check."""
    caplog.set_level(logging.DEBUG)
    recognizer.find(["IBAN DE89 3704 0044 0532 0130 01, Ann Lee, ann.lee@x.com, GB82 WEST 1234 5698 7654 33"])
    assert not caplog.records


@pytest.mark.parametrize(
    "unit", ["a:", "@", "a@b.", "1 ", "Ann ", "name|", "http://", "-----BEGIN PRIVATE KEY-----", "sk-"]
)
def test_repetition_does_not_stop_the_recognizer(recognizer: Recognizer, unit: str) -> None:
    """A hostile text may cost what its length costs, not its square: the test's own time limit is the measure."""
    recognizer.find([unit * (12_000 // len(unit))])


def test_other_rules_have_another_digest_so_that_documents_are_masked_again(recognizer: Recognizer) -> None:
    settings = PrivacySettings()
    assert load_recognizer(settings).digest == recognizer.digest
    other = PrivacySettings(employee_id_pattern=r"\bZZ-\d{4}\b")
    assert load_recognizer(other).digest != recognizer.digest
