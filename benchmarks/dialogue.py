"""SmolLM2 tuned on short conversations, beside transformers' Trainer.

Both sides learn the same tokens under the same mask for the same minutes, and keep the weights of
their best epoch by the same held-out conversations. The test conversations share no question and
no long answer with those that are learned (``mason.catalog.datasets.chatterbot``).
"""

import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.report import Row
from benchmarks.understanding import _alone, _padded, _split
from mason.data.columns import Columns
from mason.data.conversations import CONVERSATION, TURNS, flat_conversations
from mason.data.splits import split
from mason.data.tables import Table
from mason.evaluation.dialogue import judge_dialogue
from mason.tasks.dialogue import Conversations, Dialogue, Told
from mason.workflows.talker import Talker, spread

MODEL = "SmolLM2-135M-Instruct"
MAX_TOKENS = 512
SAMPLES = 5
_PROBE_STEPS = 6


class Job(NamedTuple):
    """Conversations to learn, to choose by, and to tell; of each, file rows as a table."""

    train: Table
    valid: Table
    test: Table
    minutes: float
    model: str = MODEL
    max_tokens: int = MAX_TOKENS


class Outcome(NamedTuple):
    """What a side said of the test conversations, its first answers, and steps taken."""

    told: Told
    said: list[str]
    steps: int


def _open(job: Job) -> tuple[Talker, dict[str, Conversations]]:
    from mason.runtime import seed_everything
    from mason.workflows import load
    from mason.workflows.tasks.dialogue import sighted

    seed_everything(1)
    model = load(job.model, task="dialogue", max_tokens=job.max_tokens)
    assert isinstance(model, Talker)
    columns = Columns(CONVERSATION, answer=TURNS)
    parts = {"train": job.train, "valid": job.valid, "test": job.test}
    return model, {name: model.encode(sighted(part, columns)) for name, part in parts.items()}


def _asked(model: Talker, test: Conversations, steps: int) -> Outcome:
    model.network.eval()
    told = Dialogue(test).tell(model.network)
    return Outcome(told, model.last_replies(test, spread(len(test), SAMPLES)), steps)


def untuned(job: Job) -> Outcome:
    """The model as it came."""
    model, examples = _open(job)
    return _asked(model, examples["test"], 0)


def ours(job: Job) -> Outcome:
    """Mason, as ``mason train --task dialogue`` has it."""
    from mason.evaluation.language import held_scores
    from mason.models.transformer import num_parameters
    from mason.runtime import keep_freed_memory
    from mason.settings import TrainingSettings
    from mason.training.defaults import recipe_for
    from mason.training.loop import fit
    from mason.training.pacing import Pacing

    keep_freed_memory()
    model, examples = _open(job)
    given = TrainingSettings(probe_rows=0, label_smoothing=0.0, max_steps=1000, epochs=1e5)
    size, held = num_parameters(model.network), Dialogue(examples["valid"])
    recipe = recipe_for(given, num_parameters=size, num_examples=len(examples["train"]))
    history = fit(
        model.network,
        Dialogue(examples["train"]),
        recipe,
        evaluate=lambda network: held_scores(network, held),
        pacing=Pacing(60 * job.minutes),
    )
    return _asked(model, examples["test"], history.step)


def trainer(job: Job) -> Outcome:
    """The Trainer of transformers, from the same weights, tokens and masks."""
    from transformers import AutoModelForCausalLM, set_seed

    from mason.models.checkpoints import load_model

    model, examples = _open(job)
    set_seed(1)
    with tempfile.TemporaryDirectory() as place:
        model.write(Path(place))
        theirs = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
    steps = _train(theirs, {name: _rows(part) for name, part in examples.items()}, job.minutes)
    with tempfile.TemporaryDirectory() as place:
        theirs.save_pretrained(place)
        model.network = load_model(Path(place), heads=("language",)).model
    return _asked(model, examples["test"], steps)


def _rows(examples: Conversations) -> list[dict[str, Any]]:
    return [
        {
            "input_ids": ids,
            "attention_mask": [1] * len(ids),
            "labels": [id if wanted else -100 for id, wanted in zip(ids, mask, strict=True)],
        }
        for ids, mask in zip(examples.tokens, examples.learned, strict=True)
    ]


def _train(model: Any, rows: dict[str, list[dict[str, Any]]], minutes: float) -> int:
    """The Trainer for so many minutes; its best epoch is kept; the steps taken."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Best(TrainerCallback):
        """Stops in time, and remembers the weights of the lowest held-out loss."""

        def __init__(self) -> None:
            self.start, self.loss = time.monotonic(), float("inf")
            self.weights: dict[str, torch.Tensor] = {}

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> Any:
            control.should_training_stop |= time.monotonic() - self.start > 60 * minutes
            return control

        def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            loss = more["metrics"].get("eval_loss", float("inf"))
            if loss < self.loss:
                self.loss = loss
                self.weights = {k: v.clone() for k, v in model.state_dict().items()}

    def trained(steps: int, best: Best, *, evaluate: bool) -> int:
        arguments = TrainingArguments(
            output_dir=tempfile.mkdtemp(),
            max_steps=steps,
            eval_strategy="epoch" if evaluate else "no",
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        peer = Trainer(
            model=model,
            args=arguments,
            train_dataset=rows["train"],  # type: ignore[arg-type]
            eval_dataset=rows["valid"],  # type: ignore[arg-type]
            data_collator=_padded({"input_ids": 2, "attention_mask": 0, "labels": -100}),
            callbacks=[best],
        )
        peer.train()
        return int(peer.state.global_step)

    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    start = time.monotonic()
    done = trained(_PROBE_STEPS, Best(), evaluate=False)
    pace = (time.monotonic() - start) / done
    model.load_state_dict(fresh)
    best = Best()
    steps = trained(max(1, int(60 * minutes / pace)), best, evaluate=True)
    if best.weights:
        model.load_state_dict(best.weights)
    return steps


def job_of(minutes: float, *, rows: int | None = None) -> Job:
    """The catalogue's conversations; ``rows``: no more than so many of each part, for a trial."""
    train, test = (flat_conversations(t, text=None, target=None) for t in _split("chatterbot"))
    groups = [str(group) for group in train.texts("group")]
    parts = split([""] * len(train), groups=groups, valid=0.1, test=0.0, seed=1)
    learned, chosen = (train.take(part.tolist()[:rows]) for part in (parts.train, parts.valid))
    return Job(learned, chosen, test.take(range(len(test))[:rows]), minutes)


def dialogue_rows(minutes: float) -> tuple[list[Row], str]:
    """Loss of an answer's token on conversations that were not learned."""
    return compared(job_of(minutes))


def compared(job: Job) -> tuple[list[Row], str]:
    """Losses of all sides with their intervals, and their answers to the first questions."""
    sides = {"before": untuned, "ours": ours, "trainer": trainer}
    found: dict[str, Outcome] = {name: _alone(side, job) for name, side in sides.items()}
    losses, notes = {}, ""
    for name, outcome in found.items():
        told = judge_dialogue(outcome.told, found["before"].told)
        loss = told["nats"]["loss"]
        losses[name] = loss["value"]
        notes += f"{name}: loss {_shown(loss)}"
        notes += f", less by {_shown(told['nats']['gain'])}" if name != "before" else ""
        notes += f", token accuracy {_shown(told['scores']['token_accuracy'])}"
        notes += f", {outcome.steps} steps.\n"
    between = judge_dialogue(found["ours"].told, found["trainer"].told)["nats"]["gain"]
    notes += f"Ours below the Trainer, row by row: {_shown(between)}.\n"
    texts = job.test.texts(CONVERSATION)
    for number, place in enumerate(spread(len(texts), SAMPLES)):
        said = "; ".join(f"{name}: {out.said[number]!r}" for name, out in found.items())
        print(f"{texts[place]!r} → {said}")
    rows = [
        Row("chatterbot, loss of an answer's token over before", losses["ours"], losses["before"]),
        Row(
            "chatterbot, loss of an answer's token over Trainer", losses["ours"], losses["trainer"]
        ),
    ]
    size = f"{len(job.train)} to learn, {len(job.valid)} to choose by, {len(job.test)} to tell"
    return rows, notes + f"{job.minutes:g} minutes a side, {size}.\n"


def _shown(score: dict[str, float]) -> str:
    return f"{score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})"
