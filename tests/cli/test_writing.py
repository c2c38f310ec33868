"""``mason complete`` and ``mason chat`` as a person types them, on a small random model."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import mason as toolkit
from mason.cli.main import run as mason
from mason.models.checkpoints import spec_of
from mason.models.families import FAMILIES
from mason.models.saving import save_model
from mason.models.transformer import Transformer
from mason.sources import find_model
from mason.text.loading import load_tokenizer

Capture = pytest.CaptureFixture[str]
FEW = ["--max-new-tokens", "7"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Llama of random weights with SmolLM2's tokenizer and chat template."""
    torch.manual_seed(7)
    path: Path = tmp_path_factory.mktemp("writer")
    tokenizer = load_tokenizer(find_model("SmolLM2-135M-Instruct"))
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 37, "vocab_size": tokenizer.num_tokens}
    spec = spec_of({"model_type": "llama", "architectures": ["LlamaForCausalLM"], **sizes})
    spec = replace(spec, initial_std=0.2)
    save_model(Transformer(spec), FAMILIES["llama"], path)
    tokenizer.save(path)
    return str(path)


def test_a_text_a_file_and_standard_input(
    folder: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mason(["complete", folder, "Once upon", *FEW]) == 0
    plain = capsys.readouterr().out
    assert mason(["complete", folder, "Once upon", *FEW, "--stream"]) == 0
    assert capsys.readouterr().out == plain
    lines = tmp_path / "texts.txt"
    lines.write_text("Once upon\nHow far\n", encoding="utf-8")
    assert mason(["complete", folder, "--input", str(lines), *FEW, "--json-lines"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [t["given"] for t in told] == ["Once upon", "How far"]
    assert told[0]["answers"][0]["text"] + "\n" == plain
    assert len(told[0]["answers"][0]["log_probabilities"]) == 7
    monkeypatch.setattr("sys.stdin", io.StringIO("Once upon\n"))
    assert mason(["complete", folder, *FEW, "--num-drafts", "3"]) == 0
    assert capsys.readouterr().out == plain


def test_several_answers_have_scores(folder: str, capsys: Capture) -> None:
    drawn = ["--temperature", "0.9", "--top-p", "0.9", "--num-return", "2", "--seed", "3"]
    assert mason(["complete", folder, "Once", *FEW, *drawn, "--json-lines"]) == 0
    (told,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    first, second = (answer["score"] for answer in told["answers"])
    assert first > second
    assert mason(["complete", folder, "Once", *FEW, "--num-beams", "2", "--num-return", "2"]) == 0
    assert "\t" in capsys.readouterr().out


def test_a_conversation_and_a_reply(
    folder: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mason(["chat", folder, "Hello.", "--system", "Be short.", *FEW]) == 0
    reply = capsys.readouterr().out
    assert len(reply) > 1
    typed = io.StringIO("Hello.\nAnd now?\n\n")
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", typed)
    assert mason(["chat", folder, "--system", "Be short.", *FEW]) == 0
    assert reply in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["complete", "{}", "a", "--top-p", "x"], "--top-p is 'x'; give a number."),
        (["complete", "{}", "a", "--top-p", "2"], "top_p is 2.0; give a number from 0.0 to 1.0."),
        (["complete", "{}", "a", "--input", "f"], "A text and --input are given"),
        (["complete", "{}", "--input", "missing.txt"], "missing.txt cannot be read"),
        (["complete", "{}", "a", "--draft", "{}"], "say how far with --num-drafts"),
        (["complete", "{}", ""], "Prompt 1 is empty"),
        (["complete", "all-MiniLM-L6-v2", "a"], "has not been trained to write"),
        (["chat", "{}", "a<|im_end|>"], "Message 1 contains <|im_end|>"),
        (["chat", "{}", "a", "--num-beams", "2", "--stream"], "One answer can be watched"),
    ],
)
def test_a_mistake_is_a_sentence(
    folder: str, words: list[str], sentence: str, capsys: Capture
) -> None:
    assert mason([word.replace("{}", folder) for word in words]) == 2
    told = capsys.readouterr().err
    assert sentence in told and told.count("\n") == 1


def test_in_python(folder: str, capsys: Capture) -> None:
    writer = toolkit.load(folder, task="generation")
    assert isinstance(writer, toolkit.Writer)
    sampling = toolkit.Sampling(max_new_tokens=7)
    (one, other) = writer.generate(["Once upon", "How far"], sampling)
    assert writer.generate("Once upon", sampling).tokens == one.tokens != other.tokens
    assert "".join(writer.stream("Once upon", sampling)) == one.text
    talk = [{"role": "user", "content": "Hello."}]
    assert "".join(writer.stream_reply(talk, sampling)) == writer.reply(talk, sampling).text


def test_answers_that_fit_a_schema_an_expression_or_a_grammar(
    folder: str, tmp_path: Path, capsys: Capture
) -> None:
    schema, grammar = tmp_path / "schema.json", tmp_path / "grammar.lark"
    schema.write_text('{"enum": ["red", "green"]}', encoding="utf-8")
    grammar.write_text('start: "red" | "green"', encoding="utf-8")
    assert mason(["complete", folder, "It is", *FEW, "--json-schema", str(schema)]) == 0
    assert json.loads(capsys.readouterr().out) in ("red", "green")
    assert mason(["chat", folder, "Which?", *FEW, "--grammar", str(grammar)]) == 0
    assert capsys.readouterr().out.strip() in ("red", "green")
    assert mason(["complete", folder, "It is", *FEW, "--regex", "[0-9]{3}-[0-9]{9}"]) == 0
    assert "ended at 7 tokens, before the constraint was met" in capsys.readouterr().err
    both = ["--regex", "a", "--grammar", str(grammar)]
    assert mason(["complete", folder, "It is", *both]) == 2
    assert "keep one of them" in capsys.readouterr().err
    assert mason(["complete", folder, "It is", "--json-schema", str(tmp_path / "none.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err
