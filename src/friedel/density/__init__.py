"""Density: atoms on a grid, its transform to structure factors, and the transposes."""
