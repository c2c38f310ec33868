"""Mason beside transformers: every family on small random models, then real weights.

``python -m benchmarks.parity [--save] [--random]``: distances are max |ours - theirs| /
max |theirs| in fp32, worst over layers, outputs and sequences of 1 to 17 tokens.

- layers: hidden states of every layer, one packed batch beside single sequences
- outputs: logits of every head, likewise
- mask: logits beside a padded batch with an attention mask
- caches: logits of a prefill and of single steps beside transformers without a cache
- batch: our packed batch beside our single sequences
- return: logits of transformers after reading what we saved
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import transformers

from benchmarks.parity_cases import CASES, LANGUAGE, POOLED, Case
from benchmarks.parity_oracle import LIMITS, Pair
from benchmarks.report import Goal, Row, Table, publish, shown
from mason.generation import Sampling, generate
from mason.sources import find_model
from mason.text.loading import load_tokenizer

TEXTS = (
    "How far is it from Denver to Aspen?",
    "One.",
    "The ship sailed at dawn, and nobody on the quay knew that it would never come back.",
    "猫坐在垫子上，狗在门口睡觉。",
    "What does the abbreviation AIDS stand for, who coined it, and in which year?",
)
PROMPTS = (
    "The capital of France is",
    "Once upon a time, in a village by the sea, there lived an old fisherman who",
    "def fibonacci(n):\n",
    "Water boils at",
    "Three reasons to read old books are",
)
NUM_TOKENS = 64


def random_pairs() -> Iterator[Pair]:
    """Every row of the table of cases."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the models are so small that a second one only waits
    for case in CASES:
        with TemporaryDirectory() as folder:
            yield Pair.random(case, Path(folder))
    torch.set_num_threads(threads)


def minilm(folder: Path) -> Pair:
    """all-MiniLM-L6-v2, an encoder, from safetensors."""
    path = find_model("all-MiniLM-L6-v2")
    theirs = transformers.BertModel.from_pretrained(path, attn_implementation="eager")
    texts = load_tokenizer(path).encode_ids(TEXTS)
    return Pair(Case("BertModel", {}, POOLED, "all-MiniLM-L6-v2"), theirs, path, folder, texts)


def smollm2(folder: Path) -> Pair:
    """SmolLM2-135M-Instruct, a decoder, from GGUF."""
    path = find_model("SmolLM2-135M-Instruct")
    theirs = transformers.LlamaForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
    )
    texts = load_tokenizer(path).encode_ids(PROMPTS)
    case = Case("LlamaForCausalLM", {}, LANGUAGE, "SmolLM2-135M-Instruct, GGUF")
    return Pair(case, theirs, path, folder, texts)


def equal_tokens(pair: Pair) -> Row:
    """How many greedy tokens are transformers': ours in one batch, theirs one by one."""
    prompts, equal = pair.streams.sources, 0
    ours = generate(pair.ours, prompts, Sampling(NUM_TOKENS, stop_tokens=()))
    pair.theirs.generation_config.eos_token_id = None
    for prompt, mine in zip(prompts, ours, strict=True):
        given = torch.tensor([prompt])
        found = pair.theirs.generate(
            given,
            attention_mask=torch.ones_like(given),
            max_new_tokens=NUM_TOKENS,
            do_sample=False,
            pad_token_id=0,
        )[0, len(prompt) :].tolist()
        equal += sum(a == b for a, b in zip(mine.tokens, found, strict=True))
    total = NUM_TOKENS * len(prompts)
    return Row(f"{pair.case.name}: greedy tokens", equal, total, Goal("≥", total))


def main() -> int:
    """Run, print, perhaps save; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--save", action="store_true", help="write docs/results/parity-DATE.md")
    parser.add_argument("--random", action="store_true", help="leave the real weights out")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    cells: list[list[str]] = []
    rows: list[Row] = []

    def compare(pair: Pair) -> None:
        found = dict(pair.distances()) | {"return": pair.round_trip()[0]}
        rows.extend(
            Row(f"{pair.case.name}: {k}", v, goal=Goal("≤", LIMITS[k])) for k, v in found.items()
        )
        shape = (pair.checkpoint.family.name, pair.case.name, pair.ours.spec.topology)
        cells.append([*shape, *(shown(found[k]) if k in found else "" for k in LIMITS)])
        print(*cells[-1], sep="\t", file=sys.stderr)

    for pair in random_pairs():
        compare(pair)
    tokens = []
    if not options.random:
        for real in (minilm, smollm2):
            with TemporaryDirectory() as folder:
                pair = real(Path(folder))
                compare(pair)
                if pair.decodes:
                    tokens.append(equal_tokens(pair))
    columns = ("family", "class", "topology", *LIMITS)
    tables = [Table("Distances to transformers in fp32", columns, cells, labels=3)]
    if tokens:
        tables.append(Table.of(f"{NUM_TOKENS} greedy tokens on {len(PROMPTS)} prompts", tokens))
    notes = (__doc__ or "").partition("\n\n")[2]
    return (
        0 if publish("parity", rows + tokens, tables=tables, notes=notes, save=options.save) else 1
    )


if __name__ == "__main__":
    sys.exit(main())
