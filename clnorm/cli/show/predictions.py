"""What `clnorm predict` prints."""

import csv
import io
from collections.abc import Iterable

from rich.table import Table

from clnorm.cli.output import rich_stdout
from clnorm.console import as_text, csv_text
from clnorm.deploy.predict import VideoPrediction


def write_csv(predictions: Iterable[VideoPrediction]) -> str:
    """A line for each action of each video, the most probable first; probabilities from 0 to 1, names as `csv_text`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["video", "clips", "rank", "action", "probability"])
    for prediction in predictions:
        video = csv_text(prediction.video)
        for rank, item in enumerate(prediction.predictions, start=1):
            writer.writerow([video, prediction.clips, rank, csv_text(item.action), repr(item.probability)])
    return text.getvalue()


def print_predictions(predictions: Iterable[VideoPrediction]) -> None:
    """One block on stdout for each video: its name, and its actions in per cent; then what notes there are, once."""
    notes = dict[str, None]()
    with rich_stdout() as console:
        for prediction in predictions:
            console.print(as_text(prediction.video), soft_wrap=True)
            averaged = f", mean of {prediction.clips} parts" if prediction.clips > 1 else ""
            console.print(as_text(f"P(action | clip) in %{averaged}"))
            table = Table()
            table.add_column("action", overflow="fold")
            table.add_column("%", justify="right", no_wrap=True)
            for item in prediction.predictions:
                table.add_row(as_text(item.action), f"{100 * item.probability:.1f}")
            console.print(table)
            notes[prediction.note] = None
        for note in filter(None, notes):
            console.print(as_text(f"note: {note}"), soft_wrap=True)
