"""The subject: a frozen causal language model and its tokenizer, seen the same way whatever its family.

Layer L is the output of block L, HF `hidden_states[L+1]`. Embeddings are always as the first block sees them: Gemma's
factor of sqrt(d) is applied exactly once, whichever version of transformers puts it where (formats.md, G2).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from backends.engine import blocks as finding
from backends.engine.tracing import trace_blocks
from investigator.errors import BadInput, ScoreError, WorkbenchError
from investigator.records import Token

_ROWS_AT_ONCE = 65536


class _Stop(Exception):
    """Ends a forward pass once the first block has seen its input."""


class Subject:
    """A loaded model, in eval mode, without gradients for its weights."""

    def __init__(self, name: str, model: Any, tokenizer: Any, *, revision: str = "", fingerprint: str = "") -> None:
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.revision = revision
        self.fingerprint = fingerprint
        self.config = model.config.get_text_config()
        self.family: str = model.config.model_type
        self.device: torch.device = model.get_input_embeddings().weight.device
        self.dtype: torch.dtype = model.get_input_embeddings().weight.dtype
        self.width = int(self.config.hidden_size)
        self.layers = finding.depth(model.config)
        self.context = _context(self.config)
        self.vocabulary = int(self.config.vocab_size)
        self.blocks, self.in_one_list = finding.find_blocks(model, self.layers)
        self.norm = finding.find_norm(model, self.blocks)
        self.bos_id: int | None = tokenizer.bos_token_id
        self.stop_ids = _stops(tokenizer, model)
        """Tokens that end a text: the generation configuration may name more than the tokenizer (formats.md, G6)."""
        self.eos_id = self.stop_ids[0]
        self.frame = ("", "")
        """What stands before and after every text that is scored, where a reader speaks through it."""
        self.special_ids: frozenset[int] = frozenset(tokenizer.all_special_ids)
        self.prepend_bos = False
        """Put BOS in front where the tokenizer does not, because an SAE of this subject was trained so."""
        self._body = model.base_model if model.base_model is not model else model.model
        self._input = model.get_input_embeddings()
        self._output = model.get_output_embeddings()
        self._scale = self._rescaling()

    # Embeddings, body and head

    def embed(self, ids: Tensor) -> Tensor:
        """Return the embeddings of token ids as the first block sees them (before learned positions), `[.., d]`."""
        embedded: Tensor = self._input(ids.to(self.device))
        return embedded * self._scale if self._scale != 1.0 else embedded

    @cached_property
    def embedding_norm(self) -> float:
        """Mean L2 norm of all token embeddings, as the first block sees them."""
        with torch.inference_mode():
            ids = torch.arange(self.vocabulary, device=self.device)
            parts = [ids[start : start + _ROWS_AT_ONCE] for start in range(0, self.vocabulary, _ROWS_AT_ONCE)]
            return sum(float(self.embed(part).double().norm(dim=-1).sum()) for part in parts) / self.vocabulary

    def body(
        self,
        *,
        inputs_embeds: Tensor | None = None,
        input_ids: Tensor | None = None,
        attention_mask: Any = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool = False,
    ) -> tuple[Tensor, Any]:
        """Run the blocks and the final norm; return the hidden states `[B, T, d]` and the cache (None without one).

        `inputs_embeds` are as `embed` returns them. `attention_mask` is 2-D (1 keeps a token) or 4-D, `[B, 1, T, S]`,
        boolean (True attends) or additive, or a dict of additive masks by kind of attention layer (`full_attention`,
        `sliding_attention`).
        """
        if inputs_embeds is not None and self._scale != 1.0:
            inputs_embeds = inputs_embeds / self._scale
        output = self._body(
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            attention_mask=self._additive(attention_mask),
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
        )
        return output.last_hidden_state, output.past_key_values if use_cache else None

    def head(self, hidden: Tensor) -> Tensor:
        """Return the logits `[.., vocabulary]` of hidden states that have passed the final norm.

        Cohere's and Granite's logit scales and Gemma's final softcapping are applied where the configuration has them.
        """
        logits: Tensor = self._output(hidden)
        factor = (getattr(self.config, "logit_scale", None) or 1) / (getattr(self.config, "logits_scaling", None) or 1)
        # Logits are the largest tensors there are: a factor of 1 is not multiplied.
        logits = logits if factor == 1 else logits * factor
        cap = getattr(self.config, "final_logit_softcapping", None)
        return torch.tanh(logits / cap) * cap if cap else logits

    def lens(self, residuals: Tensor) -> Tensor:
        """Return the logits `[.., vocabulary]` of block outputs, through the final norm and the head (logit lens)."""
        with torch.inference_mode():
            return self.head(self.norm(residuals.to(device=self.device, dtype=self.dtype))).float().cpu()

    def direct_effect(self, direction: Tensor) -> Tensor:
        """Return what a direction adds to the logits through final norm and unembedding alone, `[vocabulary]`.

        The norm's and the head's constants and the softcapping, which are the same for every direction, are left out.
        """
        direction = direction.to(device=self.device, dtype=self.dtype)
        with torch.inference_mode():
            normed = self.norm(direction) - self.norm(torch.zeros_like(direction))
            effect: Tensor = self._output(normed) - self._output(torch.zeros_like(normed))
            return effect.float().cpu()

    def _additive(self, mask: Any) -> Any:
        if not isinstance(mask, Tensor) or mask.dim() != 4 or mask.dtype != torch.bool:
            return mask
        # Eager attention adds its mask, so a boolean one would raise the logits of what it means to hide.
        return torch.zeros(mask.shape, dtype=self.dtype, device=mask.device).masked_fill_(
            ~mask, torch.finfo(self.dtype).min
        )

    def _rescaling(self) -> float:
        """Return by how much the model scales `inputs_embeds` before its first block (1 in transformers >= 5.6).

        Measured on the first block's input, because no attribute says it: the difference between a zero embedding and
        a unit one, which also takes learned positions out.
        """
        zero = torch.zeros(1, 1, self.width, dtype=self.dtype, device=self.device)
        with torch.inference_mode():
            return round(float((self._first_input(zero + 1) - self._first_input(zero)).double().mean()), 4) or 1.0

    def _first_input(self, embeds: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def stop(_module: Any, args: Any, kwargs: Any) -> None:
            seen.append(args[0] if args else kwargs["hidden_states"])
            raise _Stop

        handle = self.blocks[0].register_forward_pre_hook(stop, with_kwargs=True)
        try:
            self._body(inputs_embeds=embeds, use_cache=False)
        except _Stop:
            pass
        finally:
            handle.remove()
        return seen[0]

    @property
    def parameters(self) -> int:
        """Number of weights, tied ones once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    # Activations

    def capture(self, ids: Sequence[int]) -> Tensor:
        """Run the model once and return every block's output at every position, float32 `[layers, positions, d]`.

        Raises ScoreError where an activation is not finite.
        """
        with torch.inference_mode():
            outputs = (
                self._hooked(ids) if self.in_one_list else trace_blocks(self.model, self.blocks, list(ids), self.device)
            )
        captured = torch.stack([output.to(device="cpu", dtype=torch.float32) for output in outputs])
        self._check_finite(captured)
        return captured

    def _hooked(self, ids: Sequence[int]) -> list[Tensor]:
        kept: dict[int, Tensor] = {}
        thread = threading.get_ident()
        hooks = [block.register_forward_hook(_keeper(kept, layer, thread)) for layer, block in enumerate(self.blocks)]
        try:
            self.body(input_ids=torch.tensor([list(ids)], device=self.device))
        finally:
            for hook in hooks:
                hook.remove()
        return [kept[layer] for layer in range(self.layers)]

    def _check_finite(self, captured: Tensor) -> None:
        if not torch.isfinite(captured).all():
            layer = int((~torch.isfinite(captured)).flatten(1).any(1).nonzero()[0])
            raise ScoreError(
                f"The activations of {self.name} hold NaN or infinity from layer {layer} on.",
                "Open it with dtype float32, or check its weights.",
            )

    # Text

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a prompt, with the special tokens that the tokenizer adds; raise BadInput."""
        check_text(text)
        ids: list[int] = self.tokenizer(text)["input_ids"]
        if self.prepend_bos and self.bos_id is not None and ids[:1] != [self.bos_id]:
            ids = [self.bos_id, *ids]
        return ids

    def encode_plain(self, text: str) -> list[int]:
        """Return the token ids of a text without any special token; raise BadInput."""
        check_text(text)
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    @property
    def has_chat(self) -> bool:
        """Whether the tokenizer has a chat template."""
        return bool(getattr(self.tokenizer, "chat_template", None))

    def encode_chat(self, text: str) -> list[int]:
        """Return the token ids of the text as one user turn of the chat template, ready for the answer.

        Rendered to a string first, then encoded without special tokens, because templates write BOS themselves and
        tokenising templates split multibyte marks (formats.md, G4, G5, G10).
        """
        if not self.has_chat:
            raise BadInput(f"{self.name} has no chat template.", "Ask without it.")
        check_text(text)
        rendered: str = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        return self.encode_plain(rendered)

    def token(self, id: int) -> Token:
        """Return a token's own text, its leading space kept."""
        return Token(id=id, text=self.piece(id), special=id in self.special_ids)

    def piece(self, id: int) -> str:
        """Return the text of one token; bytes that are no whole character become U+FFFD."""
        text: str = self.tokenizer.decode([id], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        piece = self.tokenizer.convert_ids_to_tokens(id)
        # SentencePiece decoders drop the space of a first token, which a strip of single tokens must keep.
        if isinstance(piece, str) and piece.startswith("\u2581") and not text.startswith(" "):
            return " " + text
        return text

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens left out."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


def _keeper(kept: dict[int, Tensor], layer: int, thread: int) -> Any:
    def hook(_module: Any, _args: Any, output: Any) -> None:
        if threading.get_ident() == thread:
            kept[layer] = finding.first_tensor(output)[0].detach()

    return hook


def check_text(text: str) -> None:
    """Raise BadInput where a text cannot be written as UTF-8, which only half a surrogate pair does."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInput(
            f"The text is not UTF-8: character {error.start + 1} is half of a surrogate pair.",
            "Remove it and ask again.",
        ) from error


def _context(config: Any) -> int:
    for key in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        if getattr(config, key, None):
            return int(getattr(config, key))
    return 2048


def _stops(tokenizer: Any, model: Any) -> tuple[int, ...]:
    """Return the tokens that end a text, the tokenizer's own first; raise WorkbenchError where there is none."""
    named = getattr(model.generation_config, "eos_token_id", None)
    more = named if isinstance(named, list) else [named]
    found = dict.fromkeys(int(token) for token in [tokenizer.eos_token_id, *more] if token is not None)
    if not found:
        raise WorkbenchError(
            "Neither the tokenizer nor the model names an end-of-text token.", "Add eos_token to tokenizer_config.json."
        )
    return tuple(found)
