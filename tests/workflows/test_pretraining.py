"""From raw text to a folder that transformers opens and ``mason train`` goes on from."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

import mason
from mason.errors import RunStopped, SettingsError
from mason.models.files import verify_manifest
from mason.reports import validate
from mason.training.history import History
from mason.training.loop import fit
from mason.workflows import dialling, pretraining
from mason.workflows.objectives import OBJECTIVES
from mason.workflows.pretraining import Pretrained
from tests.workflows.conftest import write_reviews

AUTO = {
    "encoder": "AutoModelForMaskedLM",
    "decoder": "AutoModelForCausalLM",
    "encoder-decoder": "AutoModelForSeq2SeqLM",
}
SMALL = {
    "training.max_steps": 3,
    "training.tokens_per_batch": 512,
    "model.vocab_size": 700,
    "model.max_tokens": 48,
    "data.valid_share": 0.1,
    "data.deduplicate": "exact",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred documents of four sentences; each is told by its colour."""
    folder = tmp_path_factory.mktemp("corpus")
    colours = "red green blue white black brown".split()
    things = "house horse river garden letter window".split()
    texts = []
    for i in range(200):
        colour, thing = colours[i % 6], things[i // 6 % 6]
        texts.append(
            f"The {colour} {thing} number {i} stands here. It is {colour} all over.\n"
            f"Nobody saw a {colour} {thing} before. So {colour} it was."
        )
    (folder / "corpus.txt").write_text("\n\n".join(texts), encoding="utf-8")
    return folder / "corpus.txt"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASON_CACHE", str(tmp_path / "cache"))


def _pretrain(corpus: Path, output: Path, objective: str, **options: object) -> Pretrained:
    shape = OBJECTIVES[objective].shapes[0]
    fixed = SMALL | {"model.shape": shape} | options
    return mason.pretrain(str(corpus), output=output, objective=objective, **fixed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "shape"),
    [
        (name, shapes[0])
        for name, goal in OBJECTIVES.items()
        for shapes in (goal.shapes, goal.modern)
        if shapes and (shapes is goal.shapes or name in ("masked", "causal"))
    ],
)
def test_every_objective_leaves_a_folder_that_transformers_opens(
    objective: str, shape: str, corpus: Path, tmp_path: Path
) -> None:
    import transformers

    run = _pretrain(corpus, tmp_path / "out", objective, **{"model.shape": shape})
    verify_manifest(run.folder)
    told = validate(json.loads((run.folder / "results.json").read_text(encoding="utf-8")))
    assert told.pretraining is not None and told.pretraining.objective == objective
    assert told.pretraining.corpus.num_documents == 200
    assert (told.pretraining.question_accuracy is not None) == (objective in ("bert", "albert"))
    assert run.report is not None and "held-out" in run.report.read_text(encoding="utf-8")
    topology = run.network.spec.topology
    kind = "AutoModelForPreTraining" if objective == "electra" else AUTO[topology]
    peer = getattr(transformers, kind).from_pretrained(run.folder).eval()
    ids = torch.tensor([run.tokenizer.encode_ids(["The red house is here."])[0]])
    from mason.models import Packed

    packed = Packed.of(ids.tolist())
    with torch.no_grad():
        if topology == "encoder-decoder":
            theirs = peer(input_ids=ids, decoder_input_ids=ids).logits[0]
            ours = run.network.logits("language", packed, packed)
        else:
            theirs = peer(input_ids=ids).logits[0]
            (head,) = set(run.network.spec.heads) & {"language", "replaced"}
            ours = run.network.logits(head, packed).view_as(theirs)
    assert float((ours - theirs).abs().max()) <= 1e-5 * float(theirs.abs().max())


@pytest.mark.slow
def test_it_learns_what_word_counts_cannot_know(corpus: Path, tmp_path: Path) -> None:
    """The colour comes back in every sentence."""
    options = {"training.max_steps": 120, "training.tokens_per_batch": 1024}
    run = _pretrain(corpus, tmp_path / "out", "causal", **options)
    told = run.results["pretraining"]
    assert told["held_loss"] < 0.7 * told["unigram_loss"]
    assert 0 < told["bits_per_byte"] < 3


@pytest.mark.slow
def test_stopped_and_resumed_equals_not_stopped(corpus: Path, tmp_path: Path) -> None:
    options = {"training.max_steps": 6, "output.checkpoint_steps": 2}
    whole = _pretrain(corpus, tmp_path / "whole", "bert", **options)
    # Learning a tokenizer breaks ties by chance: both runs shall have the same one.
    options |= {"model.tokenizer": str(whole.folder)}

    def watch(history: History) -> None:
        if history.step == 3 and history.stopped == "finished":
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(RunStopped):
        _pretrain(corpus, tmp_path / "cut", "bert", watch=watch, **options)
    resumed = mason.resume(tmp_path / "cut")
    assert isinstance(resumed, Pretrained) and resumed.results["training"]["last_step"] == 6
    pairs = zip(whole.network.parameters(), resumed.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_a_budget_of_time_goes_on_as_it_was_laid_out(corpus: Path, tmp_path: Path) -> None:
    def watch(history: History) -> None:
        if history.step == 2 and history.stopped == "finished":
            os.kill(os.getpid(), signal.SIGTERM)

    options = {"training.max_steps": None, "training.budget": "6s", "model.shape": None}
    with pytest.raises(RunStopped):
        _pretrain(corpus, tmp_path / "cut", "masked", watch=watch, **options)
    facts = json.loads((tmp_path / "cut" / "run" / "run.json").read_text(encoding="utf-8"))
    said: list[str] = []
    resumed = mason.resume(tmp_path / "cut", notice=said.append)
    assert resumed.results["training"]["last_step"] > 2  # as many as the time allows
    assert resumed.results["cost"]["seconds"]["train"] < 2 * facts["chosen"]["seconds"]
    assert resumed.results["pretraining"]["shape"] == facts["chosen"]["shape"]  # type: ignore[index]
    assert not any("steps in the" in sentence or "suits about" in sentence for sentence in said)


def test_steps_that_are_timed_learn_nothing(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have no time to warm up: at the run's own rate they may break down, and it with them.

    The run itself is not begun: whether it survives its rate depends on how many steps a
    machine takes in four seconds.
    """
    probed: list[History] = []

    def noted(*given: Any, **named: Any) -> History:
        probed.append(fit(*given, **named))
        return probed[-1]

    def begun(*_given: Any, **_named: Any) -> History:
        raise InterruptedError("begun")

    monkeypatch.setattr(dialling, "fit", noted)
    monkeypatch.setattr(pretraining, "fit", begun)
    options = {"training.max_steps": None, "training.budget": "4s", "training.learning_rate": 1.0}
    with pytest.raises(InterruptedError, match="begun"):
        _pretrain(corpus, tmp_path / "out", "masked", **options)
    losses = [step.loss for history in probed for step in history.steps]
    assert len(losses) >= 4 and max(losses) < 1.1 * min(losses)


@pytest.mark.parametrize("wanted", [True, False])
def test_activations_are_computed_again_if_it_is_wanted(
    wanted: bool, corpus: Path, tmp_path: Path
) -> None:
    options = {"training.max_steps": 1, "training.recompute": wanted}
    run = _pretrain(corpus, tmp_path / "out", "masked", **options)
    assert run.network.encoder is not None and run.network.encoder.recompute == wanted


def test_whole_words_are_hidden_and_every_evaluation_is_judged(
    corpus: Path, tmp_path: Path
) -> None:
    options = {"training.mask_unit": "ngram", "training.evaluate_steps": 1}
    run = _pretrain(corpus, tmp_path / "out", "bert", **options)
    evaluations = run.results["training"]["evaluations"]
    assert len(evaluations) == 3
    for told in (*evaluations, run.results["pretraining"]):
        assert 0 <= told["token_accuracy"] < 1 and 0 < told["question_accuracy"] <= 1
        wanted = {sample["wanted"] for sample in told.get("samples", [])}
        assert not wanted or (len(wanted) == 3 and "[MASK]" not in "".join(wanted))
    given = evaluations[0]["samples"][0]["given"]
    assert "[MASK]" in given and "[CLS]" not in given
    assert 0 < run.results["cost"]["product_share"] < 1
    assert run.report is not None
    assert "Hidden tokens, unseen" in run.report.read_text(encoding="utf-8")


@pytest.mark.parametrize("objective", ["causal", "denoising"])
def test_a_run_shows_what_it_writes(objective: str, corpus: Path, tmp_path: Path) -> None:
    run = _pretrain(corpus, tmp_path / "out", objective, **{"training.max_steps": 1})
    (told,) = run.results["training"]["evaluations"]
    assert len(told["samples"]) == 3
    text = "".join(corpus.read_text(encoding="utf-8").split())  # sentences meet without a space
    for sample in told["samples"]:
        # What a model writes after one step may be nothing.
        assert sample.keys() == {"given", "written", "wanted"} and sample["given"]
        wanted = "".join(sample["wanted"].split())
        assert len(wanted) > 8 and wanted[:20] in text
    assert "What it wrote while it learned" in run.report.read_text(encoding="utf-8")  # type: ignore[union-attr]


def test_tensorboard_is_told_and_its_files_stay_with_the_model(
    corpus: Path, tmp_path: Path
) -> None:
    pytest.importorskip("absl", reason="tensorboard is not installed whole")
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = _pretrain(corpus, tmp_path / "out", "causal", **{"output.sinks": "tensorboard"})
    found = accumulators.EventAccumulator(str(run.folder / "tensorboard")).Reload()
    assert [event.step for event in found.Scalars("train/loss")] == [1, 2, 3]
    assert "valid/loss" in found.Tags()["scalars"]


@pytest.mark.slow
def test_a_learned_tokenizer_is_kept_with_the_run(corpus: Path, tmp_path: Path) -> None:
    def watch(history: History) -> None:
        if history.step == 3 and history.stopped == "finished":
            os.kill(os.getpid(), signal.SIGTERM)

    options = {"training.max_steps": 6, "output.checkpoint_steps": 2}
    with pytest.raises(RunStopped):
        _pretrain(corpus, tmp_path / "cut", "masked", watch=watch, **options)
    resumed = mason.resume(tmp_path / "cut")
    assert isinstance(resumed, Pretrained)


@pytest.mark.slow
def test_what_was_pretrained_can_be_fine_tuned_and_continued(corpus: Path, tmp_path: Path) -> None:
    first = _pretrain(corpus, tmp_path / "first", "masked")
    second = mason.pretrain(
        str(corpus), output=tmp_path / "second", objective="masked",
        **(SMALL | {"model.source": str(first.folder), "model.vocab_size": None}),
    )  # fmt: skip
    assert second.results["pretraining"]["held_loss"] < first.results["pretraining"]["held_loss"]
    run = mason.train(
        second.folder, write_reviews(tmp_path / "reviews.csv"), **{"training.max_steps": 2}
    )
    assert run.model.labels == ("bad", "good")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"objective": "nsp"}, "no objective called 'nsp'"),
        ({"model.shape": "bert-huge"}, "no shape 'bert-huge'"),
        ({"objective": "bert", "model.shape": "gpt2-tiny"}, "no head next_sentence"),
        ({"training.budget": "soon"}, "training.budget"),
        ({"objective": "causal", "training.mask_unit": "word"}, "mask_unit means nothing"),
        ({"model.source": "m"}, "model.vocab_size means nothing to mason pretrain --model"),
        ({"training.probe_rows": "10"}, "training.probe_rows means nothing to mason pretrain"),
    ],
)
def test_mistakes_are_told(
    options: dict[str, str], wanted: str, corpus: Path, tmp_path: Path
) -> None:
    objective = options.get("objective", "masked")
    rest = {k: v for k, v in options.items() if k != "objective"}
    with pytest.raises(SettingsError, match=wanted):
        mason.pretrain(str(corpus), output=tmp_path / "out", objective=objective, **(SMALL | rest))
    assert not (tmp_path / "out").exists()
