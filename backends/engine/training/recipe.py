"""The recipe of a workbench: every choice that its training makes, read from one TOML file."""

from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from investigator.errors import BadInput, InvestigatorError


class RecipeError(InvestigatorError):
    """A recipe file that cannot be read, or that names a setting which does not exist."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the sections: a misspelt key is an error rather than a silent default."""


class CorpusRecipe(Section, frozen=True):
    """[corpus]: which text is used. The keys are explained in backends/pocket/recipe.toml."""

    seed: int = 1
    megabytes: dict[str, float] = {}
    heldout: dict[str, float] = {}
    tune_documents: int = 640
    tune_bytes: int = 700
    test_documents: int = 420
    test_bytes: int = 1000
    shingle_words: int = 5
    sketch_size: int = 16
    shared_sketches: int = 5


class TokenizerRecipe(Section, frozen=True):
    """[tokenizer]: the byte-level BPE vocabulary."""

    vocabulary: int = 8192
    sample_megabytes: float = 24.0


Family = Literal["llama", "gpt2"]


class LanguageModelRecipe(Section, frozen=True):
    """[language_model]: the subject's shape and its training."""

    family: Family = "llama"
    width: int = 256
    layers: int = 6
    heads: int = 4
    mlp_width: int = 704
    context: int = 256
    tokens: int = 18_000_000
    used_tokens: int = 14_000_000
    dictionary_share: float = 0.28
    batch_rows: int = 32
    muon_rate: float = 0.02
    adam_rate: float = 0.004
    weight_decay: float = 0.01
    warmup_steps: int = 80
    decay_from: float = 0.5
    seed: int = 1
    loss_chunk: int = 512
    compile: bool = False
    checkpoint_seconds: float = 180.0
    evaluation_seconds: float = 300.0


class SAERecipe(Section, frozen=True):
    """[sae]: the sparse autoencoder of the main layer."""

    layer: int = 3
    weights: Literal["float32", "float16"] = "float32"
    latents: int = 4096
    k: int = 24
    tokens: int = 8_000_000
    batch: int = 2048
    rate: float = 0.001
    warmup_steps: int = 100
    decay_from: float = 0.7
    dead_tokens: int = 300_000
    auxiliary_k: int = 128
    auxiliary_weight: float = 0.03125
    seed: int = 1
    checkpoint_seconds: float = 90.0


class StatisticsRecipe(Section, frozen=True):
    """[statistics]: what is measured about latents and layers."""

    tokens: int = 2_500_000
    windows_a_document: int = 4
    quantile_tokens: int = 120_000
    layer_tokens: int = 250_000
    histogram_bins: int = 32
    contexts: int = 6
    context_tokens: int = 36
    context_after: int = 10
    background: int = 512
    seed: int = 1


class LabelsRecipe(Section, frozen=True):
    """[labels]: the rules that write labels."""

    evidence: int = 240
    least_firings: int = 24
    anywhere: int = 20_000
    word_share: float = 0.42
    forms_gain: float = 0.15
    pair_share: float = 0.5
    pair_least: float = 0.15
    affix_share: float = 0.45
    affix_gain: float = 0.1
    neighbour_share: float = 0.55
    class_share: float = 0.6
    kind_share: float = 0.48
    kind_words: int = 4
    topic_share: float = 0.65
    around_share: float = 0.45
    around_least: float = 0.1
    around_lift: float = 5.0
    around_documents: int = 6
    least_lift: float = 5.0
    least_check: float = 0.7
    most_latents: int = 12
    heldout_share: float = 0.1
    seed: int = 1


class MapperRecipe(Section, frozen=True):
    """[mapper]: the soft-prompt readers."""

    form: Literal["directional", "slotwise", "paper"] = "slotwise"
    slots: int = 16
    most_rate: float = 0.01
    top: int = 5
    pairs: int = 600_000
    batch: int = 160
    steps: int = 1500
    blind_steps: int = 1500
    prompt_only_steps: int = 1500
    paper_steps: int = 700
    slot_batch: int = 32
    context_tokens: int = 64
    warmup_steps: int = 40
    matrix_rate: float = 0.004
    gamma_rate: float = 0.05
    bias_rate: float = 0.005
    slot_rate: float = 0.03
    ridge: float = 0.1
    tune_pairs: int = 2000
    background: int = 64
    seed: int = 1
    checkpoint_seconds: float = 90.0
    evaluation_seconds: float = 60.0


class EmbedderRecipe(Section, frozen=True):
    """[embedder]: the small sentence embedder."""

    vocabulary: int = 12_000
    width: int = 160
    pairs: int = 300_000
    epochs: int = 4
    batch: int = 1024
    rate: float = 0.02
    temperature: float = 0.06
    seed: int = 1


class OthersRecipe(Section, frozen=True):
    """[others]: further layers with an autoencoder and a reader each, and what differs there from the main layer."""

    layers: tuple[int, ...] = ()
    sae: dict[str, Any] = {}
    statistics: dict[str, Any] = {}
    labels: dict[str, Any] = {}
    mapper: dict[str, Any] = {}


class VerbalizerRecipe(Section, frozen=True):
    """[verbalizer]: adapters with which the subject puts its activations into words."""

    rank: int = 16
    batch: int = 48
    steps: int = 0
    rate: float = 0.002
    warmup_steps: int = 12
    tune: int = 400
    seed: int = 1
    checkpoint_seconds: float = 60.0


class BestOfRecipe(Section, frozen=True):
    """[best_of]: a round of the verbalizer on those of its own texts that bring back most; no steps: none."""

    places: int = 600
    texts: int = 4
    most_tokens: int = 96
    batch: int = 48
    steps: int = 0
    rate: float = 0.0005
    warmup_steps: int = 4
    tune: int = 300
    seed: int = 1


class ReconstructorRecipe(Section, frozen=True):
    """[reconstructor]: adapters and a head with which the subject's first blocks turn words into activations."""

    rank: int = 16
    batch: int = 64
    steps: int = 0
    rate: float = 0.0005
    head_rate: float = 0.00003
    ridge: float = 0.0003
    start: int = 12_000
    warmup_steps: int = 12
    tune: int = 1000
    seed: int = 1
    checkpoint_seconds: float = 60.0


class Recipe(Section, frozen=True):
    """A whole recipe; every key has a default, so an empty file is a recipe too."""

    name: str = "pocket"
    subjects: tuple[str, ...] = ()
    """Further subjects, each with a recipe of its own in a folder of this name beside this file."""
    corpus: CorpusRecipe = CorpusRecipe()
    tokenizer: TokenizerRecipe = TokenizerRecipe()
    language_model: LanguageModelRecipe = LanguageModelRecipe()
    sae: SAERecipe = SAERecipe()
    statistics: StatisticsRecipe = StatisticsRecipe()
    labels: LabelsRecipe = LabelsRecipe()
    mapper: MapperRecipe = MapperRecipe()
    embedder: EmbedderRecipe = EmbedderRecipe()
    verbalizer: VerbalizerRecipe = VerbalizerRecipe()
    reconstructor: ReconstructorRecipe = ReconstructorRecipe()
    best_of: BestOfRecipe = BestOfRecipe()
    others: OthersRecipe = OthersRecipe()

    @property
    def layers(self) -> tuple[int, ...]:
        """All layers with an autoencoder, the main one first."""
        return (self.sae.layer, *self.others.layers)

    def at(self, layer: int) -> "Recipe":
        """The recipe of one layer; raises BadInput for one without an autoencoder, RecipeError for an unknown key."""
        if layer == self.sae.layer:
            return self
        if layer not in self.others.layers:
            known = ", ".join(map(str, self.layers))
            raise BadInput(f"The recipe {self.name} has no autoencoder at layer {layer}.", f"It has: {known}.")
        try:
            return msgspec.structs.replace(
                self,
                sae=_changed(self.sae, self.others.sae | {"layer": layer}),
                statistics=_changed(self.statistics, self.others.statistics),
                labels=_changed(self.labels, self.others.labels),
                mapper=_changed(self.mapper, self.others.mapper),
            )
        except msgspec.ValidationError as error:
            raise RecipeError(f"[others] of the recipe {self.name} is not valid: {error}. Mend that key.") from error


_Any = TypeVar("_Any", bound=Section)


def _changed(section: _Any, changes: dict[str, Any]) -> _Any:
    return msgspec.convert(msgspec.to_builtins(section) | changes, type(section))


DEFAULT_RECIPE = Path(__file__).parents[2] / "pocket" / "recipe.toml"


def load_recipe(path: Path = DEFAULT_RECIPE) -> Recipe:
    """Read a recipe; raises RecipeError when the file is missing, is no TOML or holds an unknown key."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Recipe)
    except OSError as error:
        raise RecipeError(f"The recipe {path} cannot be read ({error.strerror}). Give an existing file.") from error
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise RecipeError(f"The recipe {path} is not valid: {error}. Compare it with {DEFAULT_RECIPE}.") from error
