"""``sarseg weights``: checkpoints of Meta's backbones, and those of the published systems."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sarseg.cli import console
from sarseg.cli.options import (
    BackboneWeightsOption,
    BandsOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    assigned_settings,
    split_names,
)
from sarseg.cli.sentences import in_sentences
from sarseg.errors import InputError, UsageError
from sarseg.model import checkpoints
from sarseg.model.checkpoints import Checkpoint, Verdict


def list_weights(as_json: JsonOption = False) -> None:
    """Say which backbones there are and where their weights lie.

    Weights are looked for in SARSEG_CACHE, else in the platform's cache folder.
    """
    from rich.table import Table

    from sarseg.model.backbone import EMBEDDED_BACKBONE, EMBEDDED_WEIGHTS, embedded_file

    embedded = embedded_file(EMBEDDED_WEIGHTS)
    rows: list[dict[str, Any]] = [
        {
            "backbone": EMBEDDED_BACKBONE,
            "file": embedded.name,
            "size": embedded.stat().st_size,
            "shipped": True,
            "path": embedded,
        }
    ]
    for checkpoint in checkpoints.RELEASED.values():
        rows.append(
            {
                "backbone": checkpoint.backbone,
                "file": checkpoint.file_name,
                "size": checkpoint.size,
                "shipped": False,
                "path": checkpoints.cached(checkpoint.backbone),
            }
        )
    folder = checkpoints.weights_folder()
    table = Table("backbone", "file", "size", "where")
    table.columns[2].justify = "right"
    for row in rows:
        where = "shipped with sarseg" if row["shipped"] else row["path"] and "here"
        table.add_row(row["backbone"], row["file"], _megabytes(row["size"]), where or "not here")
    console.stderr.print(table)
    console.say(f"here: in {folder}")
    if as_json:
        console.emit({"folder": folder, "backbones": rows})


def download_weights(
    backbone: Annotated[
        str, typer.Argument(metavar="BACKBONE", help="vit_b, vit_l or vit_h; vit_t is shipped.")
    ],
    url: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL",
            help="The file's URL, or, ending in /, that of a folder with it: https, http or file. "
            "Default: the folder whose URL is in SARSEG_WEIGHTS_URL, else Meta's.",
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache",
            metavar="DIR",
            help="Cache folder, whose weights/ gets the file; else SARSEG_CACHE, else the "
            "platform's.",
        ),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Download Meta's weights of a backbone, and check their SHA-256.

    A download that was cut short is continued. Proxies are taken from the environment.
    """
    console.set_quiet(quiet)
    checkpoint = _released(backbone)
    folder = checkpoints.weights_folder(cache)
    path = folder / checkpoint.file_name
    already = checkpoints.is_intact(path, checkpoint)
    if not already:
        _download(checkpoint, folder, url)
    console.say(
        f"{backbone} {'was already' if already else 'is now'} in {path}: "
        f"{_megabytes(checkpoint.size)}, its SHA-256 is right."
    )
    if as_json:
        console.emit(
            {
                "backbone": backbone,
                "path": path,
                "size": checkpoint.size,
                "sha256": checkpoint.sha256,
                "downloaded": not already,
            }
        )


def verify_weights(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="BACKBONE|FILE",
            help="Backbones in the cache, or any files; by default all that are in the cache.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare weights with Meta's releases by their SHA-256.

    Each file is ok, damaged or unknown (no release); the exit code is 0 where all are ok.
    """
    verdicts = [checkpoints.verify(path) for path in _files(names)]
    for verdict in verdicts:
        console.say(f"{verdict.path}: {_found(verdict)}")
    if not verdicts:
        console.say(f"There are no weights in {checkpoints.weights_folder()}.")
    if as_json:
        console.emit({"files": [_result(verdict) for verdict in verdicts]})
    wrong = [str(verdict.path) for verdict in verdicts if verdict.state != "ok"]
    if wrong:
        raise InputError(
            f"{len(wrong)} of {len(verdicts)} files are no intact weights of Meta's: "
            f"{', '.join(wrong)}. `sarseg weights download` fetches them anew."
        )


def import_weights(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="What the authors of CWSAM, SAM-Adapter or Conv-LoRA released, or their code "
            "saved: .pth or .safetensors.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Model file to write.")
    ] = Path("model.safetensors"),
    backbone_weights: BackboneWeightsOption = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            "--classes",
            metavar="NAMES.YAML",
            help="Names of the classes, by id, in the order of the checkpoint's outputs.",
        ),
    ] = None,
    legend: Annotated[
        str | None,
        typer.Option("--legend", metavar="NAME", help="Or those of fusar or fusar2 (FUSAR-Map)."),
    ] = None,
    bands: BandsOption = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the method that the checkpoint does not tell, as in method.alpha=8.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Turn a checkpoint of a published system into a model file, and say what did not match.

    Only tensors are read: nothing in the checkpoint is executed. The model takes amplitudes of 0
    to 255, as the authors' 8-bit images hold them.
    """
    from dataclasses import asdict

    from sarseg.datasets.fusar import RELEASES
    from sarseg.model.importing import ANY_BAND, import_checkpoint
    from sarseg.scenes.labels import read_class_names

    console.set_quiet(quiet)
    if classes is not None and legend is not None:
        raise UsageError("Give either --classes or --legend, not both.")
    if legend is not None and legend not in RELEASES:
        raise UsageError(f"There is no legend {legend!r}; choose one of: {', '.join(RELEASES)}.")
    named = read_class_names(classes) if classes else RELEASES[legend].classes if legend else ()
    report = import_checkpoint(
        checkpoint,
        output,
        backbone_weights=backbone_weights,
        classes=named,
        bands=split_names(bands) or ANY_BAND,
        settings=assigned_settings(assignments or [], ["method"])["method_settings"],
        overwrite=overwrite,
    )
    console.say(
        f"Wrote {output}: {report.system} on {report.backbone}, {report.classes} classes, decoder "
        f"{report.decoder}; {report.filled} tensors came from {checkpoint}."
    )
    if report.never_run:
        console.say(
            f"{len(report.never_run)} tensors that the authors' own code never runs were left out: "
            f"{_grouped(report.never_run)}."
        )
    if report.assumed:
        told = ", ".join(f"{name}={value}" for name, value in report.assumed.items())
        console.say(
            f"The checkpoint does not tell these settings, so they are as published: {told}. "
            f"Others are given by --set method.{next(iter(report.assumed))}=VALUE."
        )
    for doubt in report.doubts:
        console.warn(doubt)
    for names_of, what in (
        (report.left_out, "in the checkpoint have no place in the model and were left out"),
        (report.from_sam, "that train are not in the checkpoint and stay as in SAM"),
        (report.unlike_sam, "are frozen but unlike the backbone's, and were stored too"),
    ):
        if names_of:
            console.warn(f"{len(names_of)} tensors {what}: {_grouped(names_of)}.")
    if as_json:
        console.emit(asdict(report))


app = typer.Typer(
    help="Weights of backbones: list, download, verify; of published systems: import.",
    no_args_is_help=True,
)
app.command("list")(in_sentences(list_weights))
app.command("download")(in_sentences(download_weights))
app.command("verify")(in_sentences(verify_weights))
app.command("import")(in_sentences(import_weights))


def _grouped(names: Sequence[str]) -> str:
    """All ``names``, those that begin with the same two parts as one, with their number."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(".".join(name.split(".")[:2]), []).append(name)
    return ", ".join(
        f"{beginning}. ({len(members)})" if len(members) > 1 else members[0]
        for beginning, members in groups.items()
    )


def _released(backbone: str) -> Checkpoint:
    try:
        return checkpoints.RELEASED[backbone]
    except KeyError:
        known = ", ".join(checkpoints.RELEASED)
        raise UsageError(
            f"There are no weights of {backbone!r} to download; choose one of: {known}."
        ) from None


def _download(checkpoint: Checkpoint, folder: Path, url: str | None) -> None:
    from sarseg.model.download import download, part_file

    try:
        with console.progress(f"bytes of {checkpoint.file_name}") as report:
            download(checkpoint, folder, url=url, progress=report)
    except KeyboardInterrupt as interrupt:
        part = part_file(checkpoint, folder)
        raise KeyboardInterrupt(
            f"what has arrived is kept in {part}, and the same command goes on from there."
            if part.exists()
            else ""
        ) from interrupt


def _files(names: Sequence[str] | None) -> list[Path]:
    folder = checkpoints.weights_folder()
    in_cache = {
        backbone: folder / checkpoint.file_name
        for backbone, checkpoint in checkpoints.RELEASED.items()
    }
    if not names:
        return [path for path in in_cache.values() if path.exists()]
    files = [in_cache.get(name, Path(name)) for name in names]
    for name, path in zip(names, files, strict=True):
        if not path.is_file():
            raise InputError(
                f"The weights {path} do not exist or are no file; `sarseg weights download "
                f"{name}` fetches them."
                if name in in_cache
                else f"{name} is neither a file nor one of the backbones {', '.join(in_cache)}."
            )
    return files


def _found(verdict: Verdict) -> str:
    checkpoint = verdict.checkpoint
    if checkpoint is None:
        return f"unknown, no release of Meta's has the SHA-256 {verdict.sha256}"
    if verdict.state == "ok":
        return f"ok, {checkpoint.backbone}"
    if verdict.size != checkpoint.size:
        kind = "cut short" if verdict.size < checkpoint.size else "too long"
        return (
            f"damaged, {kind}: {verdict.size:,} bytes, {checkpoint.file_name} has "
            f"{checkpoint.size:,}"
        )
    return f"damaged, its SHA-256 is {verdict.sha256}, expected {checkpoint.sha256}"


def _result(verdict: Verdict) -> dict[str, Any]:
    checkpoint = verdict.checkpoint
    return {
        "path": verdict.path,
        "state": verdict.state,
        "backbone": checkpoint and checkpoint.backbone,
        "size": verdict.size,
        "sha256": verdict.sha256,
        "expected_size": checkpoint and checkpoint.size,
        "expected_sha256": checkpoint and checkpoint.sha256,
    }


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
