"""The numerics of CSM and Mimi: pure torch, imports nothing else of this package but errors."""
