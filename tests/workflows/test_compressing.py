"""mason compress on a real, briefly trained model: a folder, its papers, and refusals."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

import mason
from mason.cli.main import run as mason_command
from mason.compression import Budget, num_heads_of
from mason.compression.rungs import WIDE
from mason.errors import CheckpointError, DataError, RunError, SettingsError
from mason.models.eight_bits import in_eight_bits
from mason.models.files import verify_manifest, write_file
from mason.reports import validate
from mason.settings import load_settings
from mason.workflows import Run
from mason.workflows.compressing import _prepare
from mason.workflows.loading import load_as_it_is
from mason.workflows.measuring import Footprint, as_read, footprint
from mason.workflows.shrinking import Shrinker
from mason.workflows.tasks.task import RowScores
from tests.workflows.conftest import write_reviews

TEXTS = ["The pen: worth every penny.", "The bag: never again!", "A lamp."]


@pytest.fixture(scope="module")
def small(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Searched for with next to no time: the free steps and nothing learned."""
    folder = tmp_path_factory.mktemp("small")
    data = write_reviews(folder / "reviews.csv")
    assert run.folder is not None
    options = {"training.budget": "1s", "training.epochs": 0.1}

    def few(place: Path, given: list[tuple[str, ...]]) -> Footprint:
        """A process of its own for the first and the last model; seconds each."""
        if place.name in ("01", "06"):
            return footprint(place, given)
        size = sum(file.stat().st_size for file in place.iterdir())
        return Footprint(size, 10**8, 5.0, 6.0, 7.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mason.workflows.shrinking.footprint", few)
        return mason.compress(run.folder, data, max_drop=0.3, output=folder / "out", **options)


def test_a_smaller_model_comes_with_its_papers(small: Run, run: Run) -> None:
    assert small.folder is not None and run.folder is not None
    verify_manifest(small.folder)
    told = validate(json.loads((small.folder / "results.json").read_text(encoding="utf-8")))
    found = told.compression
    assert told.kind == "compress" and found is not None
    kept = next(one for one in found.tried if one.chosen)
    assert found.original.num_bytes > 8 * kept.num_bytes and kept.p50 < found.original.p50
    assert {one.what for one in found.tried} >= {"8 bits", "4 bits", "vocabulary trimmed"}
    assert len(found.left_out) in (1, 2) and all(one.peak_memory_bytes > 1e7 for one in found.tried)
    page = (small.folder / "report.html").read_text(encoding="utf-8")
    assert "Size against score" in page and "times smaller" in page


def test_it_is_read_back_as_it_was_written(small: Run, run: Run, tmp_path: Path) -> None:
    assert small.folder is not None
    again = mason.load(small.folder)
    assert in_eight_bits(again.network) and again.labels == run.model.labels
    assert np.array_equal(again.logits(TEXTS), small.model.logits(TEXTS))
    assert [p.label for p in again.predict(TEXTS[:2])] == ["good", "bad"]
    with pytest.raises(CheckpointError, match="learns no more"):
        mason.train(again, write_reviews(tmp_path / "reviews.csv"))
    with pytest.raises(CheckpointError, match="learns no more"):
        mason.compress(again, tmp_path / "reviews.csv")


def test_heads_go_and_folders_say_how_many_are_left(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    monkeypatch.setattr(
        "mason.workflows.shrinking.footprint", lambda *_: Footprint(1, 10**8, 5.0, 6.0, 7.0)
    )
    assert run.folder is not None
    options = {"data.train": str(data), "training.max_steps": 2}
    settings = load_settings(overrides=options).settings
    model = load_as_it_is(run.folder)
    prepared = _prepare(model, settings)
    shrinker = Shrinker(model, prepared, Budget(0.3), 1.0, settings, tmp_path, lambda told: None)
    half = replace(shrinker.whole, heads=shrinker.whole.heads // 2, bits=8)
    small, wide = (shrinker.attempt(one).made.folder for one in (half, replace(half, bits=WIDE)))
    assert num_heads_of(mason.load(small).network.spec) == half.heads
    assert num_heads_of(mason.load(wide).network.spec) == shrinker.whole.heads
    theirs = AutoModelForSequenceClassification.from_pretrained(wide).eval()
    ours = mason.load(wide)
    with torch.no_grad():
        ids = torch.tensor([ours.tokenizer.encode_ids(TEXTS[:1])[0]])
        assert np.allclose(theirs(ids).logits.numpy(), ours.logits(TEXTS[:1]), atol=1e-4)
    assert len(shrinker.trained) == 2, "both are of one network that learned once"


def test_a_damaged_file_of_small_numbers_is_refused(small: Run, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from mason.models.checkpoints import load_model

    assert small.folder is not None
    file = small.folder / "model.int8.safetensors"
    tensors = load_file(file)
    name = next(n for n in tensors if n.endswith("query.weight"))
    tensors[f"{name}.scales"] = tensors[f"{name}.scales"][:5].clone()
    (tmp_path / "config.json").write_bytes((small.folder / "config.json").read_bytes())
    save_file(tensors, tmp_path / file.name)
    with pytest.raises(CheckpointError, match="has no scales that fit it"):
        load_model(tmp_path)


def test_the_original_is_as_large_as_its_own_files(tmp_path: Path) -> None:
    weight = torch.ones(1000, 10)
    for name, held in {
        "written": weight,
        "half": weight.bfloat16(),
        "wide": weight.double(),
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        write_file(tmp_path / name / "model.safetensors", {"weight": held})
    (tmp_path / "half" / "optimizer.bin").write_bytes(bytes(100_000))
    lone = tmp_path / "lone.safetensors"
    write_file(lone, {"weight": weight.bfloat16()})
    needs = Footprint(50_000, 7, 7.0, 7.0, 7.0)
    sizes = [
        as_read(needs, tmp_path / "written", tmp_path / source).num_bytes
        for source in ("written", "half", "wide", "lone.safetensors")
    ]
    assert sizes == [50_000, 30_000, 50_000, lone.stat().st_size]


def test_nothing_is_written_past_the_budget(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    with pytest.raises(RunError, match="Nothing smaller stays inside"):
        # Seven rows cannot exclude a drop of a tenth of a point, unless both models agree.
        monkeypatch.setattr(
            "mason.workflows.shrinking.footprint", lambda *given: Footprint(7, 7, 7, 7, 7)
        )
        monkeypatch.setattr(
            "mason.workflows.tasks.classification.Classification.each",
            lambda self, given, *table: RowScores(
                "accuracy", (np.arange(7) != (given is run.model)).tolist(), range(7)
            ),
        )
        mason.compress(
            run.model, data, max_drop=0.001, output=tmp_path / "out", **{"training.budget": "1s"}
        )
    assert not (tmp_path / "out").exists()


def test_bad_orders_are_refused(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    for given, said in (
        ({"max_drop": 1.5}, "--max-drop"),
        ({"target_size": "20 parsecs"}, "--target-size"),
        ({"target_latency": "-5ms"}, "--target-latency"),
        ({"proof": "hope"}, "--proof"),
    ):
        with pytest.raises(SettingsError, match=said):
            mason.compress(run.model, data, **given)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no rows to choose on"):
        mason.compress(run.model, data, **{"data.valid_share": 0})
    assert mason_command(["compress", str(run.folder), "--data", str(data), "--max-drop", "7"]) == 2
    assert "--max-drop is 7" in capsys.readouterr().err
