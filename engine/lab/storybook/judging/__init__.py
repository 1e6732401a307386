"""The judge: what is in a picture, and what differs from what was wanted."""
