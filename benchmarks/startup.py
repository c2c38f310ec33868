"""Process start to the end of the first training step, beside a script with the Trainer.

Both fine-tune the real MiniLM on the same table of texts, batch 32, to the end of step 1,
each time in a fresh process, in turn; the first round warms the disk's cache and is left
out. Ours is what a person types: ``mason.train`` with its checks of the data, splits,
tokens counted. The Trainer's script reads the table by the csv module, splits nothing and
checks nothing. Neither fits the new head before step 1, as our default recipe does on 1,024
texts: ``probed`` is the run with it.
"""

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.contest import middle
from benchmarks.report import Goal, Row, publish

OURS = """
import sys
import mason

class Stop(Exception):
    pass

def watch(history):
    if history.steps:
        raise Stop

try:
    mason.train(sys.argv[1], sys.argv[2], batch_size=32, watch=watch, **OPTIONS)
except Stop:
    pass
"""

TRAINER = """
import csv, sys, tempfile
from transformers import (
    AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer,
    TrainingArguments,
)

with open(sys.argv[2], newline="") as file:
    rows = list(csv.DictReader(file))
names = sorted({row["label"] for row in rows})
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
encoded = tokenizer([row["text"] for row in rows], truncation=True)
data = [
    {"input_ids": ids, "attention_mask": mask, "labels": names.index(row["label"])}
    for ids, mask, row in zip(encoded["input_ids"], encoded["attention_mask"], rows)
]
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], num_labels=len(names))
arguments = TrainingArguments(
    output_dir=tempfile.mkdtemp(), per_device_train_batch_size=32, max_steps=1, use_cpu=True,
    report_to="none", save_strategy="no", disable_tqdm=True,
)
Trainer(
    model=model, args=arguments, train_dataset=data,
    data_collator=DataCollatorWithPadding(tokenizer),
).train()
"""

SCRIPTS = {
    "ours": OURS.replace("**OPTIONS", '**{"training.probe_rows": 0}'),
    "trainer": TRAINER,
    "probed": OURS.replace(", **OPTIONS", ""),
    "torch": "import torch",
}
WORDS = "good bad film book plot story actor scene quick slow long short very rather".split()


def table(path: Path, rows: int = 1000) -> Path:
    """A CSV file of made-up reviews with two labels, 5 to 60 words each."""
    rng = random.Random(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for i in range(rows):
            words = rng.choices(WORDS, k=rng.randint(5, 60))
            writer.writerow([f"{' '.join(words)} {i}", rng.choice(["good", "bad"])])
    return path


def seconds(script: str, *arguments: str) -> float:
    """Wall-clock seconds of a fresh Python that runs a script."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - start


def main() -> None:
    """Run both in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--note", default="", help="what a reader must know, for the page")
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    from mason.sources import find_model

    model = str(find_model("all-MiniLM-L6-v2"))
    found: dict[str, list[float]] = {name: [] for name in SCRIPTS}
    with tempfile.TemporaryDirectory() as place:
        data = str(table(Path(place) / "reviews.csv"))
        for number in range(chosen.rounds + 1):
            for name, script in SCRIPTS.items():
                found[name].append(seconds(script, model, data))
            told = "  ".join(f"{name} {took[-1]:.1f}s" for name, took in found.items())
            print(f"round {number}: {told}", flush=True)
    pairs = list(zip(found["trainer"], found["ours"], strict=True))[1:]
    ratio = middle([theirs / ours for theirs, ours in pairs])
    rows = [
        Row(
            "start to the end of step 1: s, median",
            *(middle([p[i] for p in pairs]).value for i in (1, 0)),
        ),
        Row("times sooner, median", ratio.value),
        Row("times sooner, lower end", ratio.low, None, Goal("≥", 3.0)),
        Row("times sooner, upper end", ratio.high),
        Row("ours with the head fitted first, s", middle(found["probed"][1:]).value),
        Row("of these: import torch alone, s", middle(found["torch"][1:]).value),
    ]
    publish("startup", rows, notes=f"{__doc__}\n{chosen.note}\n", save=chosen.save)


if __name__ == "__main__":
    main()
