"""`completion`: a shell's completion script."""

from __future__ import annotations

import argparse

from investigator.commands.common import Options

NAME = "completion"
HELP = "print a completion script for your shell"
EXAMPLE = "investigator completion bash > ~/.local/share/bash-completion/completions/investigator"
SHELLS = ("bash", "zsh", "fish")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def run(options: Options) -> int:
    """Print the script."""
    import shtab

    from investigator.cli import build_parser

    print(shtab.complete(build_parser(), shell=options.shell))
    return 0
