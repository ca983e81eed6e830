"""Changes of a flow by its editor: add, move, save, remove, undo, copy; people pending in it."""
