"""SmolLM2-135M writes, beside transformers' ``generate`` with the same weights, on one thread.

Greedy: 128 new tokens after one prompt of 64, and 32 after each of 16 prompts of 9 to 129 at
once, which transformers pads on the left. The peer reads the folder that we write. Seconds are
the processor's, so that other work on the machine does not count: medians of interleaved
rounds, the order turned each time. A step is a token of each sequence after the first. The share
of the memory's bandwidth is the weights' bytes a step, over what a sum over as many bytes takes.
Tokens in fp32 must be equal; below, near ties fall one way or the other. Weights in int8
and int4 stand beside the peer's bf16 (the file holds 4 bits already, so that int4 to the nearest
loses nothing of the layers here); what rounding costs is the held-out perplexity on Brown's prose.
Last, 512 mixed texts through a classifier of BERT-base's shape (random weights, in bf16, and in
int8 with rows in 8 bits) beside the pipeline of transformers in bf16, whose labels must be the
same in fp32. `mason selfcheck` says which compiled kernels are in use. Translation stands
beside CTranslate2 in `translation_speed`.
"""

import argparse
import csv
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers

import mason
from benchmarks.report import Goal, Row, publish
from mason.catalog import find
from mason.generation import Sampling, generate
from mason.layers import hold_in_int4, hold_in_int8
from mason.models.checkpoints import load_model
from mason.models.eight_bits import hold_in_eight_bits
from mason.models.packed import Packed
from mason.models.saving import save_model
from mason.models.transformer import Transformer
from mason.sources import find_model
from mason.text.loading import load_tokenizer

MODEL = "SmolLM2-135M-Instruct"
TEXT = (
    "Once upon a time, in a village by the sea, there lived an old fisherman who had never "
    "learned to swim. Every morning he rowed out before the sun was up, and every evening he "
    "came home with less than he had hoped for. His wife kept the books, mended the nets and "
    "said nothing. One winter the harbour froze, and the boats lay in the ice like flies in "
    "amber, so that the whole village came down to the quay to look at them and to talk."
)
Tokens = list[list[int]]
NEAR = Goal("≤", 0.005)
SHAPE = {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12}
"""BERT-base's, with the tokenizer of MiniLM, which is BERT's."""


@dataclass(frozen=True)
class Load:
    """Prompts to write after, and how much."""

    name: str
    prompts: Tokens
    num_new: int
    goals: Mapping[str, float]
    """Times as fast as the peer, by the precision of ours."""


def loads(ids: list[int]) -> list[Load]:
    """One prompt; sixteen of different lengths."""
    many = [(ids * 2)[3 * i : 3 * i + 9 + 8 * i] for i in range(16)]
    alone = {"bf16": 2.2, "int8": 4.0, "int4": 6.0}
    return [
        Load("batch 1", [ids[:64]], 128, alone),
        Load("16 unequal prompts", many, 32, dict.fromkeys(("bf16", "int8"), 4.0)),
    ]


def ours(model: Transformer, load: Load) -> Tokens:
    found = generate(model, load.prompts, Sampling(load.num_new, stop_tokens=()))
    return [answer.tokens for answer in found]


def theirs(model: Any, load: Load) -> Tokens:
    longest = max(map(len, load.prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in load.prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in load.prompts])
    options = {"max_new_tokens": load.num_new, "do_sample": False, "pad_token_id": 0}
    out = model.generate(ids, attention_mask=mask, **options)
    tokens: Tokens = out[:, longest:].tolist()
    return tokens


def timed(ways: dict[str, Callable[[], Tokens]], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of each way, a round after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: 1 if number % 2 else -1]:
            start = time.process_time()
            ways[name]()
            seconds[name].append(time.process_time() - start)
    return seconds


def bandwidth() -> float:
    """Bytes a second that one thread reads: the best of many sums over 256 MiB."""
    held = torch.ones(2**26)
    best = float("inf")
    for _ in range(10):
        start = time.process_time()
        held.sum()
        best = min(best, time.process_time() - start)
    return held.numel() * held.element_size() / best


def equal(mine: Tokens, other: Tokens) -> float:
    """Share of tokens that are the same."""
    pairs = [(a, b) for x, y in zip(mine, other, strict=True) for a, b in zip(x, y, strict=True)]
    return sum(a == b for a, b in pairs) / len(pairs)


def measured(
    model: Transformer, peer: Any, load: Load, precision: str, rounds: int, limit: float
) -> list[Row]:
    """The rows of one load in one precision."""
    same = equal(ours(model, load), theirs(peer, load))  # the round that does not count
    ways = {"ours": lambda: ours(model, load), "peer": lambda: theirs(peer, load)}
    seconds = timed(ways, rounds)
    mine, other = (statistics.median(seconds[name]) for name in ("ours", "peer"))
    written = len(load.prompts) * load.num_new
    name = f"{load.name}, {precision}"
    goal = Goal("≥", load.goals[precision], "ratio") if precision in load.goals else None
    exact = Goal("≥", 1.0) if precision == "fp32" else None
    rows = [
        Row(f"{name}: tokens/s", written / mine, written / other, goal),
        Row(f"{name}: share of equal tokens", same, goal=exact),
    ]
    if len(load.prompts) == 1:
        held = {id(x): x for x in (*model.parameters(), *model.buffers())}
        size = sum(x.numel() * x.element_size() for x in held.values())
        short = Load(load.name, load.prompts, 1, load.goals)
        first = timed({"ours": lambda: ours(model, short)}, rounds)["ours"]
        step = (mine - statistics.median(first)) / (load.num_new - 1)
        rows.append(Row(f"{name}: ms a step", 1e3 * step))
        rows.append(Row(f"{name}: share of the bandwidth", size / step / limit))
    return rows


def prose() -> list[str]:
    """The documents of Brown."""
    with find("brown").build().open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


@torch.inference_mode()
def perplexity(model: Transformer, path: Path, num_texts: int) -> float:
    """Of prose that the model was not shown as such: the first tokens of documents of Brown."""
    texts = [text[:2_000] for text in prose()[:num_texts]]
    loss, count = 0.0, 0
    for tokens in load_tokenizer(path).encode_ids(texts):
        hidden = model(Packed.of([tokens[:-1]]))
        loss += float(model.heads["language"].cross_entropy(hidden, torch.tensor(tokens[1:])))
        count += len(tokens) - 1
    return math.exp(loss / count)


def classified(num_texts: int, rounds: int) -> list[Row]:
    """The rows of classification: texts of 3 to 128 words, all at once on both sides."""
    words = " ".join(prose()[:20]).split()
    sizes = [3 + (37 * i) % 126 for i in range(num_texts)]
    starts = [(91 * i) % (len(words) - 128) for i in range(num_texts)]
    texts = [" ".join(words[a : a + n]) for a, n in zip(starts, sizes, strict=True)]
    torch.manual_seed(5)
    with TemporaryDirectory() as folder:
        tokenizer = transformers.AutoTokenizer.from_pretrained(find_model("all-MiniLM-L6-v2"))
        config = transformers.BertConfig(vocab_size=len(tokenizer), num_labels=5, **SHAPE)
        peer = transformers.BertForSequenceClassification(config).eval()
        peer.classifier.weight.data *= 30  # random weights, yet sure of what they say
        peer.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        ours, small = (mason.load(folder, task="classification", max_tokens=512) for _ in "ab")
        pipe = transformers.pipeline("text-classification", model=peer, tokenizer=tokenizer)

        def mine() -> list[str]:
            return [found.label for found in ours.predict(texts)]

        def rounded() -> list[str]:
            return [found.label for found in small.predict(texts)]

        def other() -> list[str]:
            return [found["label"] for found in pipe(texts, truncation=True)]

        texts, everything = texts[:64], texts
        exact, theirs = mine(), other()
        ours.network.to(torch.bfloat16)
        hold_in_eight_bits(small.network)
        peer.to(torch.bfloat16)
        near = {"fp32": theirs, "bf16": mine(), "int8": rounded(), "the peer's bf16": other()}
        texts = everything
        seconds = timed({"bf16": mine, "int8": rounded, "peer": other}, rounds)
    rates = {name: num_texts / statistics.median(taken) for name, taken in seconds.items()}
    measure, goal = "classification, BERT-base shape", Goal("≥", 6.0, "ratio")
    return [
        *(
            Row(f"{measure}, {kind}: texts/s", rates[kind], rates["peer"], goal)
            for kind in ("bf16", "int8")
        ),
        *(
            Row(
                f"classification: share of labels as in fp32, {kind}",
                sum(a == b for a, b in zip(exact, found, strict=True)) / len(exact),
                goal=Goal("≥", 1.0) if kind == "fp32" else None,
            )
            for kind, found in near.items()
        ),
    ]


def main() -> int:
    """Run, print, perhaps save; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--save", action="store_true", help="write docs/results/generation-DATE.md")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds to time")
    parser.add_argument("--only", default="", help="loads with this in their names: fp32, batch 1")
    parser.add_argument("--threads", type=int, default=1, help="threads of both sides")
    parser.add_argument("--texts", type=int, default=24, help="texts to take the perplexity of")
    parser.add_argument("--classify", type=int, default=512, help="texts to classify")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(options.threads)
    path = find_model(MODEL)
    checkpoint, limit = load_model(path), bandwidth()
    (ids,) = load_tokenizer(path).encode_ids([TEXT])
    hold = {"int8": hold_in_int8, "int4": hold_in_int4}
    near = {"int8": NEAR, "int4": Goal("≤", 0.03)}
    rows = [Row("bandwidth of one thread, GB/s", limit / 1e9)]
    with TemporaryDirectory() as folder:
        save_model(checkpoint.model, checkpoint.family, Path(folder))
        for precision in ("fp32", "bf16", "int8", "int4"):
            chosen = [x for x in loads(ids) if options.only in f"{x.name}, {precision}"]
            if not chosen:
                continue
            dtype = torch.float32 if precision == "fp32" else torch.bfloat16
            peer = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=dtype).eval()
            peer.generation_config.eos_token_id = None
            model = load_model(Path(folder)).model.eval().to(dtype)
            if precision in hold:
                model = load_model(Path(folder)).model.eval()
                before = perplexity(model, path, options.texts)
                after = perplexity(hold[precision](model), path, options.texts)
                measure = f"{precision}: share of perplexity added"
                rows.append(Row(measure, after / before - 1, goal=near[precision]))
            for load in chosen:
                rows += measured(model, peer, load, precision, options.rounds, limit)
                print(*(f"{r.measure} {r.ours:.4g} {r.peer or ''}" for r in rows), file=sys.stderr)
    if options.only in "classification":
        rows += classified(options.classify, options.rounds)
    notes = (__doc__ or "").partition("\n\n")[2]
    return 0 if publish("generation", rows, notes=notes, save=options.save) else 1


if __name__ == "__main__":
    sys.exit(main())
