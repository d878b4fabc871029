"""`wyoming-csm verify`: the user's own checkpoint through transformers and through this engine."""
