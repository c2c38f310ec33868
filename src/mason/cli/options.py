"""Options that several commands share, each said once, in the language in use."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from mason.language import say

Setting = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        help=say("Any setting by its name, such as --training.epochs 3; see docs/settings.md."),
    ),
]
Text = Annotated[str | None, Parameter(help=say("The column of the text."))]
Label = Annotated[str | None, Parameter(help=say("The column of the label."))]
Separator = Annotated[
    str | None, Parameter(help=say("What stands between several labels; found if left out."))
]
Pair = Annotated[str | None, Parameter(help=say("The column of a second text."))]
Target = Annotated[
    str | None, Parameter(help=say("The column of the text to write, for tasks that write one."))
]
Group = Annotated[
    str | None, Parameter(help=say("A column whose equal values must stay in one split."))
]
Columns = Annotated[
    str | None, Parameter(help=say("Names of the columns, a,b, of a csv without a header."))
]
Encoding = Annotated[
    str | None, Parameter(help=say("The encoding of the file, such as gb18030; found if left out."))
]
Format = Annotated[
    str | None,
    Parameter(help=say("csv, tsv, jsonl, json, parquet, txt or conll; else by its name.")),
]


@Parameter(name="*")
@dataclass(frozen=True)
class Reading:
    """How to read a table that models are measured on: options of several commands."""

    text: Text = None
    label: Label = None
    separator: Separator = None
    target: Target = None
    pair: Pair = None
    columns: Columns = None
    encoding: Encoding = None
    format: Format = None

    def given(self) -> dict[str, Any]:
        """As the fields of the ``data`` settings."""
        return asdict(self)


ANYHOW = Reading()
"""Everything found, nothing named."""
Tested = Annotated[
    str,
    Parameter(help=say("A file, or a folder whose test file, else its validation file, is used.")),
]
Data = Annotated[
    str | None,
    Parameter(help=say("A file, a folder with a file a split, a hub id, or catalog:NAME.")),
]
NamedModel = Annotated[
    str | None,
    Parameter(help=say("A folder, .gguf file, hub id, modelscope:owner/name or short name.")),
]
Shape = Annotated[
    str | None,
    Parameter(help=say("A shape to start from random weights, such as marian-mini.")),
]
Planned = Annotated[
    str | None,
    Parameter(
        help=say(
            "As for train; a folder with config.json alone will do, or gpt3-125m to gpt3-175b."
        )
    ),
]
Trained = Annotated[str, Parameter(help=say("The folder of a trained model."))]
Held = Annotated[
    str | None,
    Parameter(help=say("A file to hold out; a tenth of the rows if left out.")),
]
Folder = Annotated[str | None, Parameter(help=say("The folder to write."))]
Config = Annotated[str | None, Parameter(help=say("A YAML file of settings; options win over it."))]
Task = Annotated[
    str | None,
    Parameter(
        help=say(
            "classification (if left out), multilabel, regression, tagging, answering, embedding, "
            "translation, summarisation, completion, dialogue, preference, code-translation or "
            "code-completion."
        )
    ),
]
JsonLines = Annotated[bool, Parameter(help=say("Print one JSON object a line."))]
Json = Annotated[bool, Parameter(name="--json", help=say("Print one JSON object."))]
