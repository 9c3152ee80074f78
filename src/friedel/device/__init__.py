"""Structure factors of batches of models on a GPU, with a CPU twin of the same kernels."""
