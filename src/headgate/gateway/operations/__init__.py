"""What the gateway answers beside generation: lists, counts, vectors, and its own state."""
