"""Where bytes come from: local paths, package archives and model hubs, offline first."""

from mason.sources.cache import cache_folder
from mason.sources.find import find_data, find_model

__all__ = ["cache_folder", "find_data", "find_model"]
