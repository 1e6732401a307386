"""Checkpoint folders in the public layout: reading, validating, writing, quantising, and their tokenizer."""
