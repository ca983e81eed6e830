"""What must reach every part of the product: erasing, exporting and identifying people."""
