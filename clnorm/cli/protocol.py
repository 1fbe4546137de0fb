"""`clnorm protocol show` and `clnorm protocol similarity`."""

import argparse
from pathlib import Path

from clnorm.cli.flags import FLAGS, add_allow_plugin, add_set, merge_flags
from clnorm.cli.output import print_json, print_text
from clnorm.errors import UserError

_MEASURED = ("dataset", "data-root", "backbone", "norm", "seed")


def add_protocol(protocol: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    verbs = protocol.add_subparsers(required=True, metavar="show|similarity")
    show = verbs.add_parser("show", parents=[common], help="the experiences that a protocol makes of a dataset")
    show.add_argument("protocol", help="a name such as tcd-5x5:order=1993, or your own: mymodule:blocks")
    show.add_argument("--dataset", default="synthetic", help="dataset, such as hmdb51 (default: synthetic)")
    show.add_argument("--data-root", help=f"{FLAGS['data-root']}, to count clips")
    show.add_argument("--seed", default="0", help="of the run (default: 0)")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(verb=_show)

    similarity = verbs.add_parser(
        "similarity", parents=[common], help="measure how alike classes are to a frozen model, for order=hard|easy"
    )
    similarity.add_argument("--config", metavar="FILE", help="YAML file of the configuration")
    add_allow_plugin(similarity)
    for flag in _MEASURED:
        similarity.add_argument(f"--{flag}", help=FLAGS[flag])
    add_set(similarity)
    similarity.add_argument("--out", metavar="FILE", required=True, help="JSON file that the similarities go into")
    similarity.set_defaults(verb=_measure)


def _show(options: argparse.Namespace) -> None:
    from clnorm.cli.show.stream import print_stream
    from clnorm.config.load import merge_config
    from clnorm.streams.view import describe_stream

    given = {"protocol": options.protocol, "dataset": options.dataset, "seed": options.seed}
    config = merge_config({}, given)
    root = Path(options.data_root).expanduser() if options.data_root is not None else None
    view = describe_stream(config.protocol, config.dataset, root, seed=config.seed)
    if options.json:
        print_json(view.to_dict())
    else:
        print_stream(view)


def _measure(options: argparse.Namespace) -> None:
    from clnorm.config.load import load_config
    from clnorm.console import ConsoleReporter
    from clnorm.execution.class_features import measure_class_similarity
    from clnorm.streams.similarity import write_similarity

    out = Path(options.out).expanduser()
    if out.is_dir() or not out.parent.is_dir():
        what = "is a folder" if out.is_dir() else f"there is no folder {out.parent}"
        raise UserError(what, where=f"--out {options.out}", hint="name a file in a folder that is there")
    config = load_config(options.config, merge_flags(options, _MEASURED), allow_plugins=options.allow_plugin)
    with ConsoleReporter() as reporter:
        names, similarity, made = measure_class_similarity(config, reporter=reporter)
    write_similarity(out, names, similarity, made=made)
    print_text(f"{options.out}: {len(names)} classes, for --set protocol=even:order=hard,similarity={options.out}")
