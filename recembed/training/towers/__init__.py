"""The contrastive trainer: item and user towers in torch, and user towers in NumPy for serving."""
