"""OpenAI's shapes that several APIs share."""
