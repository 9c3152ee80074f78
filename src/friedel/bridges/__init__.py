"""The engine inside frameworks for automatic differentiation: wiring only."""
