"""How networks are run: through onnxruntime, which the detector brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime


def open_session(model: str | bytes, threads: int = 0) -> onnxruntime.InferenceSession:
    """A session on the processor for a model file or its bytes.

    Args:
        model: path or bytes of an ONNX model.
        threads: how many work on one layer; 0 is one a core. A network of many small layers is
            done sooner by one: handing out each layer takes longer than the second core saves.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Files that list their weights as inputs are warned of, once for each weight.
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    # Threads that wait by turning in circles take the time of whoever else has work: with one busy
    # neighbour on two cores detection took almost twice as long.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
