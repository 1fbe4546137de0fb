"""What `clnorm predict` prints."""

import csv
import io
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clnorm.deploy.predict import VideoPrediction


def write_csv(predictions: Iterable[VideoPrediction]) -> str:
    """A line for each action of each video, the most probable first; probabilities from 0 to 1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["video", "clips", "rank", "action", "probability"])
    for prediction in predictions:
        for rank, item in enumerate(prediction.predictions, start=1):
            writer.writerow([prediction.video, prediction.clips, rank, item.action, repr(item.probability)])
    return text.getvalue()


def print_predictions(predictions: Iterable[VideoPrediction]) -> None:
    """One block on stdout for each video: its name, and its actions in per cent; then what notes there are, once."""
    console, notes = Console(), dict[str, None]()
    for prediction in predictions:
        # Names as Text, since in a str [brackets] would be markup.
        console.print(Text(prediction.video), soft_wrap=True)
        averaged = f", mean of {prediction.clips} parts" if prediction.clips > 1 else ""
        console.print(Text(f"P(action | clip) in %{averaged}"))
        table = Table()
        table.add_column("action", overflow="fold")
        table.add_column("%", justify="right", no_wrap=True)
        for item in prediction.predictions:
            table.add_row(Text(item.action), f"{100 * item.probability:.1f}")
        console.print(table)
        notes[prediction.note] = None
    for note in filter(None, notes):
        console.print(Text(f"note: {note}"), soft_wrap=True)
