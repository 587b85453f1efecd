"""How networks are run: through onnxruntime, which the detector brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime


def open_session(model: str | bytes) -> onnxruntime.InferenceSession:
    """A session on the processor for a model file or its bytes. It may be run by several threads.

    Each run keeps to one core: the layers of a face's networks are so small that to hand them out
    takes longer than a second core saves. Whoever has several pictures runs several at once.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Files that list their weights as inputs are warned of, once for each weight.
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
