"""The command line: `triton-gateway up | setup | serve | models | doctor`.

It uses only the standard library, because it has to run before any environment exists.
"""
