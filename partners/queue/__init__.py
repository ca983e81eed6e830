"""The sync queue: deliveries travel in batches and are counted once."""
