"""`open`: tokens, norms, next tokens, writing on, and every prompt that cannot be opened."""

from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from backends.engine.engine import WorkbenchEngine
from investigator.errors import BadInput
from investigator.records import Opened
from investigator.wire import Open, Progress

PROMPT = "The capital of France is"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> WorkbenchEngine:
    made: WorkbenchEngine = tiny.make_engine(tiny.make_workbench(tmp_path_factory.mktemp("bench"), chat=True))
    return made


def test_an_opened_prompt_is_what_transformers_sees(engine: WorkbenchEngine) -> None:
    opened: Opened = tiny.ask(engine, Open(prompt=PROMPT))
    subject = engine.parts.subject()
    ids = subject.tokenizer(PROMPT)["input_ids"]
    assert [token.id for token in opened.tokens] == ids
    assert [token.special for token in opened.tokens] == [True] + [False] * (len(ids) - 1)
    assert "".join(token.text for token in opened.tokens[1:]) == PROMPT == opened.prompt
    assert (opened.subject, opened.layers, opened.width, opened.continued) == ("tiny", tiny.LAYERS, tiny.WIDTH, 0)
    with torch.inference_mode():
        output = subject.model(torch.tensor([ids]), output_hidden_states=True)
    for layer in range(tiny.LAYERS - 1):
        assert np.allclose(opened.norms[layer], output.hidden_states[layer + 1][0].norm(dim=-1), atol=1e-4)
    probabilities = output.logits[0, -1].softmax(-1)
    assert [one.value for one in opened.next] == pytest.approx(probabilities.topk(10).values.tolist(), abs=1e-5)


def test_resolving_names_the_exact_tokens_so_that_they_can_be_asked_again(engine: WorkbenchEngine) -> None:
    resolved, _ = engine.resolve(Open(prompt=PROMPT))
    assert isinstance(resolved, Open) and resolved.token_ids and resolved.subject == "tiny"
    assert tiny.ask(engine, resolved) == tiny.ask(engine, Open(prompt=PROMPT))


def test_writing_on_is_greedy_generation(engine: WorkbenchEngine) -> None:
    subject = engine.parts.subject()
    ids = torch.tensor([subject.encode(PROMPT)])
    opened = tiny.ask(engine, Open(prompt=PROMPT, continue_tokens=8))
    with torch.inference_mode():
        expected = subject.model.generate(ids, max_new_tokens=8, do_sample=False, attention_mask=torch.ones_like(ids))
    written = [token.id for token in opened.tokens[-opened.continued :]]
    end = expected[0, ids.shape[1] :].tolist()
    assert written == (end[: end.index(subject.eos_id)] if subject.eos_id in end else end)


def test_writing_on_shows_progress_and_may_stop_at_each_token(engine: WorkbenchEngine) -> None:
    resolved, _ = engine.resolve(Open(prompt=PROMPT, continue_tokens=4))
    events = list(engine.run(resolved))
    steps = [event for event in events if isinstance(event, Progress)]
    assert [(step.done, step.total) for step in steps] == [(n, 4) for n in range(1, len(steps) + 1)]
    assert events.count(None) >= len(steps)


def test_sampling_takes_a_seed(engine: WorkbenchEngine) -> None:
    def written(seed: int | None) -> list[int]:
        return [token.id for token in tiny.ask(engine, Open(prompt=PROMPT, continue_tokens=12, seed=seed)).tokens]

    assert written(1) == written(1)
    assert len({tuple(written(seed)) for seed in (None, 1, 2, 3)}) > 2


def test_writing_on_stays_within_the_context(engine: WorkbenchEngine) -> None:
    long = (5,) * 60
    resolved, _ = engine.resolve(Open(token_ids=long, continue_tokens=100))
    assert isinstance(resolved, Open) and resolved.continue_tokens == 4
    assert len(tiny.ask(engine, resolved).tokens) <= 64
    with pytest.raises(BadInput, match="fills the model's context of 64 tokens"):
        engine.resolve(Open(token_ids=(5,) * 64, continue_tokens=1))


def test_a_chat_is_one_user_turn(engine: WorkbenchEngine) -> None:
    opened = tiny.ask(engine, Open(prompt="Who?", chat=True))
    assert "".join(token.text for token in opened.tokens) == "<|bos|>[user] Who?\n[assistant] "
    assert opened.prompt == "Who?"


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (Open(prompt=""), "The prompt is empty"),
        (Open(token_ids=()), "The prompt is empty"),
        (Open(prompt="<|bos|><|eos|>"), "holds only special tokens"),
        (Open(prompt="cat " * 80), r"The prompt has \d+ tokens, but tiny reads at most 64"),
        (Open(prompt="ab\udc80"), "not UTF-8: character 3"),
        (Open(prompt="x", subject="other"), "no subject 'other'"),
        (Open(token_ids=(-1,)), "token id is not one of"),
        (Open(prompt="x", continue_tokens=-3), "-3 tokens cannot be written"),
    ],
)
def test_a_prompt_that_cannot_be_opened_is_a_sentence(engine: WorkbenchEngine, verb: Open, said: str) -> None:
    with pytest.raises(BadInput, match=said) as raised:
        engine.resolve(verb)
    assert raised.value.mend


@pytest.mark.parametrize(
    "prompt", ["\x1b[31mred\x1b[0m", "[bold]x[/bold]", "\u202eabc\u200b", "日本語 naïve 🙂", "\x00", " "]
)
def test_strange_prompts_are_only_text(engine: WorkbenchEngine, prompt: str) -> None:
    opened = tiny.ask(engine, Open(prompt=prompt))
    assert engine.parts.subject().decode([token.id for token in opened.tokens]) == prompt


def test_a_subject_whose_sae_wants_bos_gets_one(tmp_path: Path) -> None:
    bench = tiny.make_workbench(tmp_path)
    tiny.save_tokenizer(bench.subject, bos=False)
    opened = tiny.ask(tiny.make_engine(bench), Open(prompt="cat"))
    assert opened.tokens[0].special and opened.tokens[0].text == "<|bos|>"
    assert "".join(token.text for token in opened.tokens[1:]) == "cat"
