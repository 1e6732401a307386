"""Compares this engine with recorded outputs of the public reference model.

Run it as ``restroke parity DIR`` on a folder with ``ckpt/``, ``inputs/`` and ``golden/``.
Everything it needs is read from that folder; the engine itself never imports this package.
"""
