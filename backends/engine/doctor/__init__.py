"""The doctor: does a workbench fit together? Read from headers and cards, before anything heavy is loaded."""
