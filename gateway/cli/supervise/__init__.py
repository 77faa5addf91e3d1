"""Keeps Triton and the gateway running, and leaves nothing behind.

supervisor    the loop: starts, watches, restarts, stops
  service       one program with its log and its back-off
  health        decides from the probe's answers whether to restart (pure)
  readiness     asks the gateway's /readyz, in a thread
  loading       reads the progress of loading from the logs (pure)
  stubs         which model has lost its process (pure)
  advice        what to do about a failure whose cause is certain
processes     the process tree, from /proc
shared_memory finds files in /dev/shm by the process that owns them
programs      the command lines and environments of both programs
"""
