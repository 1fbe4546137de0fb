"""`clnorm data prepare`, `clnorm data check` and `clnorm data audit`."""

import argparse
import shlex
from pathlib import Path

from clnorm.cli.flags import FLAGS, Verbs, add_root, add_set, merge_flags, resolve_root
from clnorm.cli.output import print_json, print_text
from clnorm.errors import ClnormError, UserError


def add_data(data: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    verbs = data.add_subparsers(required=True, metavar="prepare|check|audit")
    _add_prepare(verbs, common)
    _add_check(verbs, common)
    _add_audit(verbs, common)


def _add_prepare(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    prepare = verbs.add_parser(
        "prepare",
        parents=[common],
        help="bring a dataset into the layout that runs read",
        description="hmdb51 and ucf101: from their archives, or from a folder of class folders, a mirror's included. "
        "folder: write clips.csv, the list of any folder of videos. Given again, it continues.",
    )
    prepare.add_argument("dataset", help="hmdb51, ucf101, or folder with its options, such as folder:group=prefix")
    add_root(prepare)
    prepare.add_argument(
        "--from",
        dest="sources",
        action="append",
        default=[],
        metavar="PATH",
        help="an archive (RAR, ZIP) or a folder to take clips and lists from; may be given several times",
    )
    prepare.add_argument(
        "--download",
        action="store_true",
        help="download the archives to ROOT/archives, from the authors' server; HMDB51's is reported to be gone",
    )
    prepare.add_argument(
        "--mirror",
        action="store_true",
        help="with --download: HMDB51 from a mirror on the Hugging Face hub, one commit of MichiganNLP/hmdb (4.2 GB); "
        "needs clnorm[hub]",
    )
    prepare.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="MD5",
        help="take an archive of this md5 though it is not an official one",
    )
    prepare.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=N",
        help="take archives with more in them: entries=50k, bytes=50G (unpacked) or ratio=100 (unpacked to packed) are "
        "the most of each else; may be given several times",
    )
    prepare.set_defaults(verb=_prepare_data)


def _add_check(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    check = verbs.add_parser(
        "check",
        parents=[common],
        help="count clips, splits and groups; name what is missing, superfluous or damaged",
        description="Counts clips, splits and groups, compares them with the lists and what is published, and reads "
        "the header of every clip. No frame is decoded without --decode.",
    )
    check.add_argument("dataset", help=FLAGS["dataset"])
    add_root(check)
    check.add_argument("--decode", action="store_true", help="decode every frame of every clip; name what is damaged")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(verb=_check_data)


def _prepare_data(options: argparse.Namespace) -> None:
    from clnorm.catalogue import DATASETS
    from clnorm.console import ConsoleReporter
    from clnorm.data.check.check import check_dataset
    from clnorm.data.prepare.any_folder import prepare_folder
    from clnorm.data.prepare.limits import parse_limits
    from clnorm.data.prepare.official import READERS, prepare_archives

    dataset = DATASETS.parse(options.dataset, where="dataset")
    if (given := resolve_root(options)) is None:
        raise UserError("no folder is given to prepare", where="clnorm data prepare", hint="pass --data-root FOLDER")
    root = Path(given).expanduser()
    said: list[str] = []
    with ConsoleReporter() as reporter:
        if dataset.name in READERS:
            prepare_archives(
                dataset.name,
                root,
                sources=[Path(path).expanduser() for path in options.sources],
                fetch=options.download,
                mirror=options.mirror,
                accept=[md5.lower() for md5 in options.accept],
                limits=parse_limits(options.limit),
                reporter=reporter,
            )
            table, survey = dataset.build(root, progress=None), check_dataset(dataset, root)
            said = [f"note: {note}\n" for note in survey.notes] + [f"wrong: {wrong}\n" for wrong in survey.problems]
        elif dataset.name == "folder":
            if options.sources or options.download or options.mirror or options.accept or options.limit:
                what = "a folder of your own is prepared where it lies"
                hint = "leave out --from, --download, --mirror, --accept and --limit"
                raise UserError(what, where="folder", hint=hint)
            table = prepare_folder(root, reporter=reporter, **dataset.kwargs)
        else:
            raise UserError(f"{dataset.name!r} needs no preparing", where="dataset", legal=[*READERS, "folder"])
    unused = len(table) - len(table.train_ids) - len(table.test_ids)
    print_text(
        f"{dataset.name} is ready in {root}: {len(table):,} clips of {len(table.classes)} classes, "
        f"{len(table.train_ids):,} for training, {len(table.test_ids):,} for testing, {unused:,} unused.\n"
        f"{''.join(said)}next: clnorm data check {shlex.quote(options.dataset)} --data-root {shlex.quote(str(root))}"
    )


def _check_data(options: argparse.Namespace) -> None:
    from clnorm.catalogue import DATASETS
    from clnorm.console import ConsoleReporter
    from clnorm.data.check.check import check_dataset
    from clnorm.data.check.videos import check_videos

    dataset = DATASETS.parse(options.dataset, where="dataset")
    root = Path(given).expanduser() if (given := resolve_root(options)) is not None else None
    if root is not None and not root.is_dir():
        raise UserError("there is no such folder", where=str(root), hint="give the dataset's folder")
    survey = check_dataset(dataset, root)
    with ConsoleReporter() as reporter:
        check_videos(survey, reporter, decode=options.decode)
    if options.json:
        print_json(survey.to_dict())
    else:
        from clnorm.cli.show.dataset import print_survey

        print_survey(survey)
    if survey.problems:
        count = len(survey.problems)
        what = "1 thing is wrong" if count == 1 else f"{count} things are wrong"
        shown = "under 'problems'" if options.json else "above, after 'wrong:'"
        raise ClnormError(what, where=survey.root or survey.dataset, hint=f"what it is stands {shown}")


def _add_audit(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    audit = verbs.add_parser(
        "audit", parents=[common], help="class counts, looks, motion, leaks, duplicates and drift of a dataset"
    )
    audit.add_argument("dataset", help=FLAGS["dataset"])
    add_root(audit)
    audit.add_argument("--protocol", help=FLAGS["protocol"])
    audit.add_argument("--seed", help="seed of the class order and of what the audit draws")
    audit.add_argument("--out", metavar="FILE", help="HTML file to write the whole report to")
    audit.add_argument("--json", action="store_true", help="print JSON")
    add_set(audit)
    audit.set_defaults(verb=_audit)


def _audit(options: argparse.Namespace) -> None:
    from clnorm.audit.audit import IMAGE_SIZE, audit_dataset
    from clnorm.audit.html import write_html
    from clnorm.cli.show.audit import print_audit
    from clnorm.config.load import load_config
    from clnorm.console import ConsoleReporter
    from clnorm.pages.page import check_page

    options.data_root = resolve_root(options)
    given = merge_flags(options, ("dataset", "data-root", "protocol", "seed"))
    config = load_config(None, {"data.image_size": IMAGE_SIZE, **given})
    path = None if options.out is None else Path(options.out).expanduser()
    if path is not None:
        check_page(path)  # an audit takes its time
    with ConsoleReporter() as reporter:
        report = audit_dataset(config, reporter=reporter)
        if path is not None:
            write_html(report, path)
            reporter.note(f"report: {path}")
    if options.json:
        print_json(report.to_dict())
    else:
        print_audit(report)
