"""The files of a deployment, each checked by the program that reads it."""
