"""What the gateway and this backend send each other: requests, records, tensors. No engine, no thread."""
