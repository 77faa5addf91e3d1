"""Scripts that turn packaged weights into models, each run by its path with the Python of a separate environment.

They import each other by plain names (`from publish import …`), because that environment does not contain the gateway.
"""
