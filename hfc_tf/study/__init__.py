"""The cached study: artefacts named by what they were made from."""
