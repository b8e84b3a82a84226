"""The two trainers: skip-gram (Numba) and contrastive softmax (torch)."""
