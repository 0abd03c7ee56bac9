"""Networks changed at random: network files and ONNX models, compared, imported, and run on a small picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from convcli.errors import ConvcliError, ShapeError
from convcli.filtering import Chain, filter_pixels
from convcli.networks import runnable

from . import definitions, texts
from .case import Case, check_command, checked_error, require
from .mutations import mutant

#: Multiply-accumulates, and bytes of the maps between layers, that are not computed for a test.
MOST_MACS, MOST_BYTES = 1 << 26, 1 << 25
SIZE = (14, 12)


def run_networks(case: Case) -> str:
    """A changed network file or model: counted, imported, or run."""
    return _run_model(case) if case.random.random() < 0.4 else _run_file(case)


def _run_file(case: Case) -> str:
    random = case.random
    sources = list(definitions.networks().values())
    text = texts.kernel_text(random.choice(sources), random, sources)
    case.data = text.encode("utf-8", "surrogatepass")
    path = case.folder / "net.yaml"
    path.write_bytes(case.data)
    if random.random() < 0.3:
        arguments = ["compare", "net.yaml", *random.choice(((), ("--json",), ("--as", "depthwise_separable")))]
        return ("counted", "unfit", "refused")[check_command(arguments, case.folder, codes=(0, 1, 2))]
    return _run(path)


def _run_model(case: Case) -> str:
    random = case.random
    models = list(definitions.models().values())
    case.data = mutant(random.choice(models), "onnx", random, models)
    (case.folder / "model.onnx").write_bytes(case.data)
    for name in ("imported.yaml", "imported.safetensors"):
        (case.folder / name).unlink(missing_ok=True)
    if random.random() < 0.2:
        code = check_command(["compare", "model.onnx"], case.folder, codes=(0, 1, 2))
        return ("counted", "unfit", "refused")[code]
    code = check_command(["import", "model.onnx", "-o", "imported.yaml"], case.folder, codes=(0, 1, 2))
    there = [(case.folder / "imported.yaml").exists(), (case.folder / "imported.safetensors").exists()]
    require(all(there) if code == 0 else not any(there), f"exit code {code}, files there: {there}")
    return _run(case.folder / "imported.yaml") if code == 0 else "refused"


def _run(path: Path) -> str:
    """What becomes of a network file on a picture: as many rows and columns as were promised, or an error."""
    try:
        network = runnable.load(str(path))
        if network is None:
            return "no network"
        network.verify()
        chain = Chain([network])
        channels = network.channels[0] if network.channels else 3
        (stage,) = chain.stages(SIZE, "yx", channels)
        if stage.macs > MOST_MACS or chain.map_bytes((stage,)) > MOST_BYTES:
            return "large"
        result = filter_pixels(np.full((*SIZE, channels), 7, np.float32), chain, axes="yx")
    except ConvcliError as error:
        require(isinstance(error, ShapeError) or error.exit_code == 2, f"exit code {error.exit_code}: {error}")
        return checked_error(error)
    require(result.array.shape == stage.shape_out, f"{result.array.shape} is not {stage.shape_out}")
    return "run"
