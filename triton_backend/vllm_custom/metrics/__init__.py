"""What is counted, and how Triton's metrics port learns of it."""
