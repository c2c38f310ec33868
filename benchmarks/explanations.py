"""Pictures of a TREC classifier: equal to captum's, whole, better than chance, or withheld.

Ours reads packed tokens; captum reads transformers' copy of the same folder, padded on the
right. The shown pictures are tested a second time by what had no part in showing them: other
random orders, and words turned blank in place of words cut out. "Withheld" counts models broken
on purpose.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import captum.attr
import numpy as np
import torch
import transformers
from torch import Tensor

import mason
from benchmarks.report import Goal, Row, Table, collect, publish
from mason.data.tables import Table as Rows
from mason.explanation import METHODS, Explainer, Picture, Subject, survey
from mason.explanation.faithfulness import Judge
from mason.explanation.methods import find_method
from mason.explanation.methods.gradients import integrate, token_vectors
from mason.explanation.numbers import ClassOdds, log_odds
from mason.security.summary import wilson
from mason.workflows import Classifier
from mason.workflows.explaining import explain_table
from mason.workflows.preparing import data_settings, prepare_test, texts_of
from mason.workflows.tasks import find_task

DATA, BASE = "catalog:trec", "all-MiniLM-L6-v2"
STEPS, PADDING = 32, 5
BROKEN = ("head of random weights", "token vectors shuffled")


def trained(folder: Path, steps: int) -> Path:
    """A classifier of questions after so many steps."""
    mason.train(BASE, DATA, output=folder, **{"training.max_steps": steps})
    return folder


def read(folder: Path) -> Classifier:
    """The classifier, read anew."""
    model = mason.load(folder)
    assert isinstance(model, Classifier)
    return model


def texts(count: int) -> list[str]:
    """Questions, evenly over the file, which has no test split: most were learned from."""
    found = prepare_test(data_settings(DATA, {}), find_task("classification"))
    table: Rows = found.tables["test"]
    places = np.unique(np.linspace(0, len(table) - 1, count).round().astype(int))
    return texts_of(table.take(places.tolist()), found.columns.text)


class Peer:
    """Captum on transformers' copy of a model."""

    def __init__(self, folder: Path) -> None:
        kind = transformers.AutoModelForSequenceClassification
        self.network: Any = kind.from_pretrained(folder).eval()
        self.table = self.network.get_input_embeddings()

    def differences(self, subject: Subject) -> Iterator[tuple[str, float]]:
        """The largest difference of a word's weight, by method."""
        assert isinstance(subject.number, ClassOdds)
        self.number = subject.number
        (bare,) = subject.blanked(np.zeros((1, len(subject.words)), dtype=bool))
        ids, blank = self.padded(subject.tokens), self.padded(bare.tokens)
        vectors, start = self.table(ids).detach(), self.table(blank).detach()
        theirs = captum.attr.InputXGradient(self.of_vectors).attribute(
            vectors.clone().requires_grad_()
        )
        yield "gradient-x-input", self.apart(subject, theirs, _weights(subject, "gradient-x-input"))
        theirs = captum.attr.IntegratedGradients(self.of_vectors).attribute(
            vectors, start, n_steps=STEPS, method="gausslegendre"
        )
        ours = integrate(subject, token_vectors(bare), token_vectors(subject), STEPS)
        yield "integrated-gradients", self.apart(subject, theirs, subject.of_words(ours))
        mask = self.padded(np.array(subject.word_of) + 1)
        told = captum.attr.FeatureAblation(self.of_ids).attribute(ids, blank, feature_mask=mask)
        firsts = [int((mask[0] == word + 1).nonzero()[0]) for word in range(len(subject.words))]
        far = np.abs(told[0, firsts].detach().numpy() - _weights(subject, "occlusion"))
        yield "occlusion", float(far.max())

    def padded(self, row: Any) -> Tensor:
        """A row with padding on the right, [1, L]."""
        return torch.tensor([[*row, *[0] * PADDING]], dtype=torch.long)

    def of_vectors(self, vectors: Tensor) -> Tensor:
        """Log-odds of token vectors [N, L, D]."""
        mask = torch.ones(vectors.shape[:2])
        mask[:, -PADDING:] = 0
        logits = self.network(inputs_embeds=vectors, attention_mask=mask).logits
        return log_odds(logits / self.number.temperature, self.number.index)

    def of_ids(self, ids: Tensor) -> Tensor:
        """Log-odds of token ids [N, L]."""
        return self.of_vectors(self.table(ids))

    def apart(self, subject: Subject, theirs: Tensor, ours: np.ndarray) -> float:
        """The largest difference, captum's summed by word."""
        told = theirs.sum(-1)[0, : len(subject.tokens)].detach().double().numpy()
        return float(np.abs(subject.of_words(told) - ours).max())


def _weights(subject: Subject, method: str) -> np.ndarray:
    return find_method(method).weigh(subject).weights


def better_elsewhere(shown: Sequence[tuple[Subject, Picture]]) -> list[bool]:
    """Whether each order is better than random ones by another mask and other draws."""
    found, judge, of = list[bool](), None, None
    for subject, picture in shown:  # a text's pictures follow one another
        if judge is None or of is not subject:
            judge, of = Judge(subject, cut=False, seed=1), subject
        found.append(judge(np.array([word.weight for word in picture.words])).margin > 0)
    return found


def broken(folder: Path, how: str) -> Classifier:
    """A model broken on purpose."""
    model = read(folder)
    assert model.network.encoder is not None
    torch.manual_seed(0)
    with torch.no_grad():
        if how == BROKEN[0]:
            model.network.heads["classification"].apply(model.network.initialise)
        else:
            table = model.network.encoder.embedding.tokens.weight
            table.copy_(table[torch.randperm(len(table))])
    return model


def drawn(model: Classifier, asked: Sequence[str]) -> list[tuple[Subject, Picture]]:
    """Every picture of every text, with what it is of."""
    explainer = Explainer(model.network)
    subjects = [model.subject(text) for text in asked]
    return [(one, picture) for one in subjects for picture in explainer(one, list(METHODS))]


def rows_of(found: Sequence[tuple[Subject, Picture]]) -> tuple[list[Row], Table]:
    """What holds for the pictures of the whole model, method by method."""
    shown = [(one, picture) for one, picture in found if picture.shown]
    better = better_elsewhere(shown)
    share = asdict(wilson(sum(better), len(better)))
    rows = [Row.of("shown: better than random orders", share, Goal("≥", 0.95))]
    rows.append(Row("shown, of all pictures", len(shown) / len(found)))
    sums = [p.trust.incompleteness for _, p in found if p.trust.incompleteness is not None]
    if sums:
        kept = [p.trust.incompleteness for _, p in shown if p.trust.incompleteness is not None]
        name = "integrated gradients, shown: largest completeness error"
        rows += [Row(name, max(kept), None, Goal("≤", 0.01))] if kept else []
        # What is shown keeps the bound because nothing else is shown; this is of all of them.
        within = asdict(wilson(sum(error <= 0.01 for error in sums), len(sums)))
        rows.append(Row.of("integrated gradients, all: share within 1 %", within))
    lines = []
    for one in survey([picture for _, picture in found]):
        mine = [ok for ok, (_, p) in zip(better, shown, strict=True) if p.method == one.method]
        figures = (one.comprehensiveness, one.sufficiency, one.margin, one.beaten)
        told = [f"{figure:.3f}" for figure in figures if figure is not None]
        held = f"{np.mean(mine):.1%}" if mine else "–"
        lines.append((one.method, f"{one.shown}/{one.texts}", *told, held))
    columns = ("method", "shown", "compr.", "suff.", "margin", "before random", "shown: again")
    return rows, Table("pictures", columns, lines)


def beside_captum(folder: Path, model: Classifier, asked: Sequence[str]) -> Iterator[Row]:
    """The largest difference of any word's weight in any text, by method."""
    peer, far = Peer(folder), dict[str, float]()
    for text in asked:
        for name, apart in peer.differences(model.subject(text)):
            far[name] = max(apart, far.get(name, 0.0))
    for name, apart in far.items():
        yield Row(f"{name}: largest difference from captum", apart, None, Goal("≤", 1e-4))


def of_pictures(model: Classifier, asked: Sequence[str], tables: list[Table]) -> Iterator[Row]:
    """See ``rows_of``; the table goes to the others."""
    rows, table = rows_of(drawn(model, asked))
    tables.append(table)
    yield from rows


def of_broken(folder: Path, count: int) -> Iterator[Row]:
    """The share of pictures of models broken on purpose that are withheld."""
    for how in BROKEN:
        told = explain_table(broken(folder, how), DATA, rows=count)
        counted = told["extras"]["explanations"]["surveys"][0]
        share = asdict(wilson(counted["texts"] - counted["shown"], counted["texts"]))
        yield Row.of(f"{how}: withheld", share, Goal("≥", 1.0))


def main() -> int:
    """Run, print, perhaps save; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--save", action="store_true", help="write docs/results/explanations-….md")
    parser.add_argument("--texts", type=int, default=100, help="explained by every method")
    parser.add_argument("--broken", type=int, default=20, help="of these, by the broken models")
    parser.add_argument("--steps", type=int, default=300, help="of training")
    parser.add_argument("--model", type=Path, help="a TREC classifier; one is trained if left out")
    options = parser.parse_args()
    with TemporaryDirectory() as place:
        folder = options.model or trained(Path(place) / "trec", options.steps)
        model, asked = read(folder), texts(options.texts)
        pictures: list[Table] = []
        parts = {
            "captum": partial(beside_captum, folder, model, asked),
            "pictures": partial(of_pictures, model, asked, pictures),
            "broken models": partial(of_broken, folder, options.broken),
        }
        rows = collect(parts)
    notes = (__doc__ or "").partition("\n\n")[2]
    tables = [Table.of("explanations", rows), *pictures]
    return 0 if publish("explanations", rows, tables=tables, notes=notes, save=options.save) else 1


if __name__ == "__main__":
    sys.exit(main())
