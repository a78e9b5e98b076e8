"""`machine`: what this machine, or a host, has to run models with."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from investigator import __version__, settings
from investigator.commands import common
from investigator.commands.common import Options
from investigator.commands.printing import print_json, print_tables
from investigator.errors import NotInstalled
from investigator.tables import Table
from investigator.text import inert
from investigator.wire import PROTOCOL

if TYPE_CHECKING:
    from backends.machine import Machine

NAME = "machine"
HELP = "show what this machine or a host has: version, GPUs, memory, workbenches"
EXAMPLE = "investigator machine --on gpu1"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--on", default="", metavar="HOST", help="of another machine: whatever `ssh HOST` reaches")
    common.add_output(parser)


def run(options: Options) -> int:
    """Look, here or there, and say whether both sides fit together."""
    from backends.machine import look
    from backends.ssh.contact import difference

    found = there(options.on) if options.on else look()
    if options.json:
        print_json(found)
        return 0
    print_tables([table(found)])
    if options.on:
        print(*difference(options.on, found.investigator) or ("Its version is this machine's.",), sep="\n")
    return 0


def there(name: str) -> Machine:
    """Return what a host says of itself; raise NotInstalled where it cannot be understood."""
    from backends.machine import Machine
    from backends.ssh import far, words

    host = words.host_of(settings.load(), name)
    try:
        said = b"".join(far.lines(name, host, "machine", "--json"))
        found = msgspec.json.decode(said, type=Machine)
    except (far.FarError, msgspec.MsgspecError) as error:
        raise NotInstalled(
            f"The Investigator on {name} is too old to say what it has.",
            f"`investigator install --on {name}` puts {__version__} there.",
        ) from error
    if found.protocol != PROTOCOL:
        raise NotInstalled(
            f"{name} has Investigator {inert(found.investigator)} with protocol {found.protocol}, "
            f"this machine {__version__} with {PROTOCOL}.",
            f"`investigator install --on {name}` puts {__version__} there.",
        )
    return found


def table(found: Machine) -> Table:
    """Return it as a table."""
    gib = 2**30
    rows = [
        ("name", found.name),
        ("system", f"{found.system}, {found.cores} cores, Python {found.python}"),
        ("Investigator", f"{found.investigator}, protocol {found.protocol}, build {found.build}"),
        ("memory", f"{found.free / gib:.1f} of {found.memory / gib:.1f} GiB free" if found.memory else "not known"),
        *(
            (f"GPU {i}", f"{gpu.name}, {gpu.free / gib:.1f} of {gpu.memory / gib:.1f} GiB free")
            for i, gpu in enumerate(found.gpus)
        ),
        *([("GPU", found.gpu_trouble or "none")] if not found.gpus else []),
        ("workbenches", ", ".join(found.workbenches)),
    ]
    return Table("Machine", ("what", ""), tuple(rows))
