"""Where bytes come from: local paths, package archives and model hubs, offline first."""

from mason.sources.cache import cache_folder
from mason.sources.find import base_name, find_base, find_data, find_model

__all__ = ["base_name", "cache_folder", "find_base", "find_data", "find_model"]
