"""`evaluate paper-tables`: tables 1 to 6 and figure 2 of the L2EL paper, in form, on the bundled workbench."""
