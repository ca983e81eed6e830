"""The product: canvases, steps, visits."""
