"""From a checkpoint's files to the weights of the model."""
