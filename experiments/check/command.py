"""The words of the command ``check``."""

import argparse
import json

from .. import places
from ..calling import command
from ..store import whole
from . import answer, classroom, make, mistakes, pages, stored
from .report import TOLD
from .submission import (
    Submission,
    SubmissionError,
    number,
    read_curve,
    read_weights,
    setting_of,
)

_EXAMPLE = '{} check dd2424_a1 --run "lambda=.1, eta=.001" --test-accuracy 35.9'


def add(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter  # a command is not wrapped
    example = _EXAMPLE.format(command())
    parser.epilog = "for instance:\n  " + example.replace(" --test", " \\\n    --test")
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help=f"one of {', '.join(mistakes.SETTINGS)}"
    )
    parser.add_argument(
        "--run",
        default="",
        metavar="SETTINGS",
        help='the setting: "lambda=.1, eta=.001", or its name',
    )
    numbers = parser.add_argument_group(
        "what your run gave", "numbers after the last epoch; an accuracy as 35.9 or .359"
    )
    for column in TOLD:
        numbers.add_argument(f"--{column.replace('_', '-')}", metavar="NUMBER", dest=column)
    numbers.add_argument(
        "--curve",
        type=places.file,
        metavar="FILE",
        help="CSV: epoch or step, train_loss, val_cost, ...",
    )
    numbers.add_argument(
        "--weights", type=places.file, metavar="FILE", help="npz: the final weights and biases"
    )
    parser.add_argument(
        "--page",
        type=places.new_file,
        metavar="FILE",
        help="HTML: write what correct runs of NAME look like, and known mistakes beside them",
    )
    parser.add_argument(
        "--hide-answers", action="store_true", help="do not say which mistakes give the numbers"
    )
    many = parser.add_argument_group("for a class")
    many.add_argument(
        "--folder", type=places.folder, help="check every submission in it, JSON or CSV"
    )
    many.add_argument(
        "--csv",
        type=places.new_file,
        metavar="FILE",
        help="where the table of a class goes; its column fit is "
        "the share of correct code's runs that are further off",
    )
    many.add_argument("--bands", action="store_true", help="print what correct code gives, as JSON")
    makes = parser.add_argument_group("to work on the project")
    makes.add_argument(
        "--make",
        action="store_true",
        help="train what the stored runs of NAME lack; needs the data",
    )
    makes.add_argument("--data-dir", type=places.folder, help="where the data lie")
    makes.add_argument(
        "--seeds",
        type=int,
        default=make.SEEDS,
        metavar="N",
        help="how many of each mistake: %(default)s",
    )


def do(options: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    try:
        if options.folder is not None:
            return _class(options)
        if options.name is None:
            raise SubmissionError(
                f"check must have an assignment or a --folder; try {_EXAMPLE.format(command())}"
            )
        if options.bands or options.page:
            setting_of(options.name, next(iter(mistakes.SETTINGS.get(options.name, ("",)))))
        if options.page:
            with whole(options.page) as path:
                path.write_text(pages.html(options.name), "utf-8")
            print(options.page)
            return 0
        if options.bands:
            print(json.dumps(classroom.bands(options.name), indent=2))
            return 0
        if options.make:
            if options.seeds < 2:
                raise SubmissionError(f"--seeds must be at least 2; got {options.seeds}")
            wanted = [setting_of(options.name, options.run)] if options.run else None
            make.make(
                wanted or stored.settings(options.name).values(), options.data_dir, options.seeds
            )
            return 0
        found = answer.answer(_submission(options))
    except SubmissionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    for line in answer.lines(found, hide_mistakes=options.hide_answers):
        print(line)
    return 0


def _submission(options: argparse.Namespace) -> Submission:
    setting = setting_of(options.name, options.run)
    metrics = {
        column: getattr(options, column) for column in TOLD if getattr(options, column) is not None
    }
    for column, text in metrics.items():
        number(column, text)
    curve = None
    if options.curve is not None:
        curve = read_curve(options.curve, setting.recipe, stored.load(setting).rows["train"])
    weights = {} if options.weights is None else read_weights(options.weights, setting.recipe)
    return Submission(setting, metrics, curve, weights)


def _class(options: argparse.Namespace) -> int:
    lines = classroom.check(options.folder)
    if options.csv is not None:
        classroom.write(options.csv, lines, hide_mistakes=options.hide_answers)
    for line in lines:
        said = line.problem or line.verdict
        if line.mistakes and not options.hide_answers:
            said += f": {line.mistakes[0].mistake.says}"
        print(f"{line.given['name']:20} {line.given.get('run', ''):24} {said}")
    return 0
