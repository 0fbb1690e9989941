"""Results files, tables, figures and the one self-contained page."""
