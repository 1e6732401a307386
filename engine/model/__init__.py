"""The network: language model with two experts, vision encoder, autoencoder, and their assembly.

Arithmetic only. Reading files is ``engine.checkpoints``; contexts, decoding and flow sampling are
``engine.inference``; nothing here knows what a protocol or a step is.
"""
