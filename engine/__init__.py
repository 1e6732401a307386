"""The engine: trajectories, protocols, the network, its inference, training and serving."""

__version__ = "0.1.0"
