"""Structure factors of a model: planned once, calculated many times."""
