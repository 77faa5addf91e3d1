"""Keeps Triton and the gateway running, and leaves nothing behind.

supervisor    the loop: starts, watches, restarts, stops
  service       one program with its log and its back-off
  health        when a probe's answers call for a restart (pure)
  readiness     asks the gateway's /readyz, in a thread
  loading       what Triton's log says of its progress (pure)
processes     the process tree, from /proc
shared_memory files in /dev/shm, found by owner
programs      the two command lines and their environments
"""
