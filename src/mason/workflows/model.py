"""A model as a user holds it: network, tokenizer and the contract between them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mason.errors import SettingsError
from mason.explanation import DEFAULT_METHOD, Explainer, Picture, Subject
from mason.models.adapters import (
    Bits,
    activate,
    active_adapter,
    adapter_names,
    check_adapter,
)
from mason.models.families import Family
from mason.models.files import write_json
from mason.models.peft import add_adapter
from mason.models.peft_writing import write_adapter
from mason.models.saving import save_model
from mason.models.transformer import Transformer
from mason.sources import base_name, find_model
from mason.text import InputContract, Tokenizer, save_contract

if TYPE_CHECKING:
    from mason.export.writing import Exported

FACTS_FILE = "mason.json"


@dataclass(frozen=True)
class Base:
    """What a model's adapters belong to.

    Attributes:
        source: What is loaded.
        revision: Of it, on its hub.
        bits: In how many its frozen maps are held.
    """

    source: str
    revision: str | None
    bits: Bits


@dataclass
class Model(ABC):
    """A network that does one task.

    Attributes:
        network: The Transformer.
        tokenizer: What cuts texts into its tokens.
        family: In whose format it is saved.
        source: Where it came from, as the user named it.
        max_tokens: Where texts are cut.
        fresh: Parameters that started from random weights.
        dropped: Tensors of the source this task has no use for.
        base: What its adapters belong to; None: it has none.
    """

    task: ClassVar[str]
    """Its name, as ``--task`` takes it."""
    problem: ClassVar[str | None] = None
    """What transformers calls it, where a class of its heads serves several."""

    network: Transformer
    tokenizer: Tokenizer
    family: Family
    source: str
    max_tokens: int | None = None
    fresh: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    base: Base | None = None

    @property
    def base_bits(self) -> Bits | None:
        """In how many bits frozen maps are held; None: nothing is frozen so."""
        return None if self.base is None else self.base.bits

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of its adapters; see ``adapter``."""
        return adapter_names(self.network)

    @contextmanager
    def adapter(self, name: str | None) -> Iterator[None]:
        """Answer with an adapter, or with none, as long as the block runs.

        Raises:
            SettingsError: There is no adapter of this name.
        """
        check_adapter(self.network, name)
        before = active_adapter(self.network)
        activate(self.network, name)
        try:
            yield
        finally:
            activate(self.network, before)

    def add_adapter(self, name: str, folder: str | Path) -> None:
        """Load another adapter for the same base under a name; it is not yet in force.

        Raises:
            MasonError: The folder cannot be read, is for another model, or the name is taken.
        """
        before = active_adapter(self.network)
        add_adapter(self.network, self.family, find_model(str(folder)), name)
        activate(self.network, before)
        if self.base is None:
            self.base = Base(self.source, None, 32)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes in the order of the outputs; none where it writes text."""
        return self.network.spec.labels

    @abstractmethod
    def predict(self, *given: Any, **options: Any) -> Any:
        """The answer to what a user gives, or a list of them for a list."""

    def subject(self, *given: Any, **options: Any) -> Subject:
        """What there is to explain of the answer to what a user gives.

        Raises:
            MasonError: The task has no such number, or the model cannot read what is given.
        """
        raise SettingsError(
            "Answers of models for {task} cannot be explained word by word yet.", task=self.task
        )

    def explain(self, *given: Any, method: str = DEFAULT_METHOD, **options: Any) -> Picture:
        """Which words of a text spoke for the model's answer, and whether to believe it.

        A picture that fails a check holds no words; ``Picture.withheld`` says why.

        Args:
            given: As for ``predict``: a text, a pair, a question and its text.
            method: One of ``mason.explanation.METHODS``.
            options: See ``subject``.

        Raises:
            MasonError: See ``subject``; or there is no such method.
        """
        return Explainer(self.network)(self.subject(*given, **options), [method])[0]

    def facts(self) -> dict[str, Any]:
        """What training learned beside the weights."""
        return {}

    def export(self, target: str | Path, **options: Any) -> "Exported":
        """Write it in a format that other programs run; see ``mason.workflows.export``."""
        from mason.workflows.exporting import export  # it knows every kind of model

        return export(self, target, **options)

    def write(self, folder: Path) -> None:
        """Write weights, config, tokenizer and contract into an existing folder."""
        self._settle_padding()
        facts = {"task": self.task, **self.facts()}
        if self.base is None:
            save_model(self.network, self.family, folder, problem=self.problem)
        else:
            facts["adapter"] = {"base_bits": self.base.bits}
            self._write_adapter(folder, self.base)
        self.tokenizer.save(folder)
        write_json(folder / FACTS_FILE, facts)
        contract = InputContract.of(self.tokenizer, max_tokens=self.max_tokens, labels=self.labels)
        save_contract(folder, contract)

    def _write_adapter(self, folder: Path, base: Base) -> None:
        name = active_adapter(self.network) or self.adapters[0]
        write_adapter(
            self.network,
            self.family,
            folder,
            name=name,
            base=base_name(base.source),
            revision=base.revision,
            beside=self.fresh,
        )

    def _settle_padding(self) -> None:
        """Name a padding token for readers that pad, where a decoder's config names none.

        transformers looks for the last token that is not padding, and refuses batches of
        decoders without such a token.
        """
        spec = self.network.spec
        if spec.topology == "decoder" and spec.special.pad is None:
            special = self.tokenizer.special
            pad = special.pad if special.pad is not None else special.eos
            self.network.spec = replace(spec, special=replace(spec.special, pad=pad))
