"""The pages of canvases, the step editor, and the analytics."""
