"""The callers, the limits of each, and the number of requests in work at a time."""
