"""The APIs: a folder each, and a line each in APIS."""
