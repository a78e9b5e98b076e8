"""`fetch`: the activations that answers are made of, in a file that is given out from any byte and then deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load
from server_tools import answer, explain, question, raw, running

import tiny
from backends.engine.engine import WorkbenchEngine
from backends.engine.verbs import fetch as verb_module
from investigator import fetching, paths
from investigator.errors import BadInput
from investigator.records import Fetched, Opened
from investigator.wire import Fetch, Open


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    threads = torch.get_num_threads()
    yield tiny.make_workbench(tmp_path_factory.mktemp("bench")).file
    torch.set_num_threads(threads)


async def test_the_file_holds_what_the_model_computed_and_goes_when_it_is_acknowledged(
    tmp_path: Path, bench: Path
) -> None:
    engine = WorkbenchEngine(bench)
    async with running(tmp_path / "s", make=lambda: engine) as (_, client), raw(client) as http:
        opened = (await answer(client, question(Open("The capital of France is Paris")))).result
        assert isinstance(opened, Opened)
        ids = tuple(token.id for token in opened.tokens)
        asked = question(Fetch(ids, layers=(1, 0, 1)), id="f1")
        fetched = (await answer(client, asked)).result
        assert isinstance(fetched, Fetched) and fetched.layers == (1, 0)
        whole = (await http.get("/questions/f1/file")).content
        assert len(whole) == fetched.bytes
        assert (await http.get("/questions/f1/file?from=100")).content == whole[100:]
        assert (await http.get(f"/questions/f1/file?from={len(whole)}")).content == b""
        assert (await http.get(f"/questions/f1/file?from={len(whole) + 1}")).status_code == 400
        expected = engine.captures.get(engine.parts.subject(), ids).residuals
        tensors = load(whole)
        assert set(tensors) == {"layer.0", "layer.1"}
        assert all(torch.equal(tensors[f"layer.{layer}"], expected[layer]) for layer in (0, 1))
        assert len(list((paths.cache_folder() / "fetched").iterdir())) == 1
        await client.acknowledge("f1")
        assert not list((paths.cache_folder() / "fetched").iterdir())
        assert (await http.get("/questions/f1/file")).status_code == 404
        target = tmp_path / "all.safetensors"
        await fetching.fetch(client, Fetch(ids), target)
        with safe_open(target, "pt") as file:
            about = file.metadata()
        assert msgspec.json.decode(about["token_ids"]) == list(ids) and about["fingerprint"]
        await answer(client, question(Fetch(ids), id="f2"))
    assert not list((paths.cache_folder() / "fetched").iterdir())  # whoever leaves cleans up


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (Fetch(()), "The prompt is empty"),
        (Fetch((1, 10**9)), "not one of"),
        (Fetch((1, 2), layers=(99,)), "has no layer 99"),
        (Fetch((1, 2), layers=(-1,)), "has no layer -1"),
        (Fetch((1, 2), subject="other"), "no subject"),
        (Fetch(tuple([1] * 9)), "100 are the most"),
    ],
)
async def test_what_cannot_be_fetched_is_refused_before_anything_is_computed(
    tmp_path: Path, bench: Path, verb: Fetch, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb_module, "MOST_BYTES", 100)
    async with running(tmp_path / "s", make=lambda: WorkbenchEngine(bench)) as (_, client):
        found = await answer(client, question(verb))
        assert found.error is not None and found.error.kind == "bad-input" and said in found.error.message


async def test_only_a_fetch_has_a_file_and_only_once_it_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path / "s") as (_, client), raw(client) as http:
        await answer(client, explain(id="e1"))
        refused = await http.get("/questions/e1/file")
        assert refused.status_code == 404 and "No file goes with" in refused.json()["message"]
        assert (await http.get("/questions/none/file")).status_code == 404
        assert (await http.get("/questions/e1/file?from=x")).status_code == 400


def test_where_the_file_cannot_be_written_is_said_first(tmp_path: Path) -> None:
    for file, said in (("a.bin", "does not end"), ("none/a.safetensors", "There is no folder")):
        with pytest.raises(BadInput, match=said):
            fetching.check_target(tmp_path / file)
