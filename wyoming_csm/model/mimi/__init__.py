"""Mimi's decoder, exact and frame by frame: 12.5 frames of codes a second to 24 kHz sound."""
