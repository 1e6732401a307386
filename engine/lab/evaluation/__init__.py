"""Measures a checkpoint on the storybook world, with the judge as the only examiner."""
