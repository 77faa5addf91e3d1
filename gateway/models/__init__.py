"""What is served: a file for each kind of model, and the catalog of those that there are now."""
