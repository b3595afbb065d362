"""Kills at every step of a flow: a process is killed at its n-th message to or from another process.

`steps` counts the messages, `victim` is the killed process, `world` has the other processes and the checks, and `flows`
has the flows. `runs` raises n until a flow ends without a kill, so that no list of steps is necessary.
"""
