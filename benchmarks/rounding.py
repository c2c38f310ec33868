"""What fewer bits cost weights that were in none before: perplexity beside full precision.

``python -m benchmarks.rounding`` pretrains a causal model on descriptions of Debian's packages,
and teaches SmolLM2, whose own file holds 4 bits, the same texts with all its weights, so that they
leave their grid. Then each is held in int8, in int4 to the nearest and rounded by texts (GPTQ's
class), and in NF4 as the base of QLoRA is; perplexity is that of documents it was neither trained
nor rounded on.
"""

import argparse
import csv
import json
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import mason
from benchmarks.report import Goal, Row, collect, publish
from mason.catalog import find
from mason.layers import hold_in_int8
from mason.models.adapters import hold_base
from mason.models.transformer import Transformer
from mason.workflows import Writer
from mason.workflows.rounding import perplexity, round_weights

SMOLLM = "SmolLM2-135M-Instruct"
PARTS = ("fresh", "SmolLM2")
HELD = 300
"""Documents that nothing is learned from."""


def corpora(place: Path) -> tuple[Path, list[str]]:
    """A corpus to learn and round by, and documents that are held out."""
    with find("debian-descriptions").build().open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    corpus = place / "corpus.jsonl"
    lines = (json.dumps({"text": text}, ensure_ascii=False) for text in texts[HELD:])
    corpus.write_text("\n".join(lines), encoding="utf-8")
    return corpus, texts[:HELD]


def rows_of(name: str, folder: Path, corpus: Path, held: list[str]) -> Iterator[Row]:
    """A model in fp32 and in each way of fewer bits."""

    def fresh() -> Writer:
        model = mason.load(folder, task="generation")
        assert isinstance(model, Writer)
        return model

    model = fresh()
    texts = [ids[:512] for ids in model.tokenizer.encode_ids(held) if len(ids) > 1]
    whole = perplexity(model.network.float().eval(), texts)
    yield Row(f"{name}: perplexity", whole)
    ways: dict[str, Callable[[], Transformer]] = {
        "int8": lambda: hold_in_int8(fresh().network.float().eval()),
        "int4 to the nearest": lambda: _held(fresh(), "int4"),
        "int4 by texts": lambda: round_weights(fresh(), corpus).model.network,
        "NF4": lambda: _nf4(fresh()),
    }
    goals = {"int8": Goal("≤", 0.005), "int4 by texts": Goal("≤", 0.03)}
    added = {}
    for way, made in ways.items():
        added[way] = perplexity(made(), texts) / whole - 1
        yield Row(f"{name}, {way}: share added", added[way], None, goals.get(way))
    nearest = added["int4 to the nearest"]
    below = Goal("≤", 1.0, "ratio")
    yield Row(f"{name}: by texts beside to the nearest", added["int4 by texts"], nearest, below)


def _held(model: Writer, weights: str) -> Transformer:
    model.network.float().eval()
    model.hold(weights)  # type: ignore[arg-type]
    return model.network


def _nf4(model: Writer) -> Transformer:
    hold_base(model.network.float().eval(), 4)
    return model.network


def main() -> None:
    """Learn, round, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of each training")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        corpus, held = corpora(place)
        budget = {"training.budget": f"{round(60 * given.minutes)}s", "output.report": False}
        budget |= {"output.checkpoints": 0}

        def of(name: str, **options: object) -> Iterator[Row]:
            mason.pretrain(str(corpus), output=place / name, **budget, **options)
            yield from rows_of(name, place / name, corpus, held)

        known = {"objective": "causal", "model.source": SMOLLM, "training.learning_rate": 1e-4}
        parts = {
            "fresh": partial(of, "pretrained here", objective="causal"),
            "SmolLM2": partial(of, "SmolLM2 after all its weights learned", **known),
        }
        rows = collect({part: parts[part] for part in given.parts})
    publish("rounding", rows, save=given.save)


if __name__ == "__main__":
    main()
