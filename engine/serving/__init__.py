"""Who runs the painter for whom: the local worker."""
