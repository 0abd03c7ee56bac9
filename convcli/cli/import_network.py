"""`convcli import`."""

from __future__ import annotations

from pathlib import Path

import click

from convcli.cli.layout import Command


@click.command("import", cls=Command)
@click.argument("model", metavar="MODEL.onnx")
@click.option("-o", "--output", required=True, metavar="NET.yaml", help="The network file; its weights go beside it.")
@click.option("--size", metavar="HxW", help="Size of the input (224x224) where the model says none.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
def command(model: str, output: str, size: str | None, overwrite: bool) -> int:
    """Make a network file, with its weights as .safetensors, of an ONNX model.

    Batch norms are folded into the convolutions before them. An operator that no layer stands for is refused by its
    name and node. Say in the file how a picture enters: picture: {channels: rgb, range: unit}.

    \b
    convcli import model.onnx -o net.yaml
    convcli apply photo.png -k net.yaml -o result.png
    """
    from convcli.batch import files
    from convcli.costs.subjects import picture_size
    from convcli.errors import KernelError, UsageError
    from convcli.networks import assemble
    from convcli.networks.onnx import reading

    if not output.endswith((".yaml", ".yml")):
        raise UsageError(f"-o {output}: a network file ends in .yaml", hint="-o net.yaml")
    weights = Path(output).with_suffix(".safetensors")
    for target in (output, str(weights)):
        files.check_target(target, overwrite=overwrite)
    try:
        from safetensors.numpy import save
    except ImportError:
        raise KernelError(
            "weights are written by the library safetensors, which is not installed",
            hint="pip install 'convcli[networks]'",
        ) from None
    imported = reading.read(Path(model), size=picture_size(size) if size else None)
    assemble(imported.network(Path(output).stem))  # what can't run is not written
    pieces = [(output, imported.naming(weights.name).encode(), overwrite)]
    if imported.arrays:
        pieces.insert(0, (str(weights), save(imported.arrays), overwrite))
    files.write_together(pieces)
    for note in imported.notes:
        click.echo(f"Warning: {model}: {note}", err=True)
    return 0
