"""What an operator has written about a model, checked."""
