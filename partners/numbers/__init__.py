"""Numbers for the pages of canvases: how long people take, and when pending ones will be sent."""
