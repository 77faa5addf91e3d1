"""Which GPUs an engine gets, and how much of their memory."""
