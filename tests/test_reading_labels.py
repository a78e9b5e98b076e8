"""Labels that a person writes: sheets to read from, what comes back, its check on other documents, and the merge."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tiny_pocket import RECIPE, write_corpus

from backends.engine import labels as label_files
from backends.engine.embedding import Embedder
from backends.engine.training.folders import Folders, read_lines
from backends.engine.training.opening import Opened
from backends.engine.training.reading import merge
from backends.engine.training.reading.check import auroc, check_labels
from backends.engine.training.reading.choice import choose_shown, near_misses, silent_alike, unshown_firings
from backends.engine.training.reading.material import SHOWN, UNSHOWN, Material, draw_counts, load_material
from backends.engine.training.reading.merge import run_read_labels
from backends.engine.training.reading.quoted import Seen, rule_of
from backends.engine.training.reading.replies import read_replies, tidy
from backends.engine.training.reading.sheets import run_label_sheets, telling_latents
from backends.engine.training.recipe import Recipe, load_recipe
from backends.engine.training.stages import Arguments, labels, language_model, mapper, sae, statistics
from investigator.errors import BadInput


class Letters:
    """Unit vectors of letter counts: texts that share letters are near."""

    name = "letters"

    def embed(self, texts: list[str]) -> np.ndarray:
        found = np.array([[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts])
        return (found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1)).astype(np.float32)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Arguments:
    root = tmp_path_factory.mktemp("reading")
    corpus, folders = write_corpus(root / "corpus"), Folders(root / "out")
    folders.root.mkdir()
    folders.recipe.write_text(RECIPE)
    given = Arguments([Opened(load_recipe(folders.recipe), folders)], corpus, "cpu", "float32")
    for stage in (language_model, sae, statistics, labels):
        for _ in stage(given):
            pass
    return given


@pytest.fixture(scope="module")
def parts(given: Arguments) -> tuple[Recipe, Folders]:
    return given.first_subject.recipe, given.first_subject.folders


@pytest.fixture(scope="module")
def material(parts: tuple[Recipe, Folders]) -> Material:
    return load_material(*parts, 1)


def _latent(material: Material) -> int:
    return int(material.latents.counts.argmax())


def test_shown_and_kept_back_places_are_of_other_documents(material: Material) -> None:
    latent, documents = _latent(material), material.firings.passages.documents
    shown = choose_shown(material, latent, near_misses(material)[latent], tops=8, misses=4)
    kept, values = unshown_firings(material, latent, 12)
    assert (values > 0).all() and len(values) == len(kept)
    assert material.fires(latent, shown.top).all() and material.fires(latent, shown.weaker).all()
    assert material.fires(latent, kept).all()
    for silent in (shown.alike, shown.near):
        assert not material.fires(latent, silent).any()
    for places in (shown.top, shown.weaker, shown.alike, shown.near):
        assert (documents[places.rows] % 2 == SHOWN).all()
    assert (documents[kept.rows] % 2 == UNSHOWN).all()
    # No document twice among the strongest, and the strongest first.
    assert len(set(documents[shown.top.rows])) == len(shown.top)
    assert (np.diff(shown.strengths) <= 1e-6).all() and 0 < shown.strengths.max() <= 1


def test_silent_places_have_the_token_of_the_firing_ones(material: Material) -> None:
    latent, tokens = _latent(material), material.firings.passages.tokens
    firing, _ = unshown_firings(material, latent, 12)
    silent = silent_alike(material, latent, firing, UNSHOWN, 6, seed=1)
    assert set(tokens[silent.rows, silent.positions]) <= set(tokens[firing.rows, firing.positions])


def test_near_misses_came_closest_of_the_silent_places(material: Material) -> None:
    latent = _latent(material)
    near = near_misses(material)[latent]
    residuals = np.asarray(material.firings.residuals[near.rows, near.positions], dtype=np.float32)
    encoder, bias = material.sae.encoder.numpy()[:, latent], float(material.sae.bias[latent])
    values = (residuals - material.sae.decoder_bias.numpy()) @ encoder + bias
    assert (np.diff(values) <= 1e-3).all()


def test_draw_counts_are_those_of_a_slow_count(material: Material) -> None:
    counts, firings = draw_counts(material), material.firings
    slow = np.zeros_like(counts)
    for row, position in np.argwhere(firings.passages.mask()):
        active = [
            ((value - material.scale.median[latent]) / material.scale.sigma[latent], -rank, latent)
            for rank, (latent, value) in enumerate(
                zip(firings.latents[row, position], firings.activations[row, position].astype(np.float32), strict=True)
            )
            if value > 0
        ]
        for _, _, latent in sorted(active, reverse=True)[:5]:
            slow[latent] += 1
    assert np.array_equal(counts, slow)


def test_sheets_show_every_latent_once_the_most_telling_first(
    parts: tuple[Recipe, Folders], material: Material, tmp_path: Path
) -> None:
    for _ in run_label_sheets(*parts, tmp_path, first=2, count=9):
        pass
    text = (tmp_path / "sheet-00.txt").read_text()
    latents = [int(line[1:].split()[0]) for line in text.splitlines() if line.startswith("#")]
    assert latents == telling_latents(material, draw_counts(material))[2:11].tolist()
    block = text.split("\n#")[1]
    marked = [line for line in block.splitlines() if "«" in line]
    assert {line[0] for line in marked} >= {"+", "~"} and all(line.count("«") == 1 for line in marked)


def test_what_cannot_be_used_is_refused_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "back.jsonl"
    file.write_text(
        '{"latent": 1, "label": " the word  \\"dog\\". ", "note": "n"}\n'
        "not json\n"
        '{"latent": 99, "label": "fine"}\n{"latent": 2, "label": "x"}\n{"latent": 3, "label": "zorble stones"}\n'
        '{"label": "whose"}\n["list"]\n\n{"latent": 1, "label": "later"}\n{"latent": 4, "label": "123"}\n'
        '5|a | b, as in c\n6|"and" joining, twice|seen often\nseven|x\n'
    )
    kept, refused = read_replies([file], 10, {"zorble"})
    assert {latent: (reply.label, reply.note) for latent, reply in kept.items()} == {
        1: ("later", ""),
        6: ('"and" joining, twice', "seen often"),
    }
    reasons = {one.where.partition(":")[2]: one.reason for one in refused}
    assert set(reasons) == {"2", "3", "4", "5", "6", "7", "9", "10", "11", "13"}
    assert "JSON" in reasons["2"] and "99" in reasons["3"] and "offensive" in reasons["5"]
    assert tidy(' the word  "dog". ') == 'the word "dog"'
    with pytest.raises(BadInput, match="cannot be read"):
        read_replies([tmp_path / "none"], 10, set())


@pytest.mark.parametrize(
    ("label", "before", "token", "word", "held"),
    [
        ('the word "dog"', "a", " Dog", "Dog", True),
        ('the word "dog"', "two", " dogs", "dogs", False),
        ('words that end in "ing"', "was", " running", "running", True),
        ('the suffix "-ing"', "to s", "ing", "sing", True),
        ('"as" and "atas" endings, as in "datasets"', "d", "atas", "datasets", True),
        ('words that begin with "un"', "not", " until", "until", True),
        ('the beginning "un-"', "a", " run", "run", False),
        ('"dis" and "vis" opening words, as in "disable"', "to", " dis", "disable", True),
        ('"c" opening a verb', "to", " c", "crawl", True),
        ('"t" inside scientific words', "pro", "t", "protein", True),
        ('the piece after "l", as in "blooming"', "a bl", "oom", "blooming", True),
        ('the piece after "l", as in "blooming" and "bloated"', "a bl", "oom", "blooming", True),
        ('nouns after "in the"', "was in the", " house", "house", True),
        ('nouns after "in the"', "was in the ho", "use", "house", True),
        ('nouns after "in the"', "was in", " the", "the", False),
        ('"the" after "of"', "the hall of", " house", "house", False),
        ('"the" after "of"', "the hall of", " the", "the", True),
        ('the space before a year, as in "March 25, 1947"', "in", " March", "March", False),
        ('the space before a year, as in "March 25, 1947"', "in May", " ", "1947", True),
        ("the phrase 'as well as'", "cats as well", " as", "as", True),
        ("'he' or 'she' speaking", "then", " she", "she", True),
        ("line breaks after a paragraph", "the end.", "\n\n", "\n", True),
        ("line breaks after a comma", "the end", ",", ",", False),
        ("commas in lists", "pork", ",", ",", True),
        ("the last digit of a result", "is 4", "8", "48", True),
    ],
)
def test_what_a_label_says_of_spelling_is_looked_for_where_it_says(
    label: str, before: str, token: str, word: str, held: bool
) -> None:
    rule = rule_of(label)
    assert rule is not None and rule(Seen(token, word, before)) is held


@pytest.mark.parametrize(
    "label",
    [
        'the article before "house"',
        'pieces, as in "Youth" and "width"',
        "any noun",
        "the dog's owner and the cat's",
        "numbered",
    ],
)
def test_what_follows_a_place_and_ideas_are_no_rule(label: str) -> None:
    assert rule_of(label) is None


def test_auroc_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    firing, silent = draw.integers(0, 5, 40) / 5 + 0.2, draw.integers(0, 5, 70) / 5
    weights = draw.random(40).astype(np.float32)
    every, counts = np.concatenate([firing, silent]), np.concatenate([weights, np.ones(70)])
    expected = roc_auc_score([1] * 40 + [0] * 70, every, sample_weight=counts)
    assert auroc(firing, silent, weights) == pytest.approx(expected)


def test_a_label_that_names_the_word_scores_and_one_that_does_not_is_at_chance(material: Material) -> None:
    latent = _latent(material)
    firing, _ = unshown_firings(material, latent, 20)
    words = [material.word(row, position) for row, position in zip(firing.rows, firing.positions, strict=True)]
    word = max(set(words), key=words.count)
    true = dict(check_labels(material, {latent: f'the word "{word}"'}, Letters()))[latent]
    false = dict(check_labels(material, {latent: 'the word "zzz"'}, Letters()))[latent]
    assert true is not None and false is not None and true.rule is not None
    assert true.rule > 0.5 >= (false.rule or 0) and true.auroc > false.auroc
    assert true.firing == len(firing) and 0 <= true.score <= 1


def _write(folder: Path, rows: dict[int, str]) -> Path:
    file = folder / "back.jsonl"
    file.write_text("".join(json.dumps({"latent": one, "label": text}) + "\n" for one, text in rows.items()))
    return file


def test_read_labels_take_the_place_of_rules_and_old_readers_go(
    given: Arguments, parts: tuple[Recipe, Folders], material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, folders = parts
    embedder: Embedder = Letters()
    monkeypatch.setattr(merge, "checking_embedder", lambda folders: embedder)
    before = {int(row["index"]): row for row in read_lines(folders.labels(1))}
    for _ in mapper(given):
        pass
    latent = _latent(material)
    file = _write(tmp_path, {latent: "the and a in dog cat horse", 5 if latent != 5 else 6: "qqqq xxxx"})
    list(run_read_labels(recipe, folders, (file,), reader="a person", corpus=given.corpus))
    rows = {int(row["index"]): row for row in read_lines(folders.labels(1))}
    read = [row for row in rows.values() if row["method"] == "read"]
    assert {row["explanationModelName"] for row in read} <= {"a person"}
    assert all(row["score"] >= merge.LEAST and row["evidence"]["embedder"] == "letters" for row in read)
    report = json.loads((folders.work / "read-labels.json").read_text())
    assert len(read) + len(report["dropped"]) == 2
    assert all(rows[one]["description"] == row["description"] for one, row in before.items() if rows[one] not in read)
    label_files.read(folders.labels(1))
    if read:
        assert not folders.reader("l2el").exists() and not (folders.work / "pairs-L1.npz").exists()
    # Reading nothing good gives the rules' labels again, whatever stood there before.
    list(run_read_labels(recipe, folders, (_write(tmp_path, {latent: "qqqq"}),), reader="", corpus=given.corpus))
    again = {int(row["index"]): row["description"] for row in read_lines(folders.labels(1))}
    assert again == {one: row["description"] for one, row in before.items()}


def test_a_label_is_given_to_so_many_latents_that_it_fits_best() -> None:
    from backends.engine.training.reading.check import Check
    from backends.engine.training.reading.replies import Reply

    replies = {latent: Reply(latent, "same", "") for latent in range(4)}
    checks = {latent: Check(score, None, None, 9) for latent, score in enumerate((0.7, 0.9, 0.5, 0.8))}
    assert merge.worn_out(replies, {**checks}, most=2) == [1, 3]


def test_no_files_and_no_firings_are_explained(parts: tuple[Recipe, Folders], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No labels"):
        list(run_read_labels(*parts, (), reader="", corpus=tmp_path))
    with pytest.raises(BadInput, match="train statistics"):
        load_material(parts[0], Folders(tmp_path), 1)


def test_a_latent_that_fires_in_shown_documents_only_has_no_check(material: Material) -> None:
    documents, latents = material.firings.passages.documents, material.latents
    for latent in np.flatnonzero(latents.counts):
        if (documents[latents.rows[latents.of(int(latent))]] % 2 == SHOWN).all():
            assert dict(check_labels(material, {int(latent): "anything"}, Letters())) == {latent: None}
    silent = np.flatnonzero(latents.counts == 0).tolist()[:3]
    assert all(check is None for _, check in check_labels(material, dict.fromkeys(silent, "anything"), Letters()))
