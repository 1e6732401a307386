"""Checkpoint folders in the public layout: reading, checking, writing, and their tokenizer."""
