"""`triton-gateway`: the arguments, and who handles them."""

import argparse
import sys
import threading

from gateway.cli.errors import Problem, Stopped
from gateway.cli.console import complain, say
from gateway.cli.layout import find_layout
from gateway.cli.setup.plan import EXTRAS, set_up
import signal

def main() -> int:
    p=argparse.ArgumentParser(); p.add_argument("cmd"); p.add_argument("--with",dest="extras",nargs="*",default=[])
    a=p.parse_args()
    stop=threading.Event()
    for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, lambda *_: stop.set())
    try:
        set_up(find_layout(), stop, a.extras)
    except Stopped:
        complain("Stopped."); return 130
    except Problem as e:
        complain(str(e)); return 1
    return 0
