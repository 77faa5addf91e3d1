"""The images of a conversation, read and judged before a model is asked."""
