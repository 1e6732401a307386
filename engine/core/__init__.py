"""The plain values every room shares: steps, events, settings, image sizes, errors. No torch, Gradio or SQL."""
