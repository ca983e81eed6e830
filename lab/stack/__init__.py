"""Start the product's processes for a rehearsal, a benchmark or a chaos run."""
