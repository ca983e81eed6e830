"""Numbers for the pages of canvases: how long people take, when those who wait are done."""
