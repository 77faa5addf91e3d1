"""What the gateway and this backend say to each other: requests, records, tensors. No engine, no thread."""
