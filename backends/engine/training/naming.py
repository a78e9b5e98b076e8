"""The workbench file that opens what was trained: every part by its name."""

from pathlib import Path

import tomli_w

from backends.engine.training.blind import NAME as BLIND
from backends.engine.training.folders import Folders, write_atomically
from backends.engine.training.opening import Opened
from backends.engine.training.prompt_only import NAME as PROMPT_ONLY
from backends.engine.training.recipe import Recipe
from backends.engine.training.statistics import latents_folder
from backends.engine.training.verbalizer import NAME as VERBALIZER
from backends.engine.training.verbalizer import RECONSTRUCTOR

Table = dict[str, object]


def name_parts(opened: list[Opened]) -> None:
    """Write workbench.toml into the first subject's folder, unless there is one."""
    root = opened[0].folders.root
    file = root / "workbench.toml"
    if not file.exists():
        text = tomli_w.dumps(workbench(opened))
        write_atomically(file, lambda path: _write(path, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def workbench(opened: list[Opened]) -> Table:
    """The tables of the workbench file: subjects, their autoencoders and readers, the first subject's first."""
    root, name = opened[0].folders.root, opened[0].recipe.name
    found: Table = {"name": name, "heldout": "heldout"}
    if (root / "embedder").exists():
        found["embedder"] = "embedder"
    found["subjects"] = {one.recipe.name: _subject(one, root) for one in opened}
    saes: Table = {}
    readers: Table = {}
    for one in opened:
        for layer in one.recipe.layers:
            recipe, folders = one.recipe.at(layer), one.folders.at(layer, one.recipe.sae.layer)
            saes[folders.sae_name(layer)] = _sae(recipe, folders, root)
            readers |= _readers(recipe, folders, root, default=not folders.suffix)
    readers |= _untrained(opened[0].recipe.name, opened[0].folders.sae_name(opened[0].recipe.sae.layer))
    maps = {path.parent.name: {"path": _relative(path.parent, root)} for path in sorted(root.glob("maps/*/map.json"))}
    return found | {"saes": saes, "readers": readers} | ({"maps": maps} if maps else {})


def _untrained(subject: str, sae: str) -> Table:
    """Readers without training, of any layer: the model goes on after a passage that is the activation."""
    asked = {"prompt": "{marker}<|describe|>", "marker": " x", "opening": "", "lead": "", "end": "", "parse": "all"}
    start: Table = {"subject": subject, "layer": -1, "sae": sae}
    return {
        "selfie": start | {"kind": "selfie", "injection": asked | {"slots": 3, "block": 2}},
        "patchscopes": start | {"kind": "patchscopes", "injection": asked},
    }


def _subject(one: Opened, root: Path) -> Table:
    return {
        "model": _relative(one.folders.subject, root),
        "layer": one.recipe.sae.layer,
        "statistics": _relative(one.folders.statistics / "layers.safetensors", root),
    }


def _sae(recipe: Recipe, folders: Folders, root: Path) -> Table:
    layer = recipe.sae.layer
    return {
        "subject": recipe.name,
        "layer": layer,
        "path": _relative(folders.sae(layer), root),
        "labels": _relative(folders.labels(layer), root),
        "statistics": _relative(latents_folder(folders, layer), root),
    }


def _readers(recipe: Recipe, folders: Folders, root: Path, *, default: bool) -> Table:
    """The readers of one layer that are there; the blind and the prompt-only one are controls, not readers."""
    prefix = f"{folders.root.name}-" if folders.shared else ""
    control = folders.reader(PROMPT_ONLY)
    found: Table = {}
    for path in sorted(folders.readers.glob("*/mapper.json")):
        name = path.parent.name.removesuffix(folders.suffix)
        if path.parent != folders.reader(name) or "-L" in name or name in (BLIND, PROMPT_ONLY):
            continue
        found[f"{prefix}{path.parent.name.lower()}"] = {
            "subject": recipe.name,
            "layer": recipe.sae.layer,
            "path": _relative(path.parent, root),
            "sae": folders.sae_name(recipe.sae.layer),
            **({"default": True} if default and name == "l2el" else {}),
            **({"prompt_only": _relative(control, root)} if control.exists() else {}),
        }
    return found | _verbalizer(recipe, folders, root, prefix)


def _verbalizer(recipe: Recipe, folders: Folders, root: Path, prefix: str) -> Table:
    """The NLA verbalizer of one layer, where there is one."""
    path = folders.reader(VERBALIZER)
    if not path.exists():
        return {}
    layer = recipe.sae.layer
    entry: Table = {"subject": recipe.name, "layer": layer, "path": _relative(path, root), "kind": "nla"}
    entry |= {"sae": folders.sae_name(layer)} | _backwards(folders, root)
    return {f"{prefix}nla{folders.suffix.lower()}": entry}


def _backwards(folders: Folders, root: Path) -> Table:
    path = folders.reader(RECONSTRUCTOR)
    return {"reconstructor": _relative(path, root)} if path.exists() else {}


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
