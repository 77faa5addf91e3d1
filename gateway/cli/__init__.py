"""The command line: `triton-gateway up | setup | serve | doctor`.

Standard library only: it has to run before any environment exists.
"""
