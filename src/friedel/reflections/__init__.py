"""Reflections: values at Miller indices, and how well two sets agree."""
