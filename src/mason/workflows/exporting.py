"""A trained model in a format that other programs run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mason.errors import MasonError, SettingsError
from mason.export.formats import Format, find_format
from mason.export.proof import NUM_INPUTS
from mason.export.subject import Inputs, Subject, generated
from mason.export.writing import Exported, write_export
from mason.language import say
from mason.layers import Int8DynamicLinear
from mason.models.adapters import ROUNDED
from mason.models.eight_bits import in_eight_bits, widened
from mason.models.files import read_json
from mason.models.transformer import Transformer
from mason.text import InputContract, save_contract
from mason.workflows.answerer import Answerer
from mason.workflows.classifier import Classifier
from mason.workflows.embedder import Embedder
from mason.workflows.guesser import Guesser
from mason.workflows.labeller import Labeller
from mason.workflows.loading import load, load_as_it_is
from mason.workflows.model import Model
from mason.workflows.reading import read_texts
from mason.workflows.tagger import Tagger
from mason.workflows.text_reader import TextReader


def export(
    model: Model | str | Path,
    target: str | Path,
    *,
    format: str | None = None,
    precision: str | None = None,
    data: str | Path | None = None,
    tolerance: float | None = None,
    **options: str | None,
) -> Exported:
    """Write a model in another format, and prove that it gives what the model gives.

    Args:
        model: A model, or a name as for ``mason.load``.
        target: The folder to write; or a name that ends as the format's files do, such as
            ``shop.onnx``, which names the file in the folder ``shop``.
        format: See ``mason.export.formats``; None: by the target's name.
        precision: Of the weights; None: the format's usual one.
        data: A table of texts for the proof, as for ``mason.train``; None: those the model was
            trained on, or else texts of random words.
        tolerance: The largest difference of two outputs; None: as the format has it.
        options: Fields of the ``data`` settings, such as ``text`` and ``pair``.

    Raises:
        MasonError: The model cannot be written so, or what was written gives something else;
            then nothing is left of it.
    """
    place = Path(target)
    chosen = find_format(place, format)
    weights = chosen.precision(precision)
    ready = model if isinstance(model, Model) else _load(model, chosen)
    if ready is not model and ready.fresh:
        raise SettingsError(
            "{model} has no trained head for {task}, so that its answers would be random; train it "
            "first, and name the folder of the run.",
            model=model,
            task=ready.task,
        )
    subject = replace(subject_of(ready), network=_in_full(ready, chosen))
    inputs = _inputs(ready, subject, data, options)
    return write_export(subject, place, chosen, inputs, precision=weights, allowed=tolerance)


def _load(model: str | Path, format: Format) -> Model:
    """The task that the format writes, or that which the head in the model's files answers."""
    if format.task:
        return load(model, task=format.task)
    found = load_as_it_is(model)
    # Vectors are for models that say so, and hidden words are no answer.
    return load(model) if isinstance(found, Embedder | Guesser) else found


def _in_full(model: Model, format: Format) -> Transformer:
    """The network with its weights as ordinary numbers, of which every format is written.

    Raises:
        SettingsError: They are rounded, and what they multiply is not: only a model in 8 bits
            throughout (``hold_in_eight_bits``) is widened.
    """
    rounded = [module for module in model.network.modules() if isinstance(module, ROUNDED)]
    if any(not isinstance(module, Int8DynamicLinear) for module in rounded):
        raise SettingsError(
            "{model} holds its weights in 4 or 8 bits, and {format} is written of full ones; "
            "export the model it was made from, or of an adapter what mason merge writes.",
            model=model.source,
            format=format.title,
        )
    return widened(model.network) if in_eight_bits(model.network) else model.network


def subject_of(model: Model) -> Subject:
    """The parts of a model that an export needs."""
    heads = list(model.network.heads)
    embeds = isinstance(model, Embedder)

    def write_tokenizer(folder: Path) -> None:
        tokenizer = model.tokenizer.cleaning(None)  # other programs know no cleaner
        tokenizer.save(folder)
        limit, labels = model.max_tokens, model.labels
        contract = InputContract.of(tokenizer, max_tokens=limit, labels=labels)
        save_contract(folder, contract)

    return Subject(
        model.network,
        model.tokenizer,
        model.family,
        model.source,
        model.task,
        None if embeds else heads[0],
        model.how if isinstance(model, Embedder) else None,
        model.max_tokens,
        model.temperature if isinstance(model, Classifier | Tagger) else 1.0,
        model.threshold if isinstance(model, Labeller) else None,
        isinstance(model, Answerer) or (isinstance(model, TextReader) and bool(model.pairs)),
        write_tokenizer,
    )


def _inputs(
    model: Model, subject: Subject, data: str | Path | None, options: dict[str, str | None]
) -> Inputs:
    """The texts that go through both sides, as the model reads them."""
    origin = say("from {data}", data=Path(data).name) if data is not None else ""
    found = read_texts(data, **options) if data is not None else _trained_on(model)
    if found is None or (subject.pairs and found[1] is None):
        words = generated(subject.tokenizer, 2 * NUM_INPUTS)
        found = words[:NUM_INPUTS], words[NUM_INPUTS:]
        origin = say("random words of its vocabulary")
    texts, seconds = ([*some[:NUM_INPUTS]] if some else None for some in found)
    assert texts is not None, "a table has texts"
    encoded = subject.tokenizer.encode(
        texts, seconds if subject.pairs else None, max_tokens=subject.max_tokens
    )
    types = [e.type_ids for e in encoded] if subject.pairs else None
    return Inputs([e.ids for e in encoded], types, origin or say("texts it was trained on"))


def _trained_on(model: Model) -> tuple[Sequence[str], Sequence[str] | None] | None:
    """Texts of the run that made the model; None where it does not say, or they are gone."""
    file = Path(model.source) / "results.json"
    if not file.is_file():
        return None
    try:
        told = read_json(file)["recipe"]["settings"]["data"]
        options = {k: v for k, v in told.items() if isinstance(v, str) and k != "train"}
        return read_texts(told["train"], **options)
    except (MasonError, KeyError, TypeError):
        return None
