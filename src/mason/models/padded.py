"""A classifier called as Hugging Face's are: a padded batch in, ``.logits`` out."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.models.checkpoints import load_model
from mason.models.families import Family
from mason.models.files import writing_folder
from mason.models.heads import Head
from mason.models.packed import Packed
from mason.models.saving import save_model
from mason.models.transformer import Transformer

HEAD = "classification"


@dataclass(frozen=True)
class Outputs:
    """What a call gives.

    Attributes:
        logits: A row for each text, an output for each label.
    """

    logits: Float[Tensor, "B C"]


class PaddedModel(nn.Module):
    """A Transformer with a classification head, for loops written for Hugging Face's models.

    The padding is dropped on the way in; nothing is computed for it.

    Args:
        transformer: The model, with a head called "classification".
        family: Whose names its config has, and in whose format it is saved.
    """

    def __init__(self, transformer: Transformer, family: Family) -> None:
        super().__init__()
        self.transformer, self.family = transformer, family

    @classmethod
    def load(cls, path: Path) -> "PaddedModel":
        """The model of a folder or GGUF file, in evaluation mode, as Hugging Face gives it.

        A head that the files lack starts fresh, with two outputs.

        Raises:
            CheckpointError: The model cannot be loaded, or its family has no such head.
        """
        checkpoint = load_model(path, heads=(HEAD,))
        model = cls(checkpoint.model, checkpoint.family)
        if not model.transformer.spec.labels:
            fresh = nn.Linear(
                model.classifier.in_features, 2, bias=model.classifier.bias is not None
            )
            model.transformer.initialise(fresh)
            model.classifier = fresh
        return model.eval()

    @property
    def config(self) -> SimpleNamespace:
        """What ``config.json`` would say, under the family's own names.

        ``hidden_size`` and ``num_labels`` are there in every family.
        """
        spec = self.transformer.spec
        named = {"hidden_size": spec.width, "num_labels": len(spec.labels)}
        return SimpleNamespace(**named | self.family.write_config(spec))

    @property
    def classifier(self) -> nn.Linear:
        """The map from pooled rows to outputs; set it to change the number of labels."""
        return cast(nn.Linear, self._head.output)

    @classifier.setter
    def classifier(self, classifier: nn.Module) -> None:
        old = self.classifier
        wanted = (old.in_features, old.bias is None)
        if (
            not isinstance(classifier, nn.Linear)
            or (classifier.in_features, classifier.bias is None) != wanted
        ):
            raise SettingsError(
                "The classifier of this {family} model is nn.Linear({width}, num_labels, "
                "bias={bias}), or it could not be saved as one; {given} is not.",
                family=self.family.name,
                width=old.in_features,
                bias=old.bias is not None,
                given=classifier,
            )
        self._head.output = classifier
        spec, count = self.transformer.spec, classifier.out_features
        if len(spec.labels) != count:  # else they keep their names
            labels = tuple(f"LABEL_{i}" for i in range(count))
            self.transformer.spec = replace(spec, labels=labels)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set the classifier through its property; nn.Module would take it for a new part."""
        if name == "classifier":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def forward(
        self,
        input_ids: Int[Tensor, "B L"],
        attention_mask: Int[Tensor, "B L"] | Bool[Tensor, "B L"] | None = None,
        token_type_ids: Int[Tensor, "B L"] | None = None,
    ) -> Outputs:
        """The logits of each row.

        Args:
            input_ids: Token ids.
            attention_mask: 1 at tokens, 0 at padding; None: there is no padding.
            token_type_ids: BERT's segments; None: all zero.

        Raises:
            DataError: A row has no token, or more than the model has positions for.
        """
        source = Packed.from_padded(input_ids, attention_mask, token_type_ids)
        spec, target = self.transformer.spec, None
        if spec.topology == "encoder-decoder":
            # As Hugging Face does: the decoder reads the text once more, behind its start.
            assert spec.special.decoder_start is not None, "the family's config names it"
            target = source.shifted(spec.special.decoder_start)
        return Outputs(self.transformer.logits(HEAD, source, target))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that Mason and transformers load.

        Raises:
            CheckpointError: The folder holds files of someone else.
        """
        with writing_folder(Path(folder), kind="model") as draft:
            save_model(self.transformer, self.family, draft)

    @property
    def _head(self) -> Head:
        return cast(Head, self.transformer.heads[HEAD])
