"""`ringfence index tune` from the documents to the switch and back, really training. `make test-tune` has it."""

import asyncio
import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from policies.tenancy import within
from rag import cli
from rag.db.documents import Documents
from rag.db.engine import open_database
from rag.db.feedback import FeedbackRow, FeedbackState
from rag.embedding.training import NEEDED, Recipe, train
from rag.embedding.tuned import TunedModels
from rag.privacy.tenant import open_privacy
from rag.query.feedback_review import Expected
from rag.settings import load_settings
from tests.api.test_cli import COMMANDS
from tests.models import loaded_once
from tests.tiny_embedder import write_tiny_embedder

INSTALLED = all(importlib.util.find_spec(name) for name in NEEDED)
training = [
    pytest.mark.skipif(not INSTALLED, reason="make test-tune brings what training needs"),
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("default"),  # of the libraries that train
]
TENANT = ("--tenant", "acme")
NAME = "Margaret Ellison"
POLICY = """
rules: [{subject: role:employee, action: read, level: secret}]
links: [{member: user:ann, parent: role:employee}]
"""
THINGS = ("lease", "canteen", "parking", "payroll", "travel", "laptop", "visitor", "archive", "fire", "garden", "fleet")
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Twenty-two documents, ingested with a tiny model, and a reviewed question about each; one is behind a wall."""
    root = tmp_path_factory.mktemp("tuning")
    documents = root / "documents"
    documents.mkdir()
    walled = 'files: {"garden-0.md": {compartments: [compartment:moat]}}\n'
    (documents / "ringfence.yaml").write_text(f"department: staff\nlevel: internal\n{walled}")
    for thing in THINGS:
        for number in range(2):
            (documents / f"{thing}-{number}.md").write_text(
                f"# The {thing} in year {number}\n\n{NAME} looks after the {thing} of the {number} th floor. "
                f"Whoever wants to use the {thing} fills in a form first. It costs {number} euros for each {thing}.\n"
            )
    (root / "policy.yaml").write_text(POLICY)
    sha256 = write_tiny_embedder(root / "tiny")
    with pytest.MonkeyPatch.context() as patch, loaded_once():
        patch.setenv("RINGFENCE_DATA_DIR", str(root / "data"))
        patch.setenv("RINGFENCE_EMBEDDING__MODEL", str(root / "tiny"))
        patch.setenv("RINGFENCE_EMBEDDING__SHA256", sha256)
        patch.setenv("HOME", str(root / "home"))
        patch.chdir(root)
        assert cli.main(["policy", "load", "policy.yaml", *TENANT, "--reason", "first"], COMMANDS) == 0
        assert cli.main(["ingest", "documents", *TENANT], COMMANDS) == 0
        with within("acme"):
            asyncio.run(review())
        yield root


async def review() -> None:
    """A case of ann's about each document."""
    database = await open_database(load_settings().database_url)
    async with database.unit_of_work() as session:
        for number, document in enumerate(await Documents(session).of_tenant("acme")):
            expected = Expected(True, (document.id,), (), ())
            session.add(
                FeedbackRow(
                    tenant="acme", answer=f"ans_{number}", record=number, person="user:ann", verdict="down",
                    reason="wrong", comment="", question=f"Tell me all about {document.title}, please.",
                    state=FeedbackState.ACCEPTED, expected=asdict(expected), given_at=datetime.now(UTC),
                    reviewed_by="operator:test", reviewed_at=datetime.now(UTC),
                )
            )  # fmt: skip
    await database.close()


@pytest.fixture
def run(world: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    capsys.readouterr()

    def call(*words: str, expect: int = 0) -> Any:
        code = cli.main([*words, *TENANT, "--json"], COMMANDS)
        printed = capsys.readouterr()
        assert code == expect, printed.err
        return json.loads(printed.out) if printed.out else printed.err

    return call


def tune(run: Run, *options: str, expect: int = 0) -> Any:
    return run(
        "index", "tune", "documents", "--batch", "8", "--held-out", "0.4", "--seed", "3", *options, expect=expect
    )


def answered(run: Run) -> Any:
    return run("ask", "Who looks after the canteen?", "--as", "ann")["ringfence"]["citations"]


def live(run: Run) -> Any:
    return next(one for one in run("index", "list")["indexes"] if one["state"] == "live")


@pytest.mark.skipif(INSTALLED, reason="what training needs is installed here")
def test_without_the_extra_it_says_what_to_install(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RINGFENCE_DATA_DIR", str(tmp_path))
        assert cli.main(["index", "tune", *TENANT], COMMANDS) == 2
    assert "pip install 'ringfence[tune]'" in capsys.readouterr().err


class TestTuning:
    """In this order, on one folder."""

    pytestmark = training

    def test_a_gain_that_is_not_reached_builds_nothing(self, world: Path, run: Run) -> None:
        done = tune(run, "--min-gain", "1", "--promote", expect=3)
        assert (done["holds"], done["index"], done["promoted"]) == (False, None, False)
        assert [one["number"] for one in run("index", "list")["indexes"]] == [1]
        assert Path(done["model"]["path"]).is_dir(), "it is kept, to be looked at"
        gone = tune(run, "--min-gain", "1", "--discard", expect=3)
        assert gone["model"] == done["model"] and gone["discarded"], "found again, not trained again"
        assert not Path(done["model"]["path"]).exists()
        assert not Path(done["model"]["path"]).with_suffix(".json").exists()

    def test_a_gain_that_is_reached_builds_compares_and_switches(self, world: Path, run: Run) -> None:
        """The twin. A later question is answered by the tuned model, which the settings do not name."""
        # Hardly any way from where it was: the gates of feedback give no margin.
        slowly = "--min-gain", "-1", "--rate", "1e-7"
        done = tune(run, *slowly)
        assert (done["index"], done["missing"], done["promoted"]) == (2, 0, False)
        assert live(run)["number"] == 1, "nothing was switched without --promote"
        assert done["next"][0] == "ringfence index promote 2 --tenant acme"
        done = tune(run, *slowly, "--promote")
        assert done["promoted"] and done["holds"]
        assert [gate["name"] for gate in done["gates"]] == [
            "held_out ndcg10_ratio",
            "feedback ndcg10_ratio",
            "index feedback hit5_ratio",
            "index feedback mrr_ratio",
            "index held_out hit5_ratio",
            "index held_out mrr_ratio",
        ]
        assert done["feedback_pairs"] >= 1 and done["feedback_questions"] >= 1
        assert done["feedback_pairs"] + done["feedback_questions"] == 21, "but for the one behind a wall"
        assert (live(run)["number"], live(run)["model"]) == (2, done["model"]["path"])
        assert answered(run)

    def test_the_card_says_what_it_was_trained_on_and_the_list_what_became_of_it(self, world: Path, run: Run) -> None:
        index = live(run)
        card = json.loads(Path(index["model"]).with_suffix(".json").read_text())
        assert (card["sha256"], card["embedder_digest"]) == (_sha256(index["model"]), index["embedder_digest"])
        assert card["embedder_digest"] != card["base"]["digest"] == card["beside"]["digest"], "the weights have moved"
        trained = {one["document"] for one in card["documents"]}
        held_out = {one["document"] for one in card["held_out"]}
        shown = {one["document"]: one["path"] for one in run("documents", "list")["documents"]}
        walled = {document for document, path in shown.items() if path == "garden-0.md"}
        assert len(walled) == 1 and trained | held_out == shown.keys() - walled and not trained & held_out
        assert index["tuned_on"] == {"documents": len(trained), "gone": 0}
        record = run("audit", "show", "--kind", "index_tuned")[-1]["body"]
        assert (record["model"], record["data"], record["documents"]) == (
            card["sha256"],
            card["data_digest"],
            len(trained),
        )
        thrown_away = sorted(trained)[0]
        run("documents", "delete", thrown_away, "--yes")
        assert live(run)["tuned_on"]["gone"] == 1

    def test_nothing_that_was_read_for_training_is_on_disk(self, world: Path, run: Run) -> None:
        """Neither the name nor the words that stand for it; the twin shows that the words would be found."""

        async def words() -> list[str]:
            settings = load_settings()
            database = await open_database(settings.database_url)
            async with database.reading() as session:
                privacy = await open_privacy(settings).for_tenant(session, "acme")
            await database.close()
            return privacy.mask_question(f"Who met {NAME} today?").index_face().split()[2:-1]

        with within("acme"):
            looked_for = [*NAME.split(), *asyncio.run(words())]
        assert len(looked_for) >= 4
        (world / "twin").write_text(looked_for[-1])
        held = {
            path
            for path in world.rglob("*")
            # A shared vocabulary may hold a short word; what is looked for stands in no vocabulary as a whole.
            if path.is_file()
            and "documents" not in path.parts
            and any(w.encode() in path.read_bytes() for w in looked_for)
        }
        assert held == {world / "twin"}

    def test_with_another_index_beside_the_live_one_nothing_is_trained(self, world: Path, run: Run) -> None:
        """The one that is kept to go back to. Without a source, no index is to be built, and none stands in the way."""
        models = Path(live(run)["model"]).parent
        before = sorted(models.iterdir())
        assert "ringfence index drop 1" in tune(run, "--epochs", "3", expect=1)
        assert sorted(models.iterdir()) == before
        alone = run("index", "tune", "--batch", "8", "--held-out", "0.4", "--seed", "3", "--min-gain", "-1")
        assert (alone["index"], "index build" in alone["next"][0]) == (None, True)

    def test_training_that_is_interrupted_leaves_no_model(self, world: Path, tmp_path: Path) -> None:
        def leave(done: int, total: int) -> None:
            assert (done, total) == (1, 2)
            raise InterruptedError

        models, pairs = TunedModels(tmp_path, "acme"), [(f"question {one}", f"passage {one}") for one in range(8)]
        with models.alone():
            with pytest.raises(InterruptedError), models.making("tuned-1", "x") as folder:
                train(world / "tiny", pairs, Recipe(batch=4), folder, leave)
            assert [path.name for path in models.folder.iterdir()] == ["lock"]
            with models.making("tuned-1", "x") as folder:
                train(world / "tiny", pairs, Recipe(batch=4), folder, lambda done, total: None)
        assert models.find("tuned-1") is not None

    def test_one_goes_back_at_once(self, world: Path, run: Run) -> None:
        assert run("index", "rollback")["live"] == 1
        assert answered(run)
        run("index", "drop", "2")
        assert live(run)["number"] == 1


def _sha256(model: str) -> str:
    return sha256((Path(model) / "ringfence-manifest.json").read_bytes()).hexdigest()
