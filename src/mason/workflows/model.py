"""A model as a user holds it: network, tokenizer and the contract between them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mason.models.checkpoints import save_model
from mason.models.families import Family
from mason.models.files import write_json
from mason.models.transformer import Transformer
from mason.text import InputContract, Tokenizer, save_contract

if TYPE_CHECKING:
    from mason.export.writing import Exported

FACTS_FILE = "mason.json"


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

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes in the order of the outputs; none where it writes text."""
        return self.network.spec.labels

    @abstractmethod
    def predict(self, *given: Any, **options: Any) -> Any:
        """The answer to what a user gives, or a list of them for a list."""

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
        save_model(self.network, self.family, folder, problem=self.problem)
        self.tokenizer.save(folder)
        write_json(folder / FACTS_FILE, {"task": self.task, **self.facts()})
        contract = InputContract.of(self.tokenizer, max_tokens=self.max_tokens, labels=self.labels)
        save_contract(folder, contract)

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
