"""An opened model, and runs of a protocol on it: step by step, within limits, with failures in sentences."""
