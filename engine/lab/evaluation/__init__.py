"""Measures a checkpoint on the storybook world, scored by the judge."""
