"""`install`: this very version on a host, with what the host has, and the settings told where it is."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from investigator import __version__, settings, settings_edit
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.printing import print_json, print_tables
from investigator.commands.progress import Meter
from investigator.errors import BadInput
from investigator.settings import Host
from investigator.text import inert

if TYPE_CHECKING:
    from backends.ssh.install import Installed, Wish

NAME = "install"
HELP = "put this version of Investigator on a host, with its uv or its Python and pip"
EXAMPLE = "investigator install --on gpu1"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--on", required=True, metavar="HOST", help="whatever `ssh HOST` reaches")
    parser.add_argument(
        "--to", default="", metavar="FOLDER", help="folder there (default: ~/.local/share/investigator-bench)"
    )
    parser.add_argument(
        "--python",
        default="",
        metavar="PROGRAM",
        help="the Python there that makes the environment (default: the newest)",
    )
    parser.add_argument(
        "--system-site-packages", action="store_true", help="use the libraries that this Python has, its torch for one"
    )
    parser.add_argument("--offline", action="store_true", help="the host asks no package index")
    parser.add_argument("--wheels", default="", metavar="FOLDER", help="send these wheels of what it needs with it")
    parser.add_argument(
        "--wheel", default="", metavar="FILE", help="install this wheel instead of the code running here"
    )
    common.add_output(parser)


def run(options: Options) -> int:
    """Install, or find it installed, and write the command into the settings."""
    from backends.ssh import words
    from backends.ssh.contact import is_new

    host = words.host_of(settings.load(), options.on)
    meter = Meter()
    found = _install(options, host, meter)
    meter.clear()
    is_new(options.on, found.machine.investigator)
    told = _tell(options.on, host, found.command)
    if options.json:
        print_json({"command": found.command, "installed": found.fresh, "machine": found.machine})
        return 0
    from investigator.commands.machine import table

    verb = "is installed" if found.fresh else "was there already"
    print(f"Investigator {inert(found.machine.investigator)} {verb}: {inert(found.command)}")
    print(told)
    print_tables([table(found.machine)])
    return 0


def _install(options: Options, host: Host, meter: Meter) -> Installed:
    from backends.ssh import install, wheel

    own = Path(options.wheel).expanduser() if options.wheel else None
    if own is not None and not own.is_file():
        raise BadInput(f"There is no wheel {own}.", "Name a file that ends in .whl.")

    def content() -> tuple[str, bytes]:
        return (own.name, own.read_bytes()) if own else (wheel.NAME, wheel.build())

    return install.install(options.on, host, _wish(options, own), content, meter.say if sys.stderr.isatty() else _quiet)


def _quiet(_sentence: str) -> None:
    """Say nothing where nobody watches."""


def _wish(options: Options, own: Path | None) -> Wish:
    from backends.build import build_id
    from backends.ssh.install import FOLDER, Wish

    wheels = sorted(Path(options.wheels).expanduser().glob("*.whl")) if options.wheels else []
    if options.wheels and not wheels:
        raise BadInput(f"There are no wheels in {options.wheels}.", "`pip download` puts them into a folder.")
    return Wish(
        folder=options.to or FOLDER,
        python=options.python,
        system_site_packages=options.system_site_packages,
        offline=options.offline,
        build="any" if own else build_id(),
        wheels=tuple(wheels),
    )


def _tell(name: str, host: Host, command: str) -> str:
    """Write where it is into the settings, unless the host's command wraps it in another program."""
    if host.venv and f"{host.venv.rstrip('/')}/bin/investigator" == command:
        return f"[hosts.{name}] names it already."
    if host.venv or len(host.command.split()) > 1:
        return f"[hosts.{name}] calls it in its own way, which is left as it is; it lies at {inert(command)}."
    if host.command == shlex.quote(command):
        return f"[hosts.{name}] names it already."
    return f"[hosts.{name}] in {settings_edit.set_command(name, shlex.quote(command))} names it now."


def offered(name: str, why: str) -> bool:
    """Offer to install on a host, on a terminal, and do it where that is wanted; return whether it was done."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(inert(why), file=sys.stderr)
    if not common.confirmed(f"Install Investigator {__version__} on {name} now?"):
        return False
    from investigator.cli import parse

    return run(parse(["install", "--on", name])) == 0
