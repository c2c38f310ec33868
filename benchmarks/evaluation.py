"""Peak memory of an evaluation at N, 4N and 16N examples, beside ``Trainer.evaluate``.

Two small models of random weights, read back from the same folder on both sides: a classifier
(BERT, 2 × 128) on texts of 5 to 128 tokens, log-uniform, and a language model (Llama, 2 × 128,
16,384 tokens) on passages of 128. Each measure is a fresh process, which has read its rows and one
pass before it starts to count: the most it holds above what it held then (Linux resets the mark).
The Trainer reads 32 texts at once, padded; of the language model once for the loss alone and once
with a metric (accuracy), for which it keeps every logit. Ours gives the classifier's logits, for
metrics and calibration, in every case. Losses must be equal: the mean over examples, or over
guessed tokens.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.report import Goal, Row, Table, publish

VOCABULARY, CLASSES, PASSAGE = 16_384, 5, 128
GROWTH = (1, 4, 16)
BATCH = 32
"""Texts that the Trainer reads at once."""
FLAT = 1.1
"""Most that the peak may be at 16N, over that at N."""
Tokens = list[list[int]]


class Found(NamedTuple):
    """The mean loss, the bytes above the start at most, and the seconds."""

    loss: float
    peak: int
    seconds: float


class Asked(NamedTuple):
    """A measure: whose, of what, on how many examples."""

    who: str
    kind: str
    folder: Path
    count: int


def texts(kind: str, count: int) -> tuple[Tokens, list[int]]:
    """Random tokens, and a class for each text."""
    chance = np.random.default_rng(11)
    if kind == "classifier":
        lengths = np.exp(chance.uniform(np.log(5), np.log(128), count)).astype(int)
    else:
        lengths = np.full(count, PASSAGE)
    tokens = [chance.integers(5, VOCABULARY, n).tolist() for n in lengths]
    return tokens, chance.integers(CLASSES, size=count).tolist()


def build(kind: str, folder: Path) -> None:
    """Write a small model of random weights."""
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        LlamaConfig,
        LlamaForCausalLM,
    )

    torch.manual_seed(7)
    shape = {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512}
    shape |= {"vocab_size": VOCABULARY}
    model = (
        BertForSequenceClassification(BertConfig(num_hidden_layers=2, num_labels=CLASSES, **shape))
        if kind == "classifier"
        else LlamaForCausalLM(LlamaConfig(num_hidden_layers=2, **shape))
    )
    model.save_pretrained(folder)


def ours(asked: Asked) -> Callable[[Sequence[int]], float]:
    """Our mean loss on the examples of these numbers."""
    from mason.evaluation.language import held_scores
    from mason.models.checkpoints import load_model
    from mason.tasks.classification import Examples, predict_logits
    from mason.tasks.pretraining.causal import CausalLanguage

    tokens, classes = texts(asked.kind, asked.count)
    model = load_model(asked.folder).model.eval()

    class Held(CausalLanguage):
        """Passages that are there already."""

        def __init__(self, passages: Tokens) -> None:
            self.held, self.lengths = passages, [len(p) for p in passages]

        def read(self, index: int) -> Any:
            return np.array(self.held[index])

    def classify(some: Sequence[int]) -> float:
        logits = torch.from_numpy(predict_logits(model, Examples([tokens[i] for i in some])))
        right = torch.tensor([classes[i] for i in some])
        return float(torch.nn.functional.cross_entropy(logits, right))

    def guess(some: Sequence[int]) -> float:
        return held_scores(model, Held([tokens[i] for i in some]), most=None)["valid_loss"]

    return classify if asked.kind == "classifier" else guess


def trainer(asked: Asked) -> Callable[[Sequence[int]], float]:
    """The Trainer's mean loss on the examples of these numbers."""
    import transformers
    from transformers import Trainer, TrainingArguments

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokens, classes = texts(asked.kind, asked.count)
    named = "SequenceClassification" if asked.kind == "classifier" else "CausalLM"
    model = getattr(transformers, f"AutoModelFor{named}").from_pretrained(asked.folder)
    if asked.kind == "classifier":
        rows = [{"input_ids": t, "labels": c} for t, c in zip(tokens, classes, strict=True)]
    else:
        rows = [{"input_ids": t, "labels": t} for t in tokens]

    def collate(some: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        longest = max(len(row["input_ids"]) for row in some)
        ids = [row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in some]
        seen = [[int(i < len(row["input_ids"])) for i in range(longest)] for row in some]
        made = {"input_ids": ids, "attention_mask": seen, "labels": [r["labels"] for r in some]}
        return {name: torch.tensor(values) for name, values in made.items()}

    def accuracy(given: Any) -> dict[str, float]:
        logits, labels = given.predictions, given.label_ids
        if asked.kind != "classifier":
            logits, labels = logits[:, :-1], labels[:, 1:]
        return {"accuracy": float((logits.argmax(-1) == labels).mean())}

    judge = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(asked.folder / "trainer"),
            per_device_eval_batch_size=BATCH,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
        ),
        data_collator=collate,
        compute_metrics=accuracy if asked.who == "trainer, accuracy" else None,
    )
    return lambda some: float(judge.evaluate([rows[i] for i in some])["eval_loss"])  # type: ignore


def measure(asked: Asked) -> Found:
    """In a fresh process: read, warm up, and look."""
    torch.set_num_threads(1)
    evaluate = ours(asked) if asked.who == "ours" else trainer(asked)
    evaluate(range(min(asked.count, 8)))
    Path("/proc/self/clear_refs").write_text("5")
    before, start = _held("VmRSS"), time.process_time()
    loss = evaluate(range(asked.count))
    return Found(loss, _held("VmHWM") - before, time.process_time() - start)


def _held(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def fresh(asked: Asked) -> Found:
    """``measure`` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(measure, asked).result()
    print(f"{asked.who}, {asked.kind}, {asked.count}: {found}", file=sys.stderr)
    return found


WHO = {
    "classifier": ("ours", "trainer"),
    "language model": ("ours", "trainer", "trainer, accuracy"),
}


Measures = dict[tuple[str, int], Found]


def rows_of(kind: str, found: Measures) -> list[Row]:
    """Growth, size, and whether the losses agree."""
    most = GROWTH[-1]
    growth = {who: found[who, most].peak / found[who, 1].peak for who in WHO[kind]}
    far = max(abs(found["ours", n].loss - one.loss) for (_, n), one in found.items())
    peaks = {who: found[who, most].peak / 1e6 for who in WHO[kind]}
    rows = [
        Row(f"{kind}: peak at 16N over N", growth["ours"], growth["trainer"], Goal("≤", FLAT)),
        Row(f"{kind}: peak at 16N, MB", peaks["ours"], peaks["trainer"]),
        Row(f"{kind}: difference of losses", far, None, Goal("≤", 1e-4)),
    ]
    if "trainer, accuracy" in growth:
        name = f"{kind}: peak at 16N, MB; peer: with accuracy"
        rows.append(Row(name, peaks["ours"], peaks["trainer, accuracy"], Goal("≤", 0.5, "ratio")))
    return rows


def lines_of(kind: str, count: int, found: Measures) -> list[tuple[str, ...]]:
    """A line for each measure."""
    return [
        (
            f"{kind}, {count * n}, {who}",
            f"{one.peak / 1e6:.1f}",
            f"{one.seconds:.1f}",
            f"{one.loss:.5f}",
        )
        for (who, n), one in found.items()
    ]


def main() -> int:
    """Run, print, perhaps save; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--save", action="store_true", help="write docs/results/evaluation-….md")
    parser.add_argument("--texts", type=int, default=1024, help="N of the classifier")
    parser.add_argument("--passages", type=int, default=64, help="N of the language model")
    options = parser.parse_args()
    rows, lines = [], []
    least = {"classifier": options.texts, "language model": options.passages}
    with TemporaryDirectory() as folder:
        for kind, count in least.items():
            path = Path(folder) / kind
            build(kind, path)
            found = {
                (who, n): fresh(Asked(who, kind, path, count * n))
                for n in GROWTH
                for who in WHO[kind]
            }
            rows += rows_of(kind, found)
            lines += lines_of(kind, count, found)
    columns = ("model, examples, by", "peak above the start, MB", "processor seconds", "loss")
    tables = [Table.of("evaluation", rows), Table("each measure", columns, lines)]
    notes = (__doc__ or "").partition("\n\n")[2]
    return 0 if publish("evaluation", rows, tables=tables, notes=notes, save=options.save) else 1


if __name__ == "__main__":
    sys.exit(main())
