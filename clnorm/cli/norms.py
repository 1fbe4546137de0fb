"""`clnorm norms check` and `clnorm norms audit`."""

import argparse

from clnorm.cli.flags import FLAGS
from clnorm.cli.output import print_json
from clnorm.errors import ClnormError


def add_norms(norms: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    verbs = norms.add_subparsers(required=True, metavar="check|audit")
    check = verbs.add_parser("check", parents=[common], help="run a norm, such as your own, through its contract")
    check.add_argument("norm", help="a name such as cn:groups=8, mynorm:ScaleNorm or torch.nn.RMSNorm")
    check.add_argument("--channels", default=48, help="channels that it is built for (default: 48)")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(verb=_check_norm)

    audit = verbs.add_parser("audit", parents=[common], help="the norm at each site of a backbone, built without data")
    audit.add_argument("--backbone", required=True, help=FLAGS["backbone"])
    audit.add_argument("--norm", required=True, help=FLAGS["norm"])
    audit.add_argument("--image-size", default=112, help="height and width of the frames (default: 112)")
    audit.add_argument("--frames", default=8, help="frames of a clip (default: 8)")
    audit.add_argument("--json", action="store_true", help="print JSON")
    audit.set_defaults(verb=_audit_norms)


def _check_norm(options: argparse.Namespace) -> None:
    from clnorm.conformance.kit import check_norm

    report = check_norm(options.norm, options.channels)
    if options.json:
        print_json(report.to_dict())
    else:
        from clnorm.cli.show.conformance import print_report

        print_report(report)
    if report.failed:
        what = "check" if len(report.failed) == 1 else "checks"
        raise ClnormError(f"{len(report.failed)} {what} failed: {', '.join(report.failed)}", where=options.norm)


def _audit_norms(options: argparse.Namespace) -> None:
    from clnorm.cli.show.sites import print_sites
    from clnorm.conformance.swap_audit import audit_norms

    audit = audit_norms(options.backbone, options.norm, image_size=options.image_size, num_frames=options.frames)
    if options.json:
        print_json(audit.to_dict())
    else:
        print_sites(audit)
