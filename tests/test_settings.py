"""Settings: one precedence, each documented, none printed that is a secret."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from rag.errors import Misuse
from rag.settings import Settings, load_settings, origins


@pytest.fixture(autouse=True)
def clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def leaves(model: type[BaseModel], trail: str = "") -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found += leaves(annotation, f"{trail}{name}.")
        else:
            found.append((trail + name, field.description))
    return found


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().service.port == 8080
    Path("ringfence.toml").write_text('data_dir = "from-file"\n[service]\nport = 1001\nhost = "::1"\n')
    assert load_settings().service.port == 1001
    monkeypatch.setenv("RINGFENCE_SERVICE__PORT", "1002")
    monkeypatch.setenv("RINGFENCE_DATA_DIR", "from-environment")
    settings = load_settings(data_dir=Path("from-flag"))
    assert (settings.service.port, settings.service.host, settings.data_dir) == (1002, "::1", Path("from-flag"))
    shown = {name: (value, origin) for name, value, origin in origins(settings, data_dir=Path("from-flag"))}
    assert shown["data_dir"] == ("from-flag", "flag")
    assert shown["service.port"] == ("1002", "environment")
    assert shown["service.host"] == ("::1", "file ringfence.toml")
    assert shown["index.kind"] == ("embedded", "default")


def test_every_setting_is_documented() -> None:
    assert [name for name, description in leaves(Settings) if not description] == []


def test_an_unknown_name_in_the_file_is_refused_by_name() -> None:
    Path("ringfence.toml").write_text("[service]\nprot = 1\n")
    with pytest.raises(Misuse, match=r"service\.prot"):
        load_settings()


def test_a_bad_value_is_refused_without_printing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGFENCE_SERVICE__PORT", "hunter2")
    with pytest.raises(Misuse, match=r"service\.port") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("kind", ["SECRET", "LITERAL"])
def test_what_must_never_pass_cannot_be_left_alone(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("RINGFENCE_PRIVACY__LEAVE", '["PLACE"]')
    assert load_settings().privacy.leave == ("PLACE",)
    monkeypatch.setenv("RINGFENCE_PRIVACY__LEAVE", f'["PLACE", "{kind}"]')
    with pytest.raises(Misuse, match="always masked"):
        load_settings()


def test_a_secret_is_shown_as_set_and_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGFENCE_GENERATOR__API_KEY", "hunter2")
    settings = load_settings()
    assert settings.generator.api_key is not None
    assert settings.generator.api_key.get_secret_value() == "hunter2"
    rows = origins(settings)
    assert ("generator.api_key", "set", "environment") in rows
    assert "hunter2" not in repr(settings) + repr(rows)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+asyncpg://rf:hunter2@db:5432/rf", "postgresql+asyncpg://rf:***@db:5432/rf"),
        ("postgresql+asyncpg://rf:hun/ter@2@db/rf?ssl=require", "postgresql+asyncpg://rf:***@db/rf?ssl=require"),
        ("postgresql+asyncpg://db/rf?user=rf&password=hunter2", "postgresql+asyncpg://db/rf?user=rf&password=***"),
        ("postgresql+asyncpg://rf@db:5432/rf", "postgresql+asyncpg://rf@db:5432/rf"),
        ("sqlite+aiosqlite:////data/a@b.db", "sqlite+aiosqlite:////data/a@b.db"),
    ],
)
def test_a_password_in_a_url_is_not_printed_and_the_rest_of_it_is(
    monkeypatch: pytest.MonkeyPatch, url: str, shown: str
) -> None:
    monkeypatch.setenv("RINGFENCE_DATABASE__URL", url)
    settings = load_settings()
    assert settings.database_url == url
    assert {name: value for name, value, _ in origins(settings)}["database.url"] == shown
    assert url not in repr(settings)
