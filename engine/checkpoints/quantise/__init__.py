"""Linear layers in fewer bits: 4-bit floats, 8-bit floats, 8-bit integers, and which layers are skipped.

A quantised layer is filled a few rows at a time while a checkpoint streams in
(:mod:`engine.checkpoints.weight_loader`) and keeps everything in plain buffers, so ``state_dict``, ``.to``
and safetensors work as for any module.
"""
