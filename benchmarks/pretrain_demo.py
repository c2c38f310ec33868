"""From raw text to a model of one's own, and what it is worth: ``make pretrain-demo``.

Debian's descriptions and the World English Bible become a tokenizer and a BERT (masked tokens
and next sentences) within a budget of time. Then: its loss on masked tokens of the Brown corpus,
beside that of token frequencies; its answers about held-out neighbours; and TREC fine-tuned from
it beside the same network from random weights, same recipe, three seeds.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import mason
from benchmarks.report import Goal, Row, publish
from mason.catalog import find
from mason.data.corpora.documents import documents
from mason.data.corpora.store import TokenStore, write_store
from mason.evaluation.language import held_scores, unigram_loss
from mason.models.checkpoints import load_model
from mason.models.saving import save_model
from mason.models.transformer import Transformer
from mason.tasks.pretraining import MaskedLanguage, Texts
from mason.text import InputContract, Tokenizer, load_tokenizer, save_contract
from mason.text.word_memory import WordMemory
from mason.workflows.objectives import marks_of

CORPORA = ("catalog:debian-descriptions", "catalog:english-bible")
SEEDS = (1, 2, 3)
TOKENS = 128
RESULTS = "results.json"


def store_of(
    corpora: Sequence[str], tokenizer: Tokenizer, folder: Path, held_share: float
) -> TokenStore:
    """All documents of corpora of the catalogue."""
    return write_store(
        folder,
        documents([find(corpus.removeprefix("catalog:")).build() for corpus in corpora]),
        WordMemory(tokenizer),
        fingerprint=f"{corpora} {tokenizer.fingerprint}",
        vocab_size=tokenizer.num_tokens,
        held_share=held_share,
    )


def on_brown(folder: Path, work: Path) -> Row:
    """Loss at 15 % masked positions, beside that of the training tokens' frequencies."""
    tokenizer = load_tokenizer(folder)
    known = store_of(CORPORA, tokenizer, work / "known", 0.0)
    brown = store_of(("brown",), tokenizer, work / "brown", 1.0)
    marks = marks_of(tokenizer)
    texts = Texts(brown.passages(TOKENS - marks.num_around, held=True), marks)
    model = load_model(folder).model.eval()
    loss = held_scores(model, MaskedLanguage(texts, marks))["valid_loss"]
    rival = unigram_loss(known, asked=brown)
    return Row("masked loss on Brown, beside frequencies", loss, rival, Goal("≤", 1.0, "ratio"))


def random_twin(folder: Path, output: Path) -> Path:
    """The same network and tokenizer, its weights as before pretraining."""
    loaded, tokenizer = load_model(folder), load_tokenizer(folder)
    output.mkdir(parents=True, exist_ok=True)
    save_model(Transformer(loaded.model.spec), loaded.family, output)
    tokenizer.save(output)
    save_contract(output, InputContract.of(tokenizer, max_tokens=TOKENS, labels=()))
    return output


def on_trec(model: Path) -> float:
    """Mean accuracy over the seeds, fine-tuned on TREC."""
    runs = [mason.train(model, "catalog:trec", **{"training.seed": seed}) for seed in SEEDS]
    found = [run.results["evaluation"]["scores"]["accuracy"]["value"] for run in runs]
    print(f"TREC from {model.name}: {found}", flush=True)
    return mean(found)


def main() -> None:
    """Pretrain, then ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="30m")
    parser.add_argument("--output", type=Path, default=Path("runs/pretrain-demo"))
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    model = chosen.output / "model"
    if not (model / RESULTS).exists():  # else a model of an earlier run is asked
        mason.pretrain(
            CORPORA,
            output=model,
            objective="bert",
            notice=print,
            command=f"mason pretrain --data {' '.join(CORPORA)} --objective bert",
            **{"training.budget": chosen.budget},
        )
    results = json.loads((model / RESULTS).read_text())
    told = results["pretraining"]
    print(f"Pretrained: {told['shape']}", flush=True)
    brown = on_brown(model, chosen.output)
    random = random_twin(model, chosen.output / "random")
    gain = 100 * (on_trec(model) - on_trec(random))
    rows = [
        brown,
        Row("masked loss held out, beside frequencies", told["held_loss"], told["unigram_loss"]),
        Row("right about held-out neighbours", told["question_accuracy"], 0.5, Goal("≥", 0.85)),
        Row("TREC: points over random weights", gain, None, Goal("≥", 5.0)),
        Row("seconds of pretraining", results["cost"]["seconds"]["train"]),
    ]
    publish("pretrain_demo", rows, notes=f"{__doc__}\n", save=chosen.save)


if __name__ == "__main__":
    main()
