"""Maps from coefficients, and what is in them."""
