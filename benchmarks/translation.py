"""English to French from random weights, beside the Seq2SeqTrainer of transformers.

Debian's descriptions, split by source package. Both sides have the same shape (Marian), the same
tokenizer, the same rows and the same minutes of training; each its own recipe. The peer is
``MarianMTModel`` with dynamic padding, batches grouped by length, label smoothing 0.1, AdamW with
a linear schedule laid out over the time itself. Both write the test
rows greedily; BLEU and chrF are sacrebleu's.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import mason
from benchmarks.report import Goal, Row, publish
from mason.metrics.texts import bleu_and_chrf
from mason.text.trainers import train_tokenizer
from mason.workflows import Rewriter, Run
from mason.workflows.preparing import Prepared, data_settings, prepare, texts_of
from mason.workflows.tasks import find_task

SHAPE, LONGEST, BATCH, RATE = "marian-mini", 128, 64, 5e-4
TRAINING = {"training.label_smoothing": "0.1"}


def make_tokenizer(rows: Prepared, size: int, folder: Path) -> Path:
    """The tokenizer of both sides, learned before their clocks start."""
    train = rows.tables["train"]
    texts = [t for n in (rows.columns.text, rows.columns.target or "") for t in texts_of(train, n)]
    folder.mkdir(parents=True)
    train_tokenizer(texts, kind="unigram", vocab_size=size).save(folder)
    return folder


def ours(data: str, minutes: float, shape: str, threads: int, folder: Path) -> Run:
    """Mason's run; the model it leaves is the best by its own validation."""
    options = {"model.shape": shape, "model.max_tokens": str(LONGEST), **TRAINING}
    options["model.tokenizer"] = str(folder.parent / "tokenizer")
    options |= {"training.budget": f"{minutes}m", "training.threads": str(threads)}
    return mason.train(
        data=data, output=folder, task="translation", notice=print, command="benchmark", **options
    )


def theirs(run: Run, rows: Prepared, minutes: float, folder: Path) -> Any:
    """A MarianMTModel of the same shape and tokenizer, trained for as long."""
    import transformers as hf

    model: Any = run.model
    tokenizer = hf.PreTrainedTokenizerFast.from_pretrained(run.folder)
    config = hf.MarianConfig.from_pretrained(run.folder)
    torch.manual_seed(1)
    peer = hf.MarianMTModel(config)
    train = rows.tables["train"]
    names = rows.columns.text, rows.columns.target or ""
    encoded = [
        tokenizer(texts_of(train, name), truncation=True, max_length=LONGEST).input_ids
        for name in names
    ]
    examples = [
        {"input_ids": a, "labels": b, "length": len(a)} for a, b in zip(*encoded, strict=True)
    ]
    assert model.tokenizer.num_tokens == config.vocab_size

    class Clock(hf.TrainerCallback):
        """Stops when the time is up, and says how much of it is gone."""

        begun: float | None = None

        @property
        def gone(self) -> float:
            return (time.monotonic() - self.begun) / (60 * minutes) if self.begun else 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.begun = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop |= self.gone >= 1

    clock = Clock()
    chosen = hf.Seq2SeqTrainingArguments(
        output_dir=str(folder), max_steps=10**6, per_device_train_batch_size=BATCH,
        label_smoothing_factor=0.1, use_cpu=True, train_sampling_strategy="group_by_length",
        report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    optimizer = torch.optim.AdamW(peer.parameters(), lr=RATE, weight_decay=0.0)
    # Up for a tenth of the time and down for the rest: by the clock, so that it is filled.
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda _: max(1e-3, min(10 * clock.gone, (1 - clock.gone) / 0.9))
    )
    trainer = hf.Seq2SeqTrainer(
        peer,
        chosen,
        train_dataset=examples,
        data_collator=hf.DataCollatorForSeq2Seq(tokenizer, peer),
        callbacks=[clock],
        optimizers=(optimizer, schedule),
    )
    trainer.train()
    print(f"Seq2SeqTrainer: {trainer.state.global_step} steps in {60 * minutes * clock.gone:.0f} s")
    return peer.eval(), tokenizer


@torch.no_grad()
def written_by(peer: Any, tokenizer: Any, sources: list[str], most: int) -> list[str]:
    """What transformers writes for the same texts, greedily."""
    found: list[str] = []
    for start in range(0, len(sources), BATCH):
        batch = tokenizer(
            sources[start : start + BATCH], return_tensors="pt", padding=True, truncation=True,
            max_length=LONGEST, return_token_type_ids=False,
        )  # fmt: skip
        new = peer.generate(**batch, max_new_tokens=most, do_sample=False, num_beams=1)
        found += tokenizer.batch_decode(new, skip_special_tokens=True)
    return found


def main() -> None:
    """Train both, write the same test rows, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="catalog:debian-en-fr")
    parser.add_argument("--minutes", type=float, default=20.0, help="of training, for each")
    parser.add_argument("--shape", default=SHAPE)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--rows", type=int, default=1000, help="test rows to write")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = prepare(data_settings(chosen.data, {}), find_task("translation"), seed=1)
        make_tokenizer(rows, chosen.vocabulary, folder / "tokenizer")
        run = ours(chosen.data, chosen.minutes, chosen.shape, chosen.threads, folder / "ours")
        some = rows.tables["test"].take(range(min(chosen.rows, len(rows.tables["test"]))))
        sources = texts_of(some, rows.columns.text)
        wanted = texts_of(some, rows.columns.target or "")
        assert isinstance(run.model, Rewriter)
        own = bleu_and_chrf(run.model.predict(sources), wanted)
        peer, tokenizer = theirs(run, rows, chosen.minutes, folder / "theirs")
        other = bleu_and_chrf(
            written_by(peer, tokenizer, sources, run.model.max_new_tokens), wanted
        )
    goals = {"bleu": Goal("≥", 100 * other.overall["bleu"].value + 3)}
    found = [
        Row(
            f"{name}, {chosen.minutes:g} minutes, {chosen.shape}",
            100 * score.value,
            100 * other.overall[name].value,
            goals.get(name),
        )
        for name, score in own.overall.items()
    ]
    copied = bleu_and_chrf(sources, wanted).overall["bleu"].value
    for name, scores in (("ours", own), ("transformers", other)):
        told = {n: f"{100 * s.low:.1f} to {100 * s.high:.1f}" for n, s in scores.overall.items()}
        print(name, told, scores.signatures["bleu"])
    found.append(Row("bleu of the source as it is", 100 * copied))
    publish("translation", found, notes=str(__doc__), save=chosen.save)


if __name__ == "__main__":
    main()
