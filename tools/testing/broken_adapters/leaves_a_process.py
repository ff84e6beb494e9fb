"""Starts a process that outlives it."""

import subprocess

from honest import Adapter

subprocess.Popen(["sleep", "1000"])
Adapter().serve()
