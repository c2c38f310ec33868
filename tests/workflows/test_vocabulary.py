"""Vocabularies changed on models: rows by hand, equal answers, folders that transformers reads."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mason.cli.main import run
from mason.errors import DataError
from mason.models import Packed
from mason.models.checkpoints import load_model
from mason.models.files import verify_manifest
from mason.models.saving import save_model
from mason.models.shapes import family_of, shape
from mason.models.transformer import Transformer
from mason.sources import find_model
from mason.text import Tokenizer, load_tokenizer
from mason.text.trainers import Kind, train_tokenizer
from mason.workflows import extend_vocabulary, trim_vocabulary
from tests.contracts.source_tree import ROOT

PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = [line for line in PAGE.splitlines() if line.strip()]
CORPUS = ["The model learns from text.", "Worth every penny, naïve café.", "模型 \U0001f600"]
KINDS: dict[Kind, tuple[str, tuple[str, ...]]] = {
    "wordpiece": ("bert-tiny", ("language",)),
    "byte-bpe": ("gpt2-tiny", ("language",)),
    "unigram": ("t5-mini", ("language",)),
}


def _model(kind: Kind, folder: Path) -> tuple[Transformer, Tokenizer]:
    """A small random model with a tokenizer learned from the README, in a folder."""
    tokenizer = train_tokenizer(LINES, kind=kind, vocab_size=900)
    name, heads = KINDS[kind]
    torch.manual_seed(3)
    special = {"pad_token_id": tokenizer.special.pad, "eos_token_id": tokenizer.special.eos}
    known = {key: id for key, id in special.items() if id is not None}
    if kind == "unigram":
        known["decoder_start_token_id"] = known["pad_token_id"]
    network = Transformer(shape(name, heads=heads, vocab_size=tokenizer.num_tokens, **known))
    if network.heads["language"].output.bias is not None:  # type: ignore[union-attr]
        torch.nn.init.normal_(network.heads["language"].output.bias)  # type: ignore[union-attr,arg-type]
    folder.mkdir()
    save_model(network.eval(), family_of(name), folder)
    tokenizer.save(folder)
    return network, tokenizer


def _corpus(folder: Path) -> Path:
    (folder / "corpus.txt").write_text("\n\n".join(CORPUS), encoding="utf-8")
    return folder / "corpus.txt"


def _hidden(network: Transformer, ids: list[int]) -> torch.Tensor:
    packed = Packed.of([ids])
    target = packed if network.spec.topology == "encoder-decoder" else None
    with torch.no_grad():
        return network(packed, target)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_trimmed_model_answers_as_before(kind: Kind, tmp_path: Path) -> None:
    network, tokenizer = _model(kind, tmp_path / "model")
    said: list[str] = []
    done = trim_vocabulary(
        tmp_path / "model", str(_corpus(tmp_path)), tmp_path / "out", notice=said.append
    )
    verify_manifest(tmp_path / "out")
    loaded, shorter = load_model(tmp_path / "out").model, load_tokenizer(tmp_path / "out")
    assert shorter.num_tokens == loaded.spec.vocab_size < 0.8 * tokenizer.num_tokens
    assert shorter.num_tokens == done.tokenizer.num_tokens and "saved" in said[-1]
    for text in CORPUS:
        (old,), (new,) = tokenizer.encode_ids([text]), shorter.encode_ids([text])
        assert shorter.pieces(new) == tokenizer.pieces(old)
        assert torch.equal(_hidden(network, old), _hidden(loaded, new))
    for role, id in vars(tokenizer.special).items():
        now = getattr(shorter.special, role)
        assert (id is None) == (now is None)
        assert id is None or shorter.pieces([now]) == tokenizer.pieces([id])
    eos, pad = network.spec.special.eos, network.spec.special.pad
    for before, after in ((eos, loaded.spec.special.eos), (pad, loaded.spec.special.pad)):
        assert before is None or shorter.pieces([after]) == tokenizer.pieces([before])  # type: ignore[list-item]
    # What it never saw is spelled with bytes or characters, not lost.
    if kind == "byte-bpe":
        assert shorter.decode(shorter.encode_ids(["quick zebra"])[0]) == "quick zebra"


def test_trimming_keeps_what_bpe_merges_a_piece_from(tmp_path: Path) -> None:
    _, tokenizer = _model("byte-bpe", tmp_path / "model")
    done = trim_vocabulary(tmp_path / "model", str(_corpus(tmp_path)), tmp_path / "out")
    rules = done.tokenizer.rules["model"]
    assert all({a, b, a + b} <= rules["vocab"].keys() for a, b in rules["merges"])
    order = [tuple(m) for m in tokenizer.rules["model"]["merges"]]
    places = [order.index(tuple(m)) for m in rules["merges"]]
    assert places == sorted(places) and len(places) < len(order)


@pytest.mark.parametrize("kind", list(KINDS))
def test_new_words_begin_as_the_mean_of_their_pieces(kind: Kind, tmp_path: Path) -> None:
    network, tokenizer = _model(kind, tmp_path / "model")
    words = ["glucometer", "zygote", "the"]
    spelled = tokenizer.encode_ids(words, special=False)
    done = extend_vocabulary(tmp_path / "model", words, tmp_path / "out")
    loaded, longer = load_model(tmp_path / "out").model, load_tokenizer(tmp_path / "out")
    added = [(w, ids) for w, ids in zip(words, spelled, strict=True) if len(ids) > 1]
    assert longer.num_tokens == tokenizer.num_tokens + len(added) == loaded.spec.vocab_size
    assert done.num_before == tokenizer.num_tokens and len(added) >= 2
    old = network.spec.input_stack and network.get_parameter(_embedding(network))
    new = loaded.get_parameter(_embedding(network))
    assert torch.equal(new[: tokenizer.num_tokens], old)
    for word, ids in added:
        row = longer.token_id(word)
        assert row is not None and longer.encode_ids([f"a {word}."], special=False)[0].count(row)
        assert torch.allclose(new[row], old[ids].mean(0), atol=1e-7)
    output, before = loaded.heads["language"].output, network.heads["language"].output
    assert output.weight.shape[0] == longer.num_tokens  # type: ignore[union-attr]
    if before.bias is not None:  # type: ignore[union-attr]
        ids = added[0][1]
        row = longer.token_id(added[0][0])
        assert torch.allclose(output.bias[row], before.bias[ids].mean(), atol=1e-6)  # type: ignore[union-attr,index]
    text = "a glucometer, said the zygote"
    if kind == "byte-bpe":
        assert longer.decode(longer.encode_ids([text])[0]) == text


def _embedding(network: Transformer) -> str:
    return f"{'encoder' if network.encoder else 'decoder'}.embedding.tokens.weight"


def test_untied_outputs_get_rows_of_their_own() -> None:
    from mason.models.vocabulary import with_vocabulary

    spec = shape("bert-tiny", heads=("language",), vocab_size=131)
    spec = replace(spec, heads={"language": replace(spec.heads["language"], tied=False)})
    network = Transformer(spec)
    at = torch.tensor([130, 0, 7])
    made = with_vocabulary(network, 3, lambda old: old[at])
    for name in (_embedding(network), "heads.language.output.weight", "heads.language.output.bias"):
        assert torch.equal(made.get_parameter(name), network.get_parameter(name)[at])
    assert not torch.equal(
        made.get_parameter("heads.language.output.weight"), made.get_parameter(_embedding(made))
    )


def test_a_folder_that_was_changed_opens_in_transformers(tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    _model("wordpiece", tmp_path / "model")
    extend_vocabulary(tmp_path / "model", ["glucometer"], tmp_path / "longer")
    trim_vocabulary(tmp_path / "longer", str(_corpus(tmp_path)), tmp_path / "out")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "out")
    ours = load_tokenizer(tmp_path / "out")
    texts = ["The model learns, says the glucometer.", *CORPUS]
    assert theirs(texts)["input_ids"] == ours.encode_ids(texts)
    peer = AutoModelForMaskedLM.from_pretrained(tmp_path / "out").eval()
    ids = ours.encode_ids(texts)[0]
    with torch.no_grad():
        wanted = peer(input_ids=torch.tensor([ids])).logits[0]
        found = load_model(tmp_path / "out").model.logits("language", Packed.of([ids]))
    assert float((found - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())


def test_minilm_loses_most_of_its_vocabulary_and_nothing_else(tmp_path: Path) -> None:
    source = find_model("all-MiniLM-L6-v2")
    (tmp_path / "corpus.txt").write_text(PAGE, encoding="utf-8")
    trim_vocabulary(source, str(tmp_path / "corpus.txt"), tmp_path / "out")
    old, new = load_model(source).model, load_model(tmp_path / "out").model
    before, after = load_tokenizer(source), load_tokenizer(tmp_path / "out")
    assert after.num_tokens < 5000 and before.num_tokens == 30522
    ids = before.encode_ids(LINES[:40]), after.encode_ids(LINES[:40])
    assert [before.pieces(i) for i in ids[0]] == [after.pieces(i) for i in ids[1]]
    with torch.no_grad():
        assert torch.equal(old(Packed.of(ids[0])), new(Packed.of(ids[1])))


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _model("wordpiece", tmp_path / "model")
    (tmp_path / "words.txt").write_text("glucometer\n\nzygote\nzygote\n", encoding="utf-8")
    place = [str(tmp_path / name) for name in ("model", "words.txt", "longer", "shorter")]
    assert run(["tokenizer", "extend", place[0], "--add", place[1], "--output", place[2]]) == 0
    assert "2 of 2 words are new" in capsys.readouterr().err
    trim = ["tokenizer", "trim", place[2], "--data", str(_corpus(tmp_path)), "--output", place[3]]
    assert run(trim) == 0
    assert "saved" in capsys.readouterr().err
    kept = json.loads((tmp_path / "shorter" / "config.json").read_text(encoding="utf-8"))
    assert kept["vocab_size"] == load_tokenizer(tmp_path / "shorter").num_tokens
    assert run(["tokenizer", "extend", place[0], "--add", place[0], "--output", place[2]]) == 2


def test_words_that_are_tokens_already_are_refused(tmp_path: Path) -> None:
    _model("wordpiece", tmp_path / "model")
    with pytest.raises(DataError, match="a token already"):
        extend_vocabulary(tmp_path / "model", ["the"], tmp_path / "out")
