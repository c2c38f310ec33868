"""An export as a folder: the file, the tokenizer, the proof in its card; or nothing."""

import dataclasses
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mason.export.card import write_card
from mason.export.formats import Format
from mason.export.proof import Proof, prove
from mason.export.subject import Inputs, Subject
from mason.models.files import write_json, writing_folder

PROOF_FILE = "export.json"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: The file, or the folder where there is no one file.
        format: Its name.
        precision: Of its weights.
        proof: What was measured.
    """

    path: Path
    format: str
    precision: str
    proof: Proof


def write_export(
    subject: Subject,
    target: Path,
    format: Format,
    inputs: Inputs,
    *,
    precision: str,
    allowed: float | None = None,
) -> Exported:
    """Write a model in a format and prove it; the folder appears only if the proof holds.

    Args:
        subject: The model.
        target: The folder; or a name with the format's suffix, which names the folder less
            its suffix, and the file in it.
        format: In which format.
        inputs: What goes through both sides.
        precision: One of the format's.
        allowed: The largest difference; None: as the format has it.

    Raises:
        MasonError: The model cannot be written so, or what was written gives something else.
    """
    named = format.suffix is not None and target.suffix == format.suffix
    folder, stem = (target.with_suffix(""), target.stem) if named else (target, "model")
    made_from = {"model": subject.name, "format": format.name, "precision": precision}
    with writing_folder(folder, kind="export", made_from=made_from) as draft:
        if format.suffix is not None:  # a folder of its own has what it needs in it
            subject.write_tokenizer(draft)
        artefact = format.write(subject, draft, stem, precision)
        with closing(artefact):
            proof = prove(subject, artefact, inputs, allowed=allowed)
        artefact.finish(proof)
        name = f"{stem}{format.suffix}" if format.suffix else ""
        exported = Exported(folder / name, format.name, precision, proof)
        write_card(draft / "README.md", subject, format, exported)
        told = {"format": format.name, "precision": precision}
        write_json(draft / PROOF_FILE, told | dataclasses.asdict(proof))
    return exported
