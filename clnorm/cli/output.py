"""What a command prints: data on stdout."""

import json
import sys


def print_text(text: str) -> None:
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def print_json(value: object) -> None:
    print_text(json.dumps(value, indent=2))
