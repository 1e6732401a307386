"""Training from scratch: the autoencoder, the tokenizer, the storybook data, the unified model.

Everything is seeded, resumable and runs through ``restroke train``.
"""
