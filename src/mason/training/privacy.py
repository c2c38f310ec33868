"""Training whose result hardly depends on any one row (DP-SGD, Abadi et al. 2016).

Each step takes every row with the same chance, cuts the gradient of each row to the same norm,
and adds noise to their sum. What is promised is an ε: by how much a row can change the chance of
anything that is seen of the weights, but for a chance δ. The budget is counted by opacus (Rényi
accounting); the gradients are ours, since opacus wraps layers that read padded batches.
"""

import warnings
from dataclasses import dataclass
from importlib.util import find_spec

from mason.errors import SettingsError

ACCOUNTANT = "rdp"


@dataclass(frozen=True)
class Privacy:
    """What a private run does and promises.

    Attributes:
        epsilon: Asked for; the whole run keeps below it.
        delta: Chance that the promise does not hold; below one over the number of rows.
        noise: Standard deviation of the noise, by the norm that gradients are cut to.
        chance: Of a row to be in a step.
    """

    epsilon: float
    delta: float
    noise: float
    chance: float

    @classmethod
    def within(
        cls, epsilon: float, delta: float | None, *, rows: int, steps: int, size: int
    ) -> "Privacy":
        """The least noise that keeps a run within a budget.

        Args:
            epsilon: Of the whole run.
            delta: None: a tenth of one over ``rows``.
            rows: Rows that are learned from.
            steps: Of the whole run.
            size: Rows a step has on average.

        Raises:
            SettingsError: opacus is missing, δ promises nothing, or no noise is enough.
        """
        if find_spec("opacus") is None:
            raise SettingsError(
                'A private run needs opacus to count its budget: pip install "mason-lm[privacy]"'
            )
        from opacus.accountants.utils import get_noise_multiplier

        chosen = 0.1 / rows if delta is None else delta
        if chosen >= 1 / rows:
            raise SettingsError(
                "--training.privacy-delta is {delta:g}, and with {rows} rows a δ of {most:g} or "
                "more lets one row be given away whole; choose a smaller one.",
                delta=chosen,
                rows=rows,
                most=1 / rows,
            )
        chance = min(1.0, size / rows)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # orders at the end of the range: a looser bound
                noise = get_noise_multiplier(
                    target_epsilon=epsilon,
                    target_delta=chosen,
                    sample_rate=chance,
                    steps=steps,
                    accountant=ACCOUNTANT,
                )
        except ValueError:
            raise SettingsError(
                "No noise keeps {steps} steps on {rows} rows within an ε of {epsilon:g}; raise "
                "--training.privacy-epsilon, or train fewer steps.",
                steps=steps,
                rows=rows,
                epsilon=epsilon,
            ) from None
        return cls(epsilon, chosen, float(noise), chance)

    def spent(self, steps: int) -> float:
        """The ε of so many steps."""
        from opacus.accountants import RDPAccountant

        accountant = RDPAccountant()
        accountant.history = [(self.noise, self.chance, steps)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(accountant.get_epsilon(delta=self.delta))
