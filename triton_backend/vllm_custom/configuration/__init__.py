"""What an operator has written about a model, read and checked."""
