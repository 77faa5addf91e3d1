"""What is counted, and how it gets to Triton's metrics port."""
