"""The model families that the language-model stage can train: each one's transformers configuration."""

from collections.abc import Callable
from typing import Any

from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedConfig, PreTrainedModel

from backends.engine.training.recipe import Family, LanguageModelRecipe


def _llama(shape: LanguageModelRecipe, common: dict[str, Any]) -> PreTrainedConfig:
    return LlamaConfig(
        hidden_size=shape.width,
        intermediate_size=shape.mlp_width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context,
        rms_norm_eps=1e-5,
        **common,
    )


def _gpt2(shape: LanguageModelRecipe, common: dict[str, Any]) -> PreTrainedConfig:
    """Learned positions, LayerNorm with biases, GELU; without dropout, because nothing is read often enough for it."""
    return GPT2Config(
        n_embd=shape.width,
        n_inner=shape.mlp_width,
        n_layer=shape.layers,
        n_head=shape.heads,
        n_positions=shape.context,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        **common,
    )


_CONFIGURATIONS: dict[Family, Callable[[LanguageModelRecipe, dict[str, Any]], PreTrainedConfig]] = {
    "llama": _llama,
    "gpt2": _gpt2,
}


def new_model(shape: LanguageModelRecipe, **common: Any) -> PreTrainedModel:
    """A freshly initialised causal language model with tied embeddings; `common` has vocab_size and special ids."""
    config = _CONFIGURATIONS[shape.family](shape, {**common, "tie_word_embeddings": True, "use_cache": False})
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return model


def embedding_names(model: nn.Module) -> set[str]:
    """Names of the parameters that are looked up by token or position rather than multiplied."""
    return {
        f"{place}.{name}"
        for place, module in model.named_modules()
        if isinstance(module, nn.Embedding)
        for name, _ in module.named_parameters()
    }
