"""What a run needs: for models that are here, that are not, and that never fit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import mason
from mason.errors import RunError, SettingsError
from mason.models.checkpoints import spec_of
from mason.models.shapes import SHAPES
from mason.workflows import fine_tuning, jobs, needs
from mason.workflows.needs import Job, Needs
from tests.contracts.tiny import write_model
from tests.workflows.conftest import write_reviews


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("plan")
    rows = write_reviews(made / "reviews.csv").read_text(encoding="utf-8").splitlines()
    longer = (f"{text * 8},{label}" for text, _, label in (row.rpartition(",") for row in rows[1:]))
    (made / "long.csv").write_text("\n".join([rows[0], *longer]) + "\n", encoding="utf-8")
    write_model(made / "model")
    return made


def plan(folder: Path, table: str = "reviews.csv", **options: object) -> Needs:
    options = {"training.batch_size": 16, "training.max_steps": 5, **options}
    return mason.plan(folder / "model", folder / table, **options)


def test_a_plan_says_memory_time_and_disk_and_writes_nothing(folder: Path) -> None:
    found = plan(folder, output=folder / "out")
    assert found.fits_memory and found.fits_disk and not found.changes
    assert found.num_steps == 5
    assert {"process", "weights", "activations", "optimizer"} <= set(found.memory)
    assert found.seconds is not None and found.seconds > 0
    # Two checkpoints, the best and the one being written, each of weights and two averages; but
    # of the table's rows only those that the texts use.
    assert 0.8 < found.disk / (13 * found.memory["weights"]) < 1.05
    assert "Needs about" in found.sentence and "of disk." in found.sentence
    assert not (folder / "out").exists()
    assert plan(folder).disk == 0 and "disk" not in plan(folder).sentence


def test_a_config_alone_will_do_and_is_guessed_close(folder: Path, tmp_path: Path) -> None:
    config = (folder / "model" / "config.json").read_text(encoding="utf-8")
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    told: list[str] = []
    found = mason.plan(
        tmp_path, folder / "reviews.csv", notice=told.append, **{"training.max_steps": 5}
    )
    full = plan(folder)
    # With the tokens it is known which rows of the table learn; they are held beside the table.
    assert found.memory["weights"] < full.memory["weights"] < 1.3 * found.memory["weights"]
    assert found.memory["optimizer"] > full.memory["optimizer"]
    assert any("no tokenizer" in sentence for sentence in told)


def test_too_little_memory_first_takes_smaller_passes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = plan(folder)
    assert free.recipe.tokens_per_pass == 16384
    longest = plan(folder, **{"training.batch_size": 1})
    between = (free.peak - free.memory["process"] + longest.peak - longest.memory["process"]) / 2
    # What the process holds grows while tests run; it is left out on both sides.
    monkeypatch.setattr(jobs, "resident_bytes", lambda: 0)
    monkeypatch.setattr(needs, "memory_limit", lambda: int(between * needs.MARGIN))
    found = plan(folder)
    assert found.fits_memory and found.smaller_passes and not found.changes
    assert found.recipe.tokens_per_pass < 16384
    assert found.num_steps == free.num_steps and found.recipe.batch_size == 16
    assert any("at most" in sentence for sentence in found.sentences)


def test_still_too_little_computes_activations_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "resident_bytes", lambda: 0)
    monkeypatch.setattr(jobs, "_JUDGING", 0)
    # Long texts: one alone takes more for its activations than the optimiser's step takes.
    one = {"training.batch_size": 1, "training.precision": "fp32", "table": "long.csv"}
    kept, again = (plan(folder, **one, **{"training.recompute": on}).peak for on in (False, True))
    assert again < kept
    monkeypatch.setattr(needs, "memory_limit", lambda: int((again + kept) / 2 * needs.MARGIN))
    found = plan(folder, **one)
    assert found.fits_memory and found.recompute and not found.changes
    assert any("computed again" in sentence for sentence in found.sentences)


def test_what_never_fits_names_changes_the_cheapest_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "resident_bytes", lambda: 0)
    monkeypatch.setattr(jobs, "_JUDGING", 0)
    whole = plan(folder)
    # Weights, their best so far, gradients and AdamW's two averages stay whatever a pass holds.
    kept = 5 * whole.memory["weights"]
    monkeypatch.setattr(needs, "memory_limit", lambda: round(kept * needs.MARGIN * 1.05))
    found = plan(folder)
    assert not found.fits_memory
    told = [change.sentence for change in found.changes]
    for i, words in enumerate(("adafactor", "--model.max-tokens", "smaller model")):
        assert words in told[i] and found.changes[i].saves > 0
    with pytest.raises(RunError, match="was not started") as caught:
        mason.train(folder / "model", folder / "reviews.csv", **{"training.max_steps": 2})
    assert "machine" in str(caught.value)


def test_where_texts_are_long_cutting_them_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the process holds varies from plan to plan by as much as the text is worth here.
    monkeypatch.setattr(jobs, "resident_bytes", lambda: 300 << 20)
    # In bf16 this network's text is so light that weights and optimiser alone make the peak.
    options = {"training.batch_size": 1, "model.max_tokens": 2048, "training.precision": "fp32"}
    lean = mason.plan("gpt3-125m", **options, **{"training.recompute": True})
    limit = (lean.peak + sum(lean.memory[n] for n in ("process", "weights", "optimizer"))) / 2
    monkeypatch.setattr(needs, "memory_limit", lambda: int(limit * needs.MARGIN))
    found = mason.plan("gpt3-125m", **options)
    assert not found.fits_memory
    assert any("--model.max-tokens 1024" in change.sentence for change in found.changes)


def test_a_run_says_first_what_it_needs_and_the_results_keep_it(
    folder: Path, tmp_path: Path
) -> None:
    """In a process of its own: the most one has ever held is what other tests held, too."""
    command = [sys.executable, "-m", "mason", "train", "--model", str(folder / "model")]
    command += ["--data", str(folder / "reviews.csv"), "--output", str(tmp_path / "run")]
    command += ["--training.max-steps", "2", "--output.report", "false"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout + done.stderr).count("Needs about") == 1
    cost = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["cost"]
    assert 0.5 < cost["forecast_memory_bytes"] / cost["peak_memory_bytes"] < 1.5


def test_a_shape_is_planned_without_its_weights() -> None:
    found = mason.plan("gpt3-125m", **{"training.batch_size": 1, "model.max_tokens": 16})
    assert found.num_parameters == pytest.approx(125.2e6, rel=0.01)
    assert found.memory["optimizer"] == pytest.approx(2 * found.memory["weights"], rel=0.01)


def write_words(file: Path) -> Path:
    rows = [f"It\tO\nis\tO\nAnn{number}\tB-PER\n\n" for number in range(30)]
    file.write_text("".join(rows), encoding="utf-8")
    return file


def write_questions(file: Path) -> Path:
    rows = [f"What broke?,The lamp {number} broke.,lamp {number}" for number in range(30)]
    file.write_text("\n".join(["question,context,answer", *rows]) + "\n", encoding="utf-8")
    return file


def write_pairs(file: Path) -> Path:
    rows = [f"a text of {n} words,words: {n}" for n in range(80)]
    file.write_text("\n".join(["text,summary", *rows]) + "\n", encoding="utf-8")
    return file


@pytest.mark.parametrize("task", ["tagging", "answering", "summarisation"])
def test_other_tasks_are_planned_as_they_will_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    write = {"tagging": write_words, "answering": write_questions, "summarisation": write_pairs}
    data = write[task](tmp_path / ("data.conll" if task == "tagging" else "data.csv"))
    model = None if task == "summarisation" else folder / "model"
    options: dict[str, object] = {"task": task, "training.max_steps": 3}
    if model is None:
        options |= {"model.shape": "gpt2-tiny", "model.vocab_size": 300}
    found = mason.plan(model, data, **options)
    seen: list[Needs] = []

    def look_only(job: Job, notice: object) -> None:
        seen.append(needs.look(job))
        raise KeyboardInterrupt

    monkeypatch.setattr(fine_tuning, "look_first", look_only)
    with pytest.raises(KeyboardInterrupt):
        mason.train(model, data, **options)
    assert found.num_steps == seen[0].num_steps == 3 and found.recipe == seen[0].recipe
    assert set(found.memory) == set(seen[0].memory)
    for name in set(found.memory) - {"process"}:
        assert found.memory[name] == pytest.approx(seen[0].memory[name], rel=0.02), name


def test_weights_are_not_needed_for_a_plan(folder: Path, tmp_path: Path) -> None:
    for file in (folder / "model").iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    data = write_words(tmp_path / "data.conll")
    options = {"task": "tagging", "training.max_steps": 3}
    bare, whole = (mason.plan(path, data, **options) for path in (tmp_path, folder / "model"))
    assert bare.num_parameters == whole.num_parameters
    assert bare.memory["weights"] == whole.memory["weights"]


def test_a_budget_is_planned_as_the_steps_it_holds(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "data.csv")
    options = {"task": "summarisation", "model.shape": "gpt2-tiny", "model.vocab_size": 300}
    short, long = (
        mason.plan(None, data, **options, **{"training.budget": budget})
        for budget in ("10s", "100s")
    )
    assert (short.seconds, long.seconds) == (10, 100) and short.paced
    assert short.num_steps > 1 and 4 < long.num_steps / short.num_steps < 25
    assert any("time for about" in sentence for sentence in long.sentences)


def test_a_plan_says_what_it_misses(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "data.csv")
    with pytest.raises(SettingsError, match="No model is named"):
        mason.plan(None, data, task="summarisation")
    with pytest.raises(SettingsError, match="needs the data of a run for tagging"):
        mason.plan("all-MiniLM-L6-v2", task="tagging")
    with pytest.raises(SettingsError, match="keeps to a time"):
        mason.plan("SmolLM2-135M-Instruct", data, task="summarisation", budget="1e6 tokens")


def test_a_setting_without_meaning_is_told() -> None:
    with pytest.raises(SettingsError, match=r"training\.budget means nothing to mason plan"):
        mason.plan("gpt3-125m", **{"training.budget": "30m"})
    with pytest.raises(SettingsError, match=r"model\.shape means nothing to mason train"):
        mason.train("all-MiniLM-L6-v2", "catalog:trec", **{"model.shape": "bert-mini"})


def test_a_shape_nobody_published_is_named() -> None:
    with pytest.raises(SettingsError, match="gpt3-13b"):
        mason.plan("gpt3-14b")


@pytest.mark.parametrize("name", [name for name in SHAPES if name.startswith("gpt3-")])
def test_a_shape_has_the_parameters_of_its_name(name: str) -> None:
    config = SHAPES.get(name)
    assert config is not None
    spec = spec_of(json.loads(json.dumps(config)))
    inner = 12 * spec.stack.depth * spec.width**2 + spec.vocab_size * spec.width
    said = name.removeprefix("gpt3-")
    wanted = float(said[:-1]) * {"m": 1e6, "b": 1e9}[said[-1]]
    assert inner == pytest.approx(wanted, rel=0.06)


def test_judging_a_small_model_takes_more_than_training_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = plan(folder)
    assert small.memory["judging"] > 0
    monkeypatch.setattr(jobs, "_JUDGING", 0)
    assert "judging" not in plan(folder).memory
