"""From a conversation or a text to the request that a model is asked."""
