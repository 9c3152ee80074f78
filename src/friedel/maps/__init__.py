"""Maps from coefficients, and their peaks."""
