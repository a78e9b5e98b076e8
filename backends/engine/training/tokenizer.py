"""Train the subject's byte-level BPE tokenizer and save it so that AutoTokenizer opens it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from backends.engine.training.folders import Folders
from backends.engine.training.progress import Progress, Stage
from backends.engine.training.recipe import Recipe
from backends.engine.training.splits import read_train

BOS, EOS, DESCRIBE, PAD = "<|bos|>", "<|eos|>", "<|describe|>", "<|pad|>"
SPECIAL_TOKENS = [BOS, EOS, DESCRIBE, PAD]


def train_tokenizer(texts: Iterable[str], vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE over the texts: digits split, `<|bos|>` put before every text unless special tokens are off."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    bos = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, bos)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        additional_special_tokens=[DESCRIBE],
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def _sample(texts: Iterable[str], megabytes: float) -> Iterator[str]:
    size = 0
    for text in texts:
        if size > megabytes * 1e6:
            return
        size += len(text)
        yield text


def run_tokenizer(recipe: Recipe, folders: Folders) -> Stage:
    """Train the tokenizer on a sample of the training split and save it in `subject/`, once."""
    if (folders.subject / "tokenizer.json").exists():
        yield Progress(1, 1, "the tokenizer was trained before")
        return
    yield Progress(0, 1, "training the tokenizer")
    texts = (document.text for document in read_train(folders))
    sample = _sample(texts, recipe.tokenizer.sample_megabytes)
    tokenizer = train_tokenizer(sample, recipe.tokenizer.vocabulary, recipe.language_model.context)
    tokenizer.save_pretrained(folders.subject)
    yield Progress(1, 1, "tokenizer trained", {"vocabulary": float(len(tokenizer))})


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a subject directory."""
    loaded: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder)
    return loaded
