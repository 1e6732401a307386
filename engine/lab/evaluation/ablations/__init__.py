"""The papers' ablations on the storybook world: one part switched, all else equal, a table each."""
