"""The sections of a report, by name and order.

A new section is one new file with one pure function from ``Results`` to a ``Part`` (None
where its block is missing), and one line here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mason.reports.ablation import ablation
from mason.reports.attacks import attacks
from mason.reports.attention import attention
from mason.reports.certainty import certainty
from mason.reports.compression import compression
from mason.reports.confusion import confusion
from mason.reports.cost import cost, model
from mason.reports.data import data
from mason.reports.defences import defences
from mason.reports.explanations import explanations
from mason.reports.label_errors import label_errors
from mason.reports.learning import learning
from mason.reports.lens import lens
from mason.reports.markup import Part
from mason.reports.memory import memory
from mason.reports.mistakes import mistakes
from mason.reports.neighbours import neighbours
from mason.reports.overview import overview
from mason.reports.pretraining import pretraining
from mason.reports.privacy import privacy
from mason.reports.probes import probes
from mason.reports.provocations import provocations
from mason.reports.recipe import recipe
from mason.reports.replies import replies
from mason.reports.samples import samples
from mason.reports.schema import Results
from mason.reports.scores import scores
from mason.reports.slices import slices


@dataclass(frozen=True)
class Section:
    """A section: ``name`` is its anchor, ``order`` its place on the page."""

    name: str
    order: int
    render: Callable[[Results], Part | None]


SECTIONS = [
    Section("overview", 0, overview),
    Section("pretraining", 5, pretraining),
    Section("compression", 8, compression),
    Section("scores", 10, scores),
    Section("replies", 15, replies),
    Section("confusion", 20, confusion),
    Section("slices", 25, slices),
    Section("mistakes", 30, mistakes),
    Section("attention", 35, attention),
    Section("lens", 36, lens),
    Section("ablation", 37, ablation),
    Section("probes", 38, probes),
    Section("neighbours", 39, neighbours),
    Section("certainty", 40, certainty),
    Section("provocations", 43, provocations),
    Section("attacks", 44, attacks),
    Section("explanations", 45, explanations),
    Section("defences", 46, defences),
    Section("privacy", 47, privacy),
    Section("memory", 48, memory),
    Section("learning", 50, learning),
    Section("samples", 55, samples),
    Section("data", 60, data),
    Section("label-errors", 65, label_errors),
    Section("model", 70, model),
    Section("cost", 80, cost),
    Section("recipe", 90, recipe),
]


def parts_of(results: Results) -> list[tuple[str, Part]]:
    """Name and content of every section that has something to show, in order."""
    ordered = sorted(SECTIONS, key=lambda section: section.order)
    shown = ((section.name, section.render(results)) for section in ordered)
    return [(name, part) for name, part in shown if part is not None]
