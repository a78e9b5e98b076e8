"""The actions of every room; each room's keep the order of importance that the line of keys follows."""

from screens.actions.app import APP
from screens.actions.base import Action
from screens.actions.bench import BENCH, PLOT
from screens.actions.corpus import CORPUS
from screens.actions.crossmodel import CROSSMODEL
from screens.actions.feature import FEATURE
from screens.actions.hypotheses import HYPOTHESES
from screens.actions.intervene import INTERVENE
from screens.actions.notebook import NOTEBOOK
from screens.actions.sweep import SWEEP

__all__ = [
    "APP",
    "BENCH",
    "CORPUS",
    "CROSSMODEL",
    "FEATURE",
    "HYPOTHESES",
    "INTERVENE",
    "NOTEBOOK",
    "PLOT",
    "SWEEP",
    "Action",
]
