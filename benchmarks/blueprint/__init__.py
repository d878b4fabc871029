"""What a GPU would be given, found without one: code generated, kernels built, launches counted."""
