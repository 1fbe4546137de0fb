"""What tests of submissions forge with: records with right checksums, as somebody writes them who knows the format."""

from dataclasses import replace

from clnorm.results.folder import RunFolder, read_frame
from clnorm.results.record import read_record


def run_of(runs, norm="bn", seed=0):
    (found,) = runs.glob(f"*-{norm}-naive-s{seed}-*")
    return found


def rewrite(run, **changes):
    """The record with other values and a right checksum, as somebody writes it who knows the format."""
    record = replace(read_record(run / "record.json"), **changes)
    RunFolder(run).write("record.json", record.to_json())
    return record


def predictions_of(run):
    return read_frame(run / "predictions.parquet", hint="")


def checks_of(found, run):
    return {check for name, check in found if name == run.name}
