"""Start the product's processes for a trial."""
