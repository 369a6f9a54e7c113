"""Keys and identity providers from the command line."""

import json
from pathlib import Path

import pytest

from rag.settings import load_settings
from tests.api.test_cli import data_dir, run
from tests.identity.provider import running

__all__ = ["data_dir"]
TENANT = ("--tenant", "acme")


def test_a_key_is_rotated_with_an_overlap_and_recorded(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create = ("keys", "create", *TENANT, "--subject", "assistant:desk", "--scope", "ask", "--scope", "search", "--json")
    old = json.loads(run(capsys, *create))
    assert old["scopes"] == ["ask", "search"]
    new = json.loads(run(capsys, "keys", "rotate", old["id"], "--overlap-hours", "2", "--json"))
    assert (new["replaces"], new["scopes"], new["key"] != old["key"]) == (old["id"], ["ask", "search"], True)
    ends = {key["id"]: key["expires_at"] for key in json.loads(run(capsys, "keys", "list", "--json"))}
    assert ends[old["id"]] is not None
    assert ends[new["id"]] is None
    run(capsys, "keys", "rotate", old["id"], expect=2)
    run(capsys, "keys", "rotate", "f" * 16, expect=1)
    assert run(capsys, "keys", "rotate", new["id"]).startswith("rf_")
    recorded = json.loads(run(capsys, "audit", "show", *TENANT, "--json"))
    assert [record["kind"] for record in recorded] == ["key_created", "key_rotated", "key_rotated"]


def test_a_provisioning_key_has_no_other_use(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create = ("keys", "create", *TENANT, "--scope", "scim", "--subject")
    assert run(capsys, *create, "assistant:okta").startswith("rf_")
    run(capsys, *create, "user:ann", expect=2)
    run(capsys, *create, "assistant:okta", "--scope", "ask", expect=2)
    run(capsys, *create, "assistant:okta", "--administrator", expect=2)
    run(capsys, "keys", "create", *TENANT, "--subject", "user:ann", "--scope", "nonsense", expect=2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the provider's, of the library it stands on
def test_the_doctor_asks_each_issuer_for_its_keys(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "keys", "create", *TENANT, "--subject", "user:ann")

    def checked(expect: int) -> dict[str, str]:
        found = json.loads(run(capsys, "doctor", "--json", expect=expect))
        return next(check for check in found["checks"] if check["check"] == "issuer corp")

    with running() as provider:
        issuer = {"name": "corp", "issuer": provider.url, "audience": ["ringfence"], "tenant": "acme"}
        monkeypatch.setenv("RINGFENCE_IDENTITY__ISSUERS", json.dumps([issuer]))
        assert load_settings().identity.issuers[0].issuer == provider.url
        good = checked(0)
    assert (good["state"], good["detail"]) == ("ok", f"{provider.url} gives 1 keys")
    assert checked(1)["state"] == "failed"
