"""Plain values for every room: steps, events, parts, settings, image sizes, errors. No torch, Gradio, SQL."""
