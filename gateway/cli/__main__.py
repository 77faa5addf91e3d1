"""`python3 -m gateway.cli …`: find a supported Python, then run the program.

Any Python 3 may run this file and choose_python.py, so both use old syntax only.
"""

import sys

from gateway.cli import choose_python

if __name__ == "__main__":
    choose_python.ensure_supported()

    from gateway.cli.main import main

    sys.exit(main())
