"""Who asks, how much each may ask for, and how much is in work at a time."""
