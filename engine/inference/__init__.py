"""Running a loaded model: contexts, text decoding, flow sampling, previews, and the painter over them."""
