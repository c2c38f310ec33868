"""What Mason knows by name; for now, data sets that anyone can have without a hub."""

from mason.catalog.dataset import Dataset, Figure
from mason.catalog.datasets import DATASETS, find

__all__ = ["DATASETS", "Dataset", "Figure", "find"]
