"""The formats there are: a line for each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mason.errors import SettingsError
from mason.export.executorch import write_executorch
from mason.export.gguf import write_gguf
from mason.export.litert import write_litert
from mason.export.onnx import write_onnx
from mason.export.page import write_page
from mason.export.proof import Artefact
from mason.export.subject import Subject


@dataclass(frozen=True)
class Format:
    """A way to write a model.

    Attributes:
        name: As ``--format`` takes it.
        title: For people.
        precisions: What weights can be, the usual one first.
        write: Writes it into a folder under a name without suffix, in a precision.
        suffix: Of the file that is written; None: a folder without one file to name.
        usage: How to run it, as code of a language; ``{file}`` and ``{cut}``, the line that cuts
            texts where the model does, are filled in.
        task: What a model is loaded for, where that is not what it was trained for.
    """

    name: str
    title: str
    precisions: tuple[str, ...]
    write: Callable[[Subject, Path, str, str], Artefact]
    suffix: str | None
    usage: tuple[str, str]
    task: str | None = None

    def precision(self, asked: str | None) -> str:
        """The precision that is asked for, or the usual one.

        Raises:
            SettingsError: The format does not have it.
        """
        if asked is not None and asked not in self.precisions:
            raise SettingsError(
                "--precision is {asked!r}, which {format} does not have; choose one of {known}.",
                asked=asked,
                format=self.name,
                known=", ".join(self.precisions),
            )
        return asked or self.precisions[0]


_ONNX = """import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
{cut}tokenizer.enable_padding()
texts = tokenizer.encode_batch(["…"])
session = onnxruntime.InferenceSession("{file}")
given = {{
    "input_ids": [t.ids for t in texts],
    "attention_mask": [t.attention_mask for t in texts],
    "token_type_ids": [t.type_ids for t in texts],
}}
names = [i.name for i in session.get_inputs()]
outputs = session.run(None, {{name: given[name] for name in names}})"""

_GGUF = """llama-cli -m {file}
# or
ollama create my-model -f Modelfile && ollama run my-model"""
_EXECUTORCH = """import torch
from executorch.runtime import Runtime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
{cut}text = tokenizer.encode("…")
given = [text.ids, text.attention_mask, text.type_ids]
method = Runtime.get().load_program("{file}").load_method("forward")
inputs = [torch.tensor([part]) for part in given][: method.metadata.num_inputs()]
outputs = method.execute(inputs)"""
_LITERT = """import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
{cut}text = tokenizer.encode("…")
interpreter = Interpreter("{file}")
# Signatures tokens_32, tokens_128, …: the shortest that the text fits.
known = {{int(name.split("_")[1]): name for name in interpreter.get_signature_list()}}
length = min(n for n in known if n >= len(text.ids))
run = interpreter.get_signature_runner(known[length])
given = {{}}
parts = [text.ids, text.attention_mask, text.type_ids]
for (name, told), part in zip(sorted(run.get_input_details().items()), parts):
    given[name] = np.zeros((1, length), told["dtype"])
    given[name][0, : len(part)] = part
outputs = run(**given)"""
_PAGE = """# open index.html in a browser, from the folder or from any web server
python -m http.server"""

FORMATS = {
    f.name: f
    for f in (
        Format("onnx", "ONNX", ("fp32", "int8"), write_onnx, ".onnx", ("python", _ONNX)),
        Format(
            "gguf",
            "GGUF",
            ("f16", "q8_0", "q4_1", "q4_0"),
            write_gguf,
            ".gguf",
            ("sh", _GGUF),
            task="generation",
        ),
        Format(
            "executorch",
            "ExecuTorch",
            ("fp32",),
            write_executorch,
            ".pte",
            ("python", _EXECUTORCH),
        ),
        Format(
            "litert",
            "LiteRT",
            ("fp32", "int8"),
            write_litert,
            ".tflite",
            ("python", _LITERT),
        ),
        Format("page", "page", ("int8",), write_page, None, ("sh", _PAGE)),
    )
}


def find_format(target: Path, name: str | None) -> Format:
    """The format of a name, or else of a target's suffix.

    Raises:
        SettingsError: There is none of this name, or the suffix says none.
    """
    known = ", ".join(FORMATS)
    if name is not None and name not in FORMATS:
        raise SettingsError("--format is {name!r}; choose one of {known}.", name=name, known=known)
    if name is not None:
        return FORMATS[name]
    for found in FORMATS.values():
        if found.suffix is not None and found.suffix == target.suffix:
            return found
    raise SettingsError(
        "The name {target} does not say what to write; add --format and one of {known}.",
        target=target,
        known=known,
    )
