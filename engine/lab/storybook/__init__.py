"""The storybook world: scenes, their pictures, their English and the judge. No torch here."""
