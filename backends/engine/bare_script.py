"""What a good notebook cell does: load the same model and SAE, one forward, one encode, top k. A yardstick."""

from __future__ import annotations

import sys
from pathlib import Path


def main(folder: str, prompt: str, layer: int, k: int = 30) -> None:
    """Print the strongest latents at the last token, with nothing of this project imported."""
    import torch
    import transformers
    from safetensors.torch import load_file

    tokenizer = transformers.AutoTokenizer.from_pretrained(f"{folder}/subject")
    model = transformers.AutoModelForCausalLM.from_pretrained(f"{folder}/subject", dtype=torch.float32)
    weights = {
        name: value.float() for name, value in load_file(f"{folder}/saes/L{layer}/sae_weights.safetensors").items()
    }
    with torch.inference_mode():
        tokens = tokenizer(prompt, return_tensors="pt")
        hidden = model(**tokens, output_hidden_states=True).hidden_states[layer + 1][0, -1]
        latents = torch.relu((hidden - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"])
        top = torch.topk(latents, k)
    print(
        "\n".join(
            f"{value:.3f} {index}" for value, index in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        )
    )


if __name__ == "__main__":
    main(str(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]))
