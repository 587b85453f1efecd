"""Tests; the folders mirror the package."""

import os

# Several workers share the cores: threads of all of them on every core wait for one another, and
# what is small takes ten times as long. Asked for before anything imports torch, which reads it
# once. A training in a process of its own then adds up in the same order as one in this process.
os.environ.setdefault("OMP_NUM_THREADS", "1")
