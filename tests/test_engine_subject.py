"""The subject: every family captured like `output_hidden_states`, and Gemma's scale applied exactly once."""

from pathlib import Path

import pytest
import torch

import tiny
from investigator.errors import BadInput, ScoreError, WorkbenchError

PROMPT = "The capital of France is"


@pytest.fixture(scope="module", params=tiny.FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_subject(tmp_path_factory.mktemp(request.param), request.param)


def test_capture_is_what_transformers_calls_hidden_states(folder: Path) -> None:
    subject = tiny.load_subject(folder)
    ids = subject.encode(PROMPT)
    captured = subject.capture(ids)
    with torch.inference_mode():
        reference = subject.model(torch.tensor([ids]), output_hidden_states=True)
    assert captured.shape == (tiny.LAYERS, len(ids), tiny.WIDTH)
    # The last of hidden_states has already passed the final norm.
    for layer in range(tiny.LAYERS - 1):
        assert torch.equal(captured[layer], reference.hidden_states[layer + 1][0])
    with torch.inference_mode():
        assert torch.allclose(subject.norm(captured[-1]), reference.hidden_states[-1][0], atol=1e-6)
        assert torch.allclose(subject.head(subject.norm(captured[-1])), reference.logits[0], atol=1e-5)


def test_embeddings_given_are_the_ids_given(folder: Path) -> None:
    subject = tiny.load_subject(folder)
    ids = torch.tensor([subject.encode(PROMPT)])
    with torch.inference_mode():
        by_ids, _ = subject.body(input_ids=ids)
        by_embeds, _ = subject.body(inputs_embeds=subject.embed(ids))
        logits = subject.model(ids).logits
        assert torch.allclose(by_ids, by_embeds, atol=1e-6)
        assert torch.allclose(subject.head(by_embeds), logits, atol=1e-5)


def test_a_boolean_mask_of_four_dimensions_is_a_causal_one(folder: Path) -> None:
    subject = tiny.load_subject(folder)
    ids = torch.tensor([subject.encode(PROMPT)])
    causal = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()[None, None]
    with torch.inference_mode():
        plain, _ = subject.body(input_ids=ids)
        masked, _ = subject.body(input_ids=ids, attention_mask=causal)
    assert torch.allclose(plain, masked, atol=1e-5)


def test_a_cache_continues_where_it_stopped(folder: Path) -> None:
    subject = tiny.load_subject(folder)
    ids = torch.tensor([subject.encode(PROMPT)])
    with torch.inference_mode():
        whole, _ = subject.body(input_ids=ids)
        _, cache = subject.body(input_ids=ids[:, :-2], use_cache=True)
        rest, _ = subject.body(input_ids=ids[:, -2:], past_key_values=cache, use_cache=True)
    assert torch.allclose(whole[:, -2:], rest, atol=1e-5)


def test_gemma_embeddings_carry_the_square_root_of_the_width_once(tmp_path: Path) -> None:
    subject = tiny.load_subject(tiny.make_subject(tmp_path, "gemma2"))
    table = subject.model.get_input_embeddings().weight
    ids = torch.tensor([3, 4, 5])
    assert torch.allclose(subject.embed(ids), table[ids] * tiny.WIDTH**0.5)
    norms = (table * tiny.WIDTH**0.5).norm(dim=-1)
    assert subject.embedding_norm == pytest.approx(float(norms.mean()), rel=1e-5)


def test_an_older_gemma_that_scales_given_embeddings_is_undone(tmp_path: Path) -> None:
    """transformers <= 5.3 scaled inside the body, whatever came in; imitate it around the blocks."""
    subject = tiny.load_subject(tiny.make_subject(tmp_path, "gemma2"))
    ids = torch.tensor([subject.encode(PROMPT)])
    with torch.inference_mode():
        plain, _ = subject.body(input_ids=ids)
    subject.model.get_input_embeddings().embed_scale.fill_(1.0)

    def scale(_module: object, args: tuple[torch.Tensor, ...], kwargs: dict[str, object]) -> object:
        return (args[0] * tiny.WIDTH**0.5, *args[1:]), kwargs

    subject.model.model.layers[0].register_forward_pre_hook(scale, with_kwargs=True, prepend=True)
    from backends.engine.subject import Subject

    old = Subject("old", subject.model, subject.tokenizer)
    with torch.inference_mode():
        given, _ = old.body(inputs_embeds=old.embed(ids))
    assert torch.allclose(old.embed(ids), subject.model.get_input_embeddings()(ids) * tiny.WIDTH**0.5, rtol=1e-4)
    assert torch.allclose(plain, given, atol=1e-4)


def test_tokens_keep_spaces_and_mark_special_ones(tmp_path: Path) -> None:
    subject = tiny.load_subject(tiny.make_subject(tmp_path))
    ids = subject.encode("The capital")
    tokens = [subject.token(id) for id in ids]
    assert tokens[0].special and tokens[0].id == subject.bos_id
    assert "".join(token.text for token in tokens[1:]) == "The capital"


def test_a_chat_template_is_rendered_with_one_bos(tmp_path: Path) -> None:
    subject = tiny.load_subject(tiny.make_subject(tmp_path, chat=True))
    ids = subject.encode_chat("Who?")
    assert ids.count(subject.bos_id) == 1
    assert subject.decode(ids) == "[user] Who?\n[assistant] "


def test_no_chat_template_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no chat template"):
        tiny.load_subject(tiny.make_subject(tmp_path)).encode_chat("Who?")


def test_half_a_surrogate_pair_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="character 3"):
        tiny.load_subject(tiny.make_subject(tmp_path)).encode("ab\ud800")


def test_a_nan_in_an_activation_is_an_error_that_names_the_layer(tmp_path: Path) -> None:
    subject = tiny.load_subject(tiny.make_subject(tmp_path))
    subject.model.model.layers[2].mlp.down_proj.weight[0, 0] = float("nan")
    with pytest.raises(ScoreError, match="from layer 2 on"):
        subject.capture(subject.encode(PROMPT))


class Stages(torch.nn.Module):
    """Blocks in two lists, as some models of remote code keep them."""

    def __init__(self, blocks: list[torch.nn.Module], order: tuple[int, ...]) -> None:
        super().__init__()
        self.first, self.second = torch.nn.ModuleList(blocks[:2]), torch.nn.ModuleList(blocks[2:])
        self.order = order

    def __getitem__(self, part: slice) -> list[torch.nn.Module]:
        blocks = [*self.first, *self.second]
        return [blocks[place] for place in self.order][part]


@pytest.mark.filterwarnings("ignore")
def test_blocks_in_no_one_list_are_traced_with_nnsight(tmp_path: Path) -> None:
    from backends.engine.subject import Subject

    plain = tiny.load_subject(tiny.make_subject(tmp_path))
    ids = plain.encode(PROMPT)
    expected = plain.capture(ids)
    plain.model.model.layers = Stages(list(plain.model.model.layers), (0, 1, 2, 3))
    staged = Subject("staged", plain.model, plain.tokenizer)
    assert not staged.in_one_list
    assert torch.equal(staged.capture(ids), expected)
    assert torch.equal(staged.norm(expected[-1]), plain.norm(expected[-1]))
    staged.model.model.layers.order = (0, 2, 1, 3)
    with pytest.raises(WorkbenchError, match="could not be traced in their order"):
        staged.capture(ids)


def test_a_model_without_end_of_text_is_refused(tmp_path: Path) -> None:
    from backends.engine.subject import Subject

    loaded = tiny.load_subject(tiny.make_subject(tmp_path))
    loaded.tokenizer.eos_token = None
    loaded.model.generation_config.eos_token_id = None
    with pytest.raises(WorkbenchError, match="end-of-text"):
        Subject("endless", loaded.model, loaded.tokenizer)
    loaded.model.generation_config.eos_token_id = [7, 8]
    assert Subject("two ends", loaded.model, loaded.tokenizer).stop_ids == (7, 8)
