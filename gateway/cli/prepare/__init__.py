"""Scripts that turn packaged weights into models, each run by path with the Python of an environment of its own.

They import each other as neighbours (`from publish import …`): nothing of the gateway exists in that environment.
"""
