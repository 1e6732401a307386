"""What makes and measures models. Nothing outside imports it, and the studio runs without it."""
