"""Under which licence a model says it may be used."""

from pathlib import Path

from mason.models.files import open_weights

_CARD = "README.md"


def licence_of(path: Path) -> str | None:
    """What the model's card, or the header of its GGUF file, names; None: neither names one."""
    if path.is_file():
        named = open_weights(path).metadata.get("general.license")
        return str(named) if named else None
    card = path / _CARD
    if not card.is_file():
        return None
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or lines[0].strip() != "---":
        return None
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if line.strip() == "---":
            break
        if name == "license":
            return value.strip().strip("\"'") or None
    return None
