"""``mason selfcheck``: whether this machine computes what the papers say, in a minute.

Every fast path stands beside the plain one it replaces, on the device asked for, with
small random models: no download, no data.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from mason.generation import Decoding, Sampling, generate
from mason.language import say
from mason.layers import (
    Attention,
    AttentionPlan,
    AttentionSpec,
    EmbeddingSpec,
    FeedForwardSpec,
    HeadSpec,
    Layout,
    NormSpec,
    RotarySpec,
    Sight,
    StackSpec,
    native,
    reference_attention,
)
from mason.models import ModelSpec, Packed, Transformer
from mason.models.spec import Topology
from mason.models.transformer import set_dropout, set_recompute
from mason.runtime import pick_device
from mason.tasks.classification import ClassificationObjective, Examples
from mason.training.checkpoints import Checkpoints
from mason.training.history import History
from mason.training.log import Log
from mason.training.loop import fit
from mason.training.recipe import Recipe

_WIDTH, _VOCABULARY = 48, 61
_LENGTHS = (17, 3, 29, 8, 5, 21, 2)
_NEAR = 1e-4
"""Most that two ways in fp32 may differ, by the largest value: rounding, and no mistake."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: What is compared, in the user's language.
        found: What came out: a distance, a loss, or the error.
        passed: Whether it is what it must be.
        seconds: How long it took.
    """

    name: str
    found: str
    passed: bool
    seconds: float


Checked = tuple[str, bool]
"""What came out, and whether it is right."""


def selfcheck(device: str = "auto") -> Iterator[Check]:
    """Check one after another; a check that breaks down fails and the rest go on.

    Raises:
        RunError: The device named is not here.
    """
    place = pick_device(device)
    for name, check in _checks():
        start = time.monotonic()
        try:
            found, passed = check(place)
        except (RuntimeError, NotImplementedError, AssertionError) as error:
            found, passed = (str(error) or type(error).__name__).splitlines()[0], False
        yield Check(name, found, passed, time.monotonic() - start)


def _checks() -> list[tuple[str, Callable[[torch.device], Checked]]]:
    return [
        (say("attention: packed beside the five lines of the paper"), _attention),
        (say("encoder: a batch beside each text alone"), lambda on: _batched("encoder", on)),
        (say("decoder: a batch beside each text alone"), lambda on: _batched("decoder", on)),
        (say("gradients: this device beside the processor"), _gradients),
        (say("gradients: activations computed again beside kept ones"), _recomputed),
        (say("training: the loss falls"), _learns),
        (say("training: stopped and resumed beside uninterrupted"), _resumes),
        (say("generation: cached beside computed anew"), _decodes),
        (say("generation: compiled kernels beside plain paths"), _compiled),
    ]


def _spec(topology: Topology) -> ModelSpec:
    norm = NormSpec() if topology == "encoder" else NormSpec("rms")
    stack = StackSpec(
        depth=3,
        embedding=EmbeddingSpec(
            _VOCABULARY,
            positions="learned" if topology == "encoder" else None,
            num_positions=64,
            norm=norm if topology == "encoder" else None,
        ),
        attention=AttentionSpec(num_heads=4),
        feed_forward=FeedForwardSpec(width=96),
    )
    if topology == "encoder":
        heads = {"classification": HeadSpec(pool="first", dense=True, activation="tanh")}
        spec = ModelSpec(_WIDTH, encoder=stack, heads=heads, labels=("no", "yes"))
    else:
        attention = AttentionSpec(num_heads=4, num_kv_heads=2, rotary=RotarySpec())
        stack = replace(
            stack,
            attention=attention,
            norm=norm,
            placement="pre",
            final_norm=True,
            causal=True,
        )
        spec = ModelSpec(_WIDTH, decoder=stack, heads={"language": HeadSpec(tied=True)})
    return replace(spec, initial_std=0.15)


def _model(topology: Topology, device: torch.device) -> Transformer:
    torch.manual_seed(7)
    return Transformer(_spec(topology)).to(device).eval()


def _texts(lengths: tuple[int, ...] = _LENGTHS) -> list[list[int]]:
    generator = torch.Generator().manual_seed(11)
    return [torch.randint(3, _VOCABULARY, (n,), generator=generator).tolist() for n in lengths]


def _apart(ours: Tensor, theirs: Tensor) -> Checked:
    return _judged(_distance(ours, theirs))


def _distance(ours: Tensor, theirs: Tensor) -> float:
    ours, theirs = ours.detach().cpu().double(), theirs.detach().cpu().double()
    return float((ours - theirs).abs().max() / theirs.abs().max())


def _judged(distance: float) -> Checked:
    return say("differs by {distance}", distance=f"{distance:.1e}"), distance <= _NEAR


def _attention(device: torch.device) -> Checked:
    torch.manual_seed(7)
    attention = Attention(AttentionSpec(num_heads=4), _WIDTH).to(device).eval()
    layout = Layout(_LENGTHS, device=device)
    x = torch.randn(layout.num_rows, _WIDTH).to(device)
    plan = AttentionPlan(layout, layout)
    with torch.no_grad():
        ours = attention(x, plan, plan.biases(Sight(causal=True), None, x.dtype))
        parts = attention.query_key_value.split(attention.query_key_value(x))
        query, key, value = (p.unflatten(-1, (4, -1)).cpu() for p in parts)
        mixed = []
        for start, length in zip(layout.starts, layout.lengths, strict=True):
            rows = slice(start, start + length)
            q, k, v = (part[rows].transpose(0, 1) for part in (query, key, value))
            mask = torch.ones(length, length, dtype=torch.bool).tril().expand(4, -1, -1)
            mixed.append(reference_attention(q, k, v, mask).transpose(0, 1).flatten(1))
        theirs = attention.output(torch.cat(mixed).to(device))
    return _apart(ours, theirs)


def _batched(topology: Topology, device: torch.device) -> Checked:
    model, texts = _model(topology, device), _texts()
    with torch.no_grad():
        together = model(Packed.of(texts, device=device))
        alone = torch.cat([model(Packed.of([text], device=device)) for text in texts])
    return _apart(together, alone)


def _objective(num: int = 64) -> ClassificationObjective:
    """Texts whose first token says the label."""
    tokens = _texts(tuple(3 + i % 13 for i in range(num)))
    return ClassificationObjective(Examples(tokens, None, [text[0] % 2 for text in tokens]))


def _all_gradients(device: torch.device, *, recompute: bool = False, rate: float = 0.0) -> Tensor:
    model = _model("encoder", device).train()
    set_dropout(model, rate)
    set_recompute(model, recompute)
    torch.manual_seed(5)
    _objective().loss(model, range(16)).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def _gradients(device: torch.device) -> Checked:
    return _apart(_all_gradients(device), _all_gradients(torch.device("cpu")))


def _recomputed(device: torch.device) -> Checked:
    kept = _all_gradients(device, rate=0.2)
    return _apart(_all_gradients(device, recompute=True, rate=0.2), kept)


_RECIPE = Recipe(epochs=10, batch_size=8, learning_rate=2e-3, precision="fp32")


def _learns(device: torch.device) -> Checked:
    recipe = replace(_RECIPE, precision="auto")
    history = fit(_model("encoder", device), _objective(), recipe)
    losses = [step.loss for step in history.steps]
    first, last = sum(losses[:8]) / 8, sum(losses[-8:]) / 8
    told = say("from {first} to {last}", first=f"{first:.3f}", last=f"{last:.3f}")
    return told, last < 0.5 * first


class _Stopped(BaseException):
    """Stands for a kill: nothing of the loop catches it."""


def _resumes(device: torch.device) -> Checked:
    with TemporaryDirectory() as place:

        def run(die_at: int | None) -> nn.Module:
            model = _model("encoder", device)
            set_dropout(model, 0.2)
            log = Log(Path(place) / "log.jsonl")

            def watch(history: History) -> None:
                log(history)
                if history.step == die_at:
                    raise _Stopped

            keeper = Checkpoints(Path(place) / "checkpoints", log, every_steps=3)
            kept = keeper if die_at is not None or log.file.exists() else None
            fit(model, _objective(), replace(_RECIPE, epochs=2), watch=watch, keeper=kept)
            return model

        def weights(model: nn.Module) -> Tensor:
            return torch.cat([p.detach().flatten() for p in model.parameters()])

        theirs = weights(run(None))
        (Path(place) / "log.jsonl").unlink(missing_ok=True)
        try:
            run(8)
        except _Stopped:
            ours = weights(run(None))
    if torch.equal(ours, theirs):
        return say("equal to the bit"), True
    found, near = _apart(ours, theirs)
    return found, near and device.type != "cpu"


def _decodes(device: torch.device) -> Checked:
    model, prompts, num_new = _model("decoder", device), _texts(), 12
    cached = [g.tokens for g in generate(model, prompts, Sampling(num_new, stop_tokens=()))]
    anew = []
    with torch.no_grad():
        for prompt in prompts:
            text = list(prompt)
            for _ in range(num_new):
                text.append(
                    int(model.logits("language", Packed.of([text], device=device))[-1].argmax())
                )
            anew.append(text[len(prompt) :])
    same = sum(a == b for a, b in zip(cached, anew, strict=True))
    return say("{same} of {all} texts alike", same=same, all=len(prompts)), same == len(prompts)


def _compiled(device: torch.device) -> Checked:
    built = native.library()
    if built is None:
        return say("not built here; the plain paths are used"), True
    model, texts = _model("decoder", device), _texts()

    def rows() -> Tensor:
        decoding = Decoding(model, len(texts), max(_LENGTHS))
        with torch.inference_mode():
            decoding.read(Packed.of([text[:-1] for text in texts], device=device))
            return decoding.read(Packed.of([text[-1:] for text in texts], device=device))

    ours = rows()
    with native.using(None):
        theirs = rows()
    found, passed = _apart(ours, theirs)
    return f"{built.variant}, {found}", passed
