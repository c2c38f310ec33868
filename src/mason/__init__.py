"""Mason: raw text to a pretrained Transformer to a model for your task."""
