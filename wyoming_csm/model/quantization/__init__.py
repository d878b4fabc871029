"""Weights of 8 and 4 bits, and the products that read them."""
