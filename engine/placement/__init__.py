"""What fits where: estimates memory, chooses a profile and devices, opens the model, times a picture."""
