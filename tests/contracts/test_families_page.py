"""The families listed in the README are the families there are, and each is tested."""

import re

import pytest

from benchmarks.parity_cases import CASES
from mason.models.families import FAMILIES
from tests.contracts.source_tree import ROOT, SOURCE

ROW = re.compile(
    r"^\| [^|]+ \| `(?P<name>(?!model_type)\w+)` \| (?P<topology>[^|]+) \|", re.MULTILINE
)
TOPOLOGIES = {
    "编码器": "encoder",
    "解码器": "decoder",
    "编码器–解码器": "encoder-decoder",
    "encoder–decoder": "encoder-decoder",
}
LINES, LLAMA_LIKE_LINES = 80, 40
LLAMA_LIKE = {"mistral", "qwen2", "qwen3"}


def _stacks(name: str) -> str:
    """The topology, from the stacks that a family's table fills."""
    text = " ".join(FAMILIES[name].weights)
    both = "{stack}" in text
    encoder, decoder = both or "encoder." in text, both or "decoder." in text
    return "-".join(n for n, there in (("encoder", encoder), ("decoder", decoder)) if there)


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "docs/families.md"])
def test_page_lists_the_families(page: str) -> None:
    rows = ROW.findall((ROOT / page).read_text(encoding="utf-8"))
    listed = {name: TOPOLOGIES.get(topology, topology) for name, topology in rows}
    assert listed == {name: _stacks(name) for name in FAMILIES}


def test_every_family_has_a_parity_row() -> None:
    tested = {case.model for case in CASES}
    assert [n for n, family in FAMILIES.items() if not tested & set(family.architectures)] == []


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_a_short_table(name: str) -> None:
    """Lines that say something: blank ones and lone brackets are the formatter's."""
    file = SOURCE / "models" / "families" / f"{name.removesuffix('_text')}.py"
    limit = LLAMA_LIKE_LINES if name in LLAMA_LIKE else LINES
    lines = file.read_text(encoding="utf-8").splitlines()
    assert sum(1 for line in lines if re.search(r"\w", line)) <= limit
