"""Reflections: values at Miller indices, and statistics of them."""

from friedel.runtime.old_names import names_of

__getattr__ = names_of(__name__, "friedel.reflections.reflections")
