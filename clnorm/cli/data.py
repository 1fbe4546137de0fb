"""`clnorm data prepare`, `clnorm data check` and `clnorm data audit`."""

import argparse


def add_data(data: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    data.add_subparsers(required=True, metavar="prepare|check|audit")
