"""The papers' data pipelines on the storybook world: what is asked, said and shown in every script.

Pure: scenes and texts, no torch. Pictures are rendered and encoded by ``engine.lab.training.shards``.
"""
