"""The stages that make a workbench: from a corpus to readers, each resumable."""
