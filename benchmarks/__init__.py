"""Speed and memory, measured by ``restroke bench``. Part of a checkout, not of the installed package.

Each benchmark prints a table with the targets beside the figures. What is compared is measured alternately
within one run, because machines drift. Quality is measured in :mod:`engine.lab.evaluation`.
"""
