"""Attacks on models, what holds against them, and what a model or its data give away."""
