"""From a scene to its picture: backgrounds, figures, sprites."""
