"""The English of scenes: prompts, plans, verdicts, thoughts, and reading them back."""
