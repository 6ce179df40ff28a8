"""Masquerade: a privacy layer for large-model services."""

__version__ = "0.1.0"
