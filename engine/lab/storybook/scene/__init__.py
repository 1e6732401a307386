"""Scenes as plain values, and how they are sampled and edited."""
