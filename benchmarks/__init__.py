"""Speed and memory, measured: ``python -m benchmarks.midsize``, ``.reuse`` and ``.gpu``.

Each prints a table with the targets beside the figures and takes ``--json FILE`` and ``--checkpoint DIR``.
What is compared is measured in turns within one run, because machines drift. Quality is measured in
:mod:`engine.lab.evaluation`.
"""
