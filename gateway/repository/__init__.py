"""The model repositories: what lies in them, what of it is wanted, and the loop that has Triton load exactly that.

`python -m gateway.repository` runs beside a Triton with explicit model control; see docs/models.md.
"""
