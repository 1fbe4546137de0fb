"""`clnorm predict` and `clnorm export`."""

import argparse
from collections.abc import Sequence

from clnorm.cli.flags import Verbs, add_allow_plugin
from clnorm.cli.output import print_json, print_note, print_text
from clnorm.errors import ClnormError, SeveralMistakesError, UserError


def add_inference(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    predict = verbs.add_parser("predict", parents=[common], help="the most probable actions in videos")
    predict.add_argument("run", help="folder of a finished run, or a file that clnorm export wrote")
    predict.add_argument(
        "videos",
        nargs="+",
        metavar="video",
        help="video file, or a folder: the videos in it; one that cannot be read is named at the end",
    )
    predict.add_argument("--top", help="actions shown (default: 5, or all where there are fewer)")
    predict.add_argument(
        "--clips", default="auto", help="parts to average over, or auto: one each full 5 s (default: auto)"
    )
    predict.add_argument("--json", action="store_true", help="print JSON, with probabilities from 0 to 1")
    add_allow_plugin(predict)
    predict.add_argument("--csv", action="store_true", help="print CSV, a line for each action of each video")
    predict.set_defaults(verb=_predict)

    export = verbs.add_parser("export", parents=[common], help="write the trained model, its norms simplified")
    export.add_argument("run", help="folder of a finished run")
    export.add_argument("--format", default="safetensors", help="safetensors or onnx (default: safetensors)")
    export.add_argument("--out", metavar="FILE", help="file to write (default: RUN/export.FORMAT)")
    add_allow_plugin(export)
    export.set_defaults(verb=_export)


def _predict(options: argparse.Namespace) -> None:
    from clnorm.cli.show.predictions import print_predictions, write_csv
    from clnorm.deploy.predict import list_videos, predict

    if options.json and options.csv:
        raise UserError("--json and --csv are both given", where="predict", hint="give one of them")
    videos, problems = list_videos(options.videos, note=print_note), list[ClnormError]()
    predictions = predict(
        options.run,
        videos,
        top=options.top,
        clips=options.clips,
        allow_plugins=options.allow_plugin,
        on_error=problems.append,
    )
    if not predictions:
        _refuse_bad(problems, count=len(videos))
    if options.csv:
        print_text(write_csv(predictions))
    elif options.json:
        from dataclasses import asdict

        print_json([asdict(prediction) for prediction in predictions])
    else:
        print_predictions(predictions)
    _refuse_bad(problems, count=len(videos))


def _refuse_bad(problems: Sequence[ClnormError], *, count: int) -> None:
    """End with the videos that cannot be predicted, of `count` that were given, where there are some.

    Raises:
        UserError: each of them is a mistake of the user's.
        ClnormError: at least one of them cannot be decoded.
    """
    if len(problems) == 1:
        raise problems[0]
    mistakes = [problem for problem in problems if isinstance(problem, UserError)]
    if problems and len(mistakes) == len(problems):
        raise SeveralMistakesError(mistakes)
    if problems:
        raise ClnormError(f"{len(problems)} of {count} videos are left out: {'; '.join(map(str, problems))}")


def _export(options: argparse.Namespace) -> None:
    from clnorm.deploy.export import export_model

    report = export_model(options.run, format=options.format, out=options.out, allow_plugins=options.allow_plugin)
    print_text(report.summary())
