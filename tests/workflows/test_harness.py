"""EleutherAI's harness asks a model of ours as it asks transformers'."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import transformers
from tokenizers.processors import TemplateProcessing

import mason
from mason.errors import SettingsError
from mason.workflows.harness import harness

lm_eval = pytest.importorskip("lm_eval")

PAIRS = [
    ("The radio", " works well"),
    ("The radio", " broke at once and never worked again"),
    ("", "A kettle"),
    ("A lamp that lasts ", "for years"),
    ("The " * 90, "end"),
]
TEXTS = ["The radio works well.", "A chair, a lamp and a clock. " * 30]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal model of a few steps whose positions end after 128 tokens."""
    made = tmp_path_factory.mktemp("harness")
    corpus = made / "corpus.txt"
    things = ("radio", "kettle", "lamp", "chair", "clock")
    lines = [f"The {a} works well, but the {b} broke at once." for a in things for b in things]
    corpus.write_text("\n\n".join(lines), encoding="utf-8")
    options = {"model.shape": "gpt2-tiny", "model.vocab_size": 400, "training.max_steps": 3}
    options |= {"data.valid_share": 0.2}
    mason.pretrain(str(corpus), output=made / "model", objective="causal", **options)
    return made / "model"


@pytest.fixture(scope="module")
def both(folder: Path) -> tuple[Any, Any]:
    """Ours, and the harness's own for the same folder."""
    from lm_eval.models.huggingface import HFLM

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    # It would end every text for good, and the harness asks what follows.
    first = (tokenizer.bos_token, tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{first[0]} $A", special_tokens=[first]
    )
    peer = transformers.AutoModelForCausalLM.from_pretrained(folder)
    ours = harness(mason.load(folder, task="generation"))  # type: ignore[arg-type]
    limit = ours.max_length
    return ours, HFLM(pretrained=peer, tokenizer=tokenizer, max_length=limit, device="cpu")


def asked(*arguments: Any) -> list[Any]:
    """Requests with these arguments."""
    return [SimpleNamespace(args=given) for given in arguments]


def test_likelihoods(both: tuple[Any, Any]) -> None:
    ours, theirs = (lm.loglikelihood(asked(*PAIRS), disable_tqdm=True) for lm in both)
    for (mine, greedy), (wanted, likeliest) in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(wanted, abs=1e-3) and greedy == likeliest


def test_whole_texts(both: tuple[Any, Any]) -> None:
    requests = asked(*[(text,) for text in TEXTS])
    ours, theirs = (lm.loglikelihood_rolling(requests, disable_tqdm=True) for lm in both)
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_answers(both: tuple[Any, Any]) -> None:
    options = {"until": ["."], "max_gen_toks": 8}
    ours, theirs = (
        lm.generate_until(asked(*[(t, dict(options)) for t in TEXTS[:1]]), disable_tqdm=True)
        for lm in both
    )
    assert ours == theirs


def test_a_whole_evaluation(both: tuple[Any, Any], tmp_path: Path) -> None:
    """The harness's own loop over a task of ours, without a network."""
    from lm_eval.api.task import ConfigurableTask

    rows = tmp_path / "rows.json"
    rows.write_text('[{"q": "The radio", "a": 0}, {"q": "The lamp", "a": 1}]', encoding="utf-8")
    config = {
        "task": "things",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{q}}",
        "doc_to_choice": ["works well", "broke at once"],
        "doc_to_target": "{{a}}",
    }
    told = [
        lm_eval.simple_evaluate(
            model=lm, tasks=[ConfigurableTask(config=dict(config))], bootstrap_iters=0
        )["results"]["things"]
        for lm in both
    ]
    assert told[0]["acc,none"] == told[1]["acc,none"]


def test_an_encoder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer: Any = mason.load(folder, task="generation")
    monkeypatch.setattr(writer.network, "encoder", object())
    with pytest.raises(SettingsError, match="has an encoder"):
        harness(writer)
