"""Twin Matcher: find a person's look-alike, from a video clip to a production release."""

import os

# onnxruntime from 1.29 on reports to its makers unless it is told before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
