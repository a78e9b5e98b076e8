"""A latent's page as plain text: for copying, for the notebook's side, and for those who cannot see the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import set_cell_size

from investigator.records import Context, Feature, LabelNote, Likely, Neighbour
from investigator.text import inert
from screens.widgets import histogram

NO_LABEL = "(no label: no pattern was clear enough)"


def heading(feature: Feature) -> str:
    """Return the latent, its SAE and its statistics on one line."""
    return f"latent {feature.latent} · {inert(feature.sae)} · {_statistics(feature)}"


def _statistics(feature: Feature) -> str:
    if not (feature.rate or feature.maximum or feature.histogram_counts):
        return "the workbench has no statistics of this latent"
    return f"rate {feature.rate:.3%} · median {feature.median:+.2f} · IQR {feature.iqr:.2f} · max {feature.maximum:.2f}"


def label_line(label: LabelNote) -> str:
    """Return a label with who or what wrote it."""
    by = [f"by {inert(label.author)}"] if label.author else []
    rule = [f"rule: {inert(label.rule)}"] if label.rule else []
    score = [f"score {label.score:.2f}"] if label.score is not None else []
    return f"{inert(label.text)}   ({' · '.join([*by, *rule, *score]) or 'its author is not recorded'})"


def label_lines(feature: Feature) -> list[str]:
    """Return every label of a latent, or that it has none."""
    return [label_line(label) for label in feature.labels] or [NO_LABEL]


def title(feature: Feature) -> str:
    """Return what a finding about this latent is called."""
    return f"latent {feature.latent}: {' / '.join(label.text for label in feature.labels) or '(no label)'}"


def neighbour_line(neighbour: Neighbour) -> str:
    """Return a neighbour's cosine, number and labels."""
    labels = " / ".join(map(inert, neighbour.labels)) or "(no label)"
    return f"{neighbour.cosine:+.2f} {neighbour.latent:6d}  {labels}"


def logit_lines(raised: Sequence[Likely], lowered: Sequence[Likely]) -> list[str]:
    """Return the next tokens that the decoder direction raises beside those that it lowers."""
    rows = max(len(raised), len(lowered))
    left, right = ([*_logits(side), *[""] * (rows - len(side))] for side in (raised, lowered))
    pairs = zip(("raises", *left), ("lowers", *right), strict=True)
    return [f"{set_cell_size(one, 20)}{other}".rstrip() for one, other in pairs]


def _logits(side: Iterable[Likely]) -> list[str]:
    return [f"{one.value:+6.2f} {_quoted(one.text, 10)}" for one in side]


def _quoted(token: str, width: int) -> str:
    # Without its variation selector an emoji has the width that terminals give it.
    shown = inert(token).replace("\ufe0f", "")
    return f'"{shown if len(shown) <= width else shown[: width - 1] + "…"}"'


def excerpt(context: Context) -> str:
    """Return an excerpt as one line: its largest activation, its text with the peak in brackets, its document."""
    words = [
        f" [{inert(token).strip()}]" if index == context.peak else inert(token)
        for index, token in enumerate(context.tokens)
    ]
    where = f"   ({inert(context.document)})" if context.document else ""
    return f"{max(context.activations, default=0.0):7.2f}  {''.join(words).strip()}{where}"


def text(feature: Feature) -> str:
    """Return the whole page."""
    parts = [
        heading(feature),
        *label_lines(feature),
        *_section("excerpts", map(excerpt, feature.contexts)),
        *_section("nearest latents", map(neighbour_line, feature.nearest)),
        *_section("next tokens", logit_lines(feature.top_logits, feature.bottom_logits)),
        *_section("activations", histogram.in_words(feature.histogram_edges, feature.histogram_counts).splitlines()),
    ]
    return "\n".join(parts)


def _section(name: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return ["", name, *(f"  {line}" for line in found)] if found else ["", f"{name}: none recorded"]


def label_of(feature: Feature | None, neighbour: str | None = None) -> str:
    """Return a page's first label, or that of one of its neighbours, by its number; empty where there is none."""
    if feature is None:
        return ""
    if neighbour is None:
        return feature.labels[0].text if feature.labels else ""
    return next((one.labels[0] for one in feature.nearest if str(one.latent) == neighbour and one.labels), "")
