"""Corpora: documents, cleaned, cut into sentences and kept as tokens on disk."""
