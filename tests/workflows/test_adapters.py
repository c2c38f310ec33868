"""Adapters from training to answers: saved, read, merged, switched, resumed; frozen parts."""

import json
from pathlib import Path

import pytest
import torch

import mason
from benchmarks.large import SHAPES, write_random
from mason.errors import CheckpointError, SettingsError
from mason.models.adapters import Bits
from mason.models.packed import Packed
from mason.models.peft import CONFIG, WEIGHTS
from mason.settings import load_settings
from mason.workflows import Classifier, Run, merge_adapter
from mason.workflows.adapting import recomputes
from mason.workflows.chat_templates import settle_template
from tests.workflows.conftest import write_reviews

MODEL = "all-MiniLM-L6-v2"
STEPS = {"training.max_steps": 12, "training.epochs": 6, "output.report": False}
TEXTS = ["The lamp: works well.", "The kettle: broke in a day."]


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("reviews") / "reviews.csv")


@pytest.fixture(scope="module")
def tuned(reviews: Path) -> Run:
    return mason.train(MODEL, reviews, output=reviews.parent / "lora", adapter="lora", **STEPS)


def chances(model: object) -> torch.Tensor:
    found = model.predict(TEXTS)  # type: ignore[attr-defined]
    return torch.tensor([answer.probability for answer in found])


def test_a_folder_of_peft_answers_as_the_run_did(tuned: Run) -> None:
    assert tuned.folder is not None
    assert not (tuned.folder / "config.json").exists()
    said = json.loads((tuned.folder / CONFIG).read_text())
    assert (said["peft_type"], said["task_type"], said["r"]) == ("LORA", "SEQ_CLS", 8)
    assert said["base_model_name_or_path"] == MODEL
    again = mason.load(tuned.folder)
    assert again.adapters == ("default",)
    assert torch.equal(chances(again), chances(tuned.model))
    with again.adapter(None):
        assert not torch.equal(chances(again), chances(tuned.model))


def test_pefts_two_files_are_enough(tuned: Run, tmp_path: Path) -> None:
    """As peft writes them: the tokenizer is the base model's, whose weights nobody rounded."""
    assert tuned.folder is not None
    for name in (CONFIG, WEIGHTS):
        (tmp_path / name).write_bytes((tuned.folder / name).read_bytes())
    bare = mason.load(tmp_path, task="classification", labels=["bad", "good"])
    assert isinstance(bare, Classifier) and isinstance(tuned.model, Classifier)
    apart = abs(bare.logits(TEXTS) - tuned.model.logits(TEXTS)).max()
    assert apart < 0.01, "the run held its frozen weights in bf16, where products are in bf16"
    with bare.adapter(None):
        assert abs(bare.logits(TEXTS) - tuned.model.logits(TEXTS)).max() > 0.1


def test_merged_answers_as_the_adapter(tuned: Run, tmp_path: Path) -> None:
    assert tuned.folder is not None
    merged = merge_adapter(tuned.folder, tmp_path / "plain")
    assert merged.difference < 1e-5
    plain = mason.load(tmp_path / "plain")
    assert plain.adapters == ()
    assert torch.allclose(chances(plain), chances(tuned.model), atol=1e-5)
    with pytest.raises(CheckpointError, match="nothing was written"):
        merge_adapter(tuned.folder, tmp_path / "half", half=True, tolerance=1e-9)
    assert not (tmp_path / "half").exists()


def test_checkpoints_hold_what_learns_and_a_stopped_run_goes_on(
    reviews: Path, tmp_path: Path
) -> None:
    options = STEPS | {"adapter": "lora", "output.checkpoint_steps": 4}
    whole = mason.train(MODEL, reviews, output=tmp_path / "whole", **options)

    def stop(history: object) -> None:
        if history.step == 6:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mason.train(MODEL, reviews, output=tmp_path / "cut", watch=stop, **options)
    kept = [p for p in (tmp_path / "cut").rglob("model.safetensors")]
    assert kept and all(p.stat().st_size < 3_000_000 for p in kept)
    gone_on = mason.resume(tmp_path / "cut")
    assert torch.equal(chances(gone_on.model), chances(whole.model))


def test_adapters_share_a_base_and_are_switched_by_name(tuned: Run, tmp_path: Path) -> None:
    from mason.layers import AdapterSpec
    from mason.models.adapters import attach, places_of
    from mason.models.peft_writing import write_adapter

    folders = []
    for seed in (1, 2):
        model = mason.load(MODEL, task="embedding")
        attach(model.network, AdapterSpec(rank=4), places_of(model.network, model.family))
        torch.manual_seed(seed)
        for name, parameter in model.network.named_parameters():
            if name.endswith(".up"):
                torch.nn.init.normal_(parameter, std=0.05)
        folders.append(tmp_path / str(seed))
        folders[-1].mkdir()
        names = {"name": "default", "base": MODEL, "revision": None, "beside": ()}
        write_adapter(model.network, model.family, folders[-1], **names)  # type: ignore[arg-type]
    model = mason.load(MODEL, task="embedding")
    before = torch.as_tensor(model.predict(TEXTS))
    model.add_adapter("one", folders[0])
    model.add_adapter("two", folders[1])
    assert model.adapters == ("one", "two")
    found = {}
    for name in ("one", "two"):
        with model.adapter(name):
            found[name] = torch.as_tensor(model.predict(TEXTS))
    assert torch.equal(torch.as_tensor(model.predict(TEXTS)), before)
    assert not torch.allclose(found["one"], found["two"], atol=1e-3)
    with pytest.raises(SettingsError, match="has no adapter 'three'"), model.adapter("three"):
        pass
    with pytest.raises(SettingsError, match="cannot name an adapter"):
        model.add_adapter("one", folders[1])


@pytest.mark.parametrize("bits", [8, 4])
def test_a_base_of_few_bits_learns_and_comes_back(reviews: Path, tmp_path: Path, bits: int) -> None:
    options = STEPS | {"adapter": "lora", "adapter.base_bits": str(bits)}
    run = mason.train(MODEL, reviews, output=tmp_path / "run", **options)
    losses = [step["loss"] for step in run.results["training"]["steps"]]
    assert losses[-1] < losses[0]
    encoder = run.model.network.encoder
    assert encoder is not None and encoder.recompute == (bits == 4), "memory is what 4 bits are for"
    again = mason.load(tmp_path / "run")
    assert torch.equal(chances(again), chances(run.model))
    assert merge_adapter(tmp_path / "run", tmp_path / "plain").difference < 1e-5
    more = mason.train(tmp_path / "run", reviews, **STEPS | {"training.max_steps": 1})
    assert more.model.network.encoder is not None
    assert more.model.network.encoder.recompute == (bits == 4), "the folder remembers it"


@pytest.mark.parametrize("asked", [None, True, False])
@pytest.mark.parametrize("bits", [None, 4, 8])
def test_activations_are_computed_again_beside_4_bits(
    asked: bool | None, bits: Bits | None
) -> None:
    told: list[str] = []
    given = {} if asked is None else {"training.recompute": asked}
    found = recomputes(load_settings(None, given).settings, bits, told.append)
    assert found == (asked or (asked is None and bits == 4))
    assert bool(told) == (asked is None and bits == 4), "said where it was not asked for"


@pytest.mark.parametrize(
    ("options", "learns"),
    [
        ({"training.freeze": "body"}, lambda name: name.startswith("heads.")),
        ({"training.freeze": "weights"}, lambda name: name.endswith("bias") or "heads." in name),
        ({"training.freeze_layers": 6}, lambda name: "heads." in name),
    ],
)
def test_frozen_parts_stay_and_the_folder_is_plain(
    reviews: Path, tmp_path: Path, options: dict[str, object], learns: object
) -> None:
    run = mason.train(MODEL, reviews, output=tmp_path / "run", **STEPS, **options)
    before = dict(mason.load(MODEL, labels=["bad", "good"]).network.named_parameters())
    for name, parameter in run.model.network.named_parameters():
        if not learns(name):  # type: ignore[operator]
            assert torch.equal(parameter, before[name]), name
    assert (tmp_path / "run" / "config.json").exists()


def test_names_of_other_tools() -> None:
    given = {"finetuning_type": "lora", "lora_rank": "4", "lora_target": "q_proj,v_proj"}
    chosen = load_settings(None, {**given, "load_in_4bit": "true"}).settings.adapter
    assert (chosen.kind, chosen.rank, chosen.base_bits) == ("lora", 4, 4)
    assert chosen.targets == ("q_proj", "v_proj")
    with pytest.raises(SettingsError, match="base_bits is '5'; it must be one of 4, 8, 16, 32"):
        load_settings(None, {"adapter.base_bits": "5"})


def test_settings_that_do_not_fit_are_refused(reviews: Path) -> None:
    with pytest.raises(SettingsError, match=r"adapter\.rank means nothing to a run without"):
        mason.train(MODEL, reviews, **{"adapter.rank": 4})
    with pytest.raises(SettingsError, match="no linear map is called knee"):
        mason.train(MODEL, reviews, adapter="lora", **{"adapter.targets": "knee"})


@pytest.mark.parametrize("kind", ["prompt", "prefix"])
def test_virtual_tokens_learn_to_talk_and_come_back(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mason.workflows.talker._LONGEST", 4)  # random weights find no end
    plain, talks = tmp_path / "plain", tmp_path / "talks.jsonl"
    plain.mkdir()
    write_random(plain, SHAPES["tiny"])
    talker = mason.load(plain, task="dialogue")
    settle_template(talker, "chatml")  # type: ignore[arg-type]
    base = tmp_path / "talker"
    base.mkdir()
    talker.write(base)
    turns = [{"role": "user", "content": "Old?"}, {"role": "assistant", "content": "The sun."}]
    rows = [json.dumps({"messages": [{**turns[0], "content": f"Old {i}?"}, turns[1]]})
            for i in range(40)]  # fmt: skip
    talks.write_text("\n".join(rows), "utf-8")
    run = mason.train(
        base,
        talks,
        task="dialogue",
        output=tmp_path / "out",
        adapter=kind,
        num_virtual_tokens=5,
        **STEPS | {"training.max_steps": 4},
    )
    said = json.loads((tmp_path / "out" / CONFIG).read_text())
    assert (said["num_virtual_tokens"], said["num_transformer_submodules"]) == (5, 1)
    assert run.results["cost"]["forecast_memory_bytes"] > 0, "looked at before it began"
    again = mason.load(tmp_path / "out")
    packed = Packed.of([[5, 9, 7], [3]])
    with torch.no_grad():
        ours, theirs = (m.network.logits("language", packed) for m in (run.model, again))
        assert torch.equal(ours, theirs)
        with again.adapter(None):
            assert not torch.equal(again.network.logits("language", packed), theirs)
    with pytest.raises(SettingsError, match="cannot be merged"):
        merge_adapter(tmp_path / "out", tmp_path / "merged")
    with pytest.raises(SettingsError, match=r"adapter\.rank is for adapters of linear maps"):
        mason.train(base, talks, task="dialogue", adapter=kind, lora_rank=4)
    with pytest.raises(SettingsError, match="an adapter holds nothing"):
        settle_template(mason.load(plain, task="dialogue"), "chatml", adapts=True)  # type: ignore[arg-type]
