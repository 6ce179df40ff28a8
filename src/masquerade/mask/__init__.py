"""Covering what leaves, and restoring what returns."""
