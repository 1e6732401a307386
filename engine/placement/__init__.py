"""How a model fits this machine: estimates memory, chooses profile and devices, loads, times a picture."""
