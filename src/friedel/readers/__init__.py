"""Readers: files and other packages' objects become models and reflections."""
