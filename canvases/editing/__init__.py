"""Changes of a flow: add, move, save, remove, undo and copy steps, and move the people at them."""
